//! `GET …/show`: one record.

use super::error::{ApiError, Code};
use super::fields_set::FieldsSet;
use super::{Api, Data, Params, Record, Session, data, identifier};
use crate::request::{Family, RecordId};
use crate::store::RecordKey;

/// Shows the record of an identifier.
///
/// # Errors
/// A wrong parameter, NOT_FOUND, or the store.
pub async fn call(api: &Api, _: &Session, family: Family, mut params: Params) -> Result<Data, ApiError> {
    let identifier = identifier::mandatory(&mut params, "provisioning_request_identifier", &["id", "number"])?;
    let fields_set = FieldsSet::take(&mut params)?;
    params.finish()?;
    let key = match identifier.field {
        "id" => RecordId::parse(&identifier.value).map(RecordKey::Id),
        _ => identifier.value.parse().ok().map(RecordKey::Number),
    };
    let found = match key {
        Some(key) => api.store.find_request(Some(family), key).await?,
        None => None,
    };
    match found {
        Some(request) => data(&fields_set.apply(Record::new(&request, api.dates))),
        None => {
            let value: String = identifier.value.chars().take(64).collect();
            let message = format!("There is no provisioning request with {} '{value}'.", identifier.field);
            Err(ApiError::at(Code::NotFound, identifier.location, message))
        }
    }
}
