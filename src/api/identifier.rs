//! Reads identifiers: objects with exactly one of their sub-fields.

use super::error::{ApiError, Code};
use super::params::Params;

/// An identifier of an entry: a sub-field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identifier {
    pub field: &'static str,
    pub value: String,
    /// JSON path of the sub-field.
    pub location: String,
}

/// Takes an identifier that may be absent.
///
/// # Errors
/// None or several of `fields`, or a wrong value.
pub(super) fn optional(
    params: &mut Params,
    name: &'static str,
    fields: &[&'static str],
) -> Result<Option<Identifier>, ApiError> {
    let Some(mut object) = params.object(name)? else { return Ok(None) };
    let given: Vec<_> = fields.iter().copied().filter(|f| object.has(f)).collect();
    if given.len() > 1 {
        let message = format!("Only one of {} may be given.", given.join(", "));
        return Err(ApiError::at(Code::ConflictingParameters, params.location_of(name), message));
    }
    let mut found = None;
    for field in fields {
        let location = object.location_of(field);
        if given.contains(field) {
            found = Some(Identifier { field, value: object.mandatory_text(field)?, location });
        } else {
            object.text(field)?;
        }
    }
    object.finish()?;
    match found {
        Some(found) => Ok(Some(found)),
        None => {
            let message = format!("{name} needs one of {}.", fields.join(", "));
            Err(ApiError::at(Code::MissingParameter, params.location_of(name), message))
        }
    }
}

/// Takes a mandatory identifier.
///
/// # Errors
/// The errors of [`optional`], or MISSING_PARAMETER.
pub(super) fn mandatory(
    params: &mut Params,
    name: &'static str,
    fields: &[&'static str],
) -> Result<Identifier, ApiError> {
    optional(params, name, fields)?.ok_or_else(|| ApiError::missing(params.location_of(name)))
}
