//! fields_set: which top-level keys of a record are returned.

use serde_json::Value;

use super::error::ApiError;
use super::params::Params;
use super::record::KEYS;

/// The keys to return; `None` is all of them.
#[derive(Clone, Debug)]
pub(super) struct FieldsSet(Option<Vec<&'static str>>);

impl FieldsSet {
    /// Takes the parameter.
    ///
    /// # Errors
    /// A name that no record has.
    pub(super) fn take(params: &mut Params) -> Result<Self, ApiError> {
        let Some(text) = params.text("fields_set")? else { return Ok(Self(None)) };
        let mut keys = Vec::new();
        for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            match KEYS.iter().find(|k| **k == name) {
                Some(key) => keys.push(*key),
                None => {
                    let nearest = KEYS.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
                    let name: String = name.chars().take(64).collect();
                    let message = format!("A record has no field {name}; the nearest is {}.", nearest.unwrap_or(&""));
                    return Err(ApiError::invalid(params.place_of("fields_set"), message));
                }
            }
        }
        Ok(Self((!keys.is_empty()).then_some(keys)))
    }

    /// Leaves only those keys, in the record's order.
    pub(super) fn apply(&self, record: Value) -> Value {
        match (&self.0, record) {
            (Some(keys), Value::Object(map)) => {
                Value::Object(map.into_iter().filter(|(k, _)| keys.contains(&k.as_str())).collect())
            }
            (_, record) => record,
        }
    }
}
