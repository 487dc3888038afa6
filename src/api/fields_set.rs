//! fields_set: which top-level keys of a record are returned.

use serde::ser::{Error as _, Serialize, Serializer};

use super::error::ApiError;
use super::params::Params;
use super::record::{KEYS, Record};
use crate::words::{did_you_mean, quoted};

/// The keys to return; `None` is all of them.
#[derive(Clone, Debug)]
pub(super) struct FieldsSet(Option<Vec<&'static str>>);

impl FieldsSet {
    /// Takes the parameter `fields_set`.
    ///
    /// # Errors
    /// The name of a field that no record has.
    pub(super) fn take(params: &mut Params) -> Result<Self, ApiError> {
        let mut keys = Vec::new();
        for name in params.texts("fields_set")? {
            match KEYS.iter().find(|k| **k == name) {
                Some(key) => keys.push(*key),
                None => {
                    let message = format!("A record has no field {}.{}", quoted(&name), did_you_mean(&name, KEYS));
                    return Err(ApiError::invalid(params.location_of("fields_set"), message));
                }
            }
        }
        Ok(Self((!keys.is_empty()).then_some(keys)))
    }

    /// Keeps only the chosen keys, in the record's order.
    pub(super) fn apply<'r>(&'r self, record: Record<'r>) -> Selected<'r> {
        Selected { record, keys: self.0.as_deref() }
    }
}

/// A record with the chosen keys.
pub(super) struct Selected<'r> {
    record: Record<'r>,
    keys: Option<&'r [&'static str]>,
}

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(keys) = self.keys else { return self.record.serialize(serializer) };
        let whole = serde_json::to_value(&self.record).map_err(S::Error::custom)?;
        let pairs = whole.as_object().into_iter().flatten();
        serializer.collect_map(pairs.filter(|(key, _)| keys.contains(&key.as_str())))
    }
}
