//! Looks up in the catalogue the cards, boxes, services and subscriptions that a client names.

use std::collections::HashMap;

use super::Api;
use super::error::{ApiError, Code};
use super::identifier::Identifier;
use super::params::Params;
use crate::catalogue::{self, Entry, EntryKind, Key};
use crate::words::Word as _;

/// Takes a set of objects, each naming a card or box by its CA ID.
pub(super) fn take_set(
    params: &mut Params,
    set: &'static str,
    id: &'static str,
    most: usize,
) -> Result<Vec<String>, ApiError> {
    let mut ids: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for mut object in params.mandatory_objects(set, most)? {
        let value = object.mandatory_text(id)?;
        if !seen.insert(value.clone()) {
            return Err(ApiError::invalid(object.location_of(id), format!("{id} is in {set} twice.")));
        }
        object.finish()?;
        ids.push(value);
    }
    Ok(ids)
}

/// The distribution ids of devices, in order. For a device that is not in the catalogue, an id is derived from the CA ID.
///
/// # Errors
/// NOT_FOUND in a strict catalogue, naming the device.
pub(super) async fn distribution_ids(
    api: &Api,
    kind: EntryKind,
    ca_ids: &[String],
    location_of: impl Fn(usize) -> String,
) -> Result<Vec<String>, ApiError> {
    let entries = api.store.find_entries(kind, Key::CaId, ca_ids.to_vec()).await?;
    let mut known: HashMap<Option<String>, Option<String>> =
        entries.into_iter().map(|e| (e.ca_id, e.distribution_id)).collect();
    let distribution_id = |(index, ca_id): (usize, &String)| match known.remove(&Some(ca_id.clone())) {
        None if api.is_catalogue_strict() => Err(not_found(kind, ca_id, location_of(index))),
        found => Ok(found.flatten().unwrap_or_else(|| catalogue::own_distribution_id(kind, ca_id))),
    };
    ca_ids.iter().enumerate().map(distribution_id).collect()
}

/// The entry that an identifier names, if the catalogue has it.
pub(super) async fn find(api: &Api, kind: EntryKind, identifier: &Identifier) -> Result<Option<Entry>, ApiError> {
    let mut entries =
        api.store.find_entries(kind, Key::of_field(identifier.field), vec![identifier.value.clone()]).await?;
    if entries.len() > 1 {
        let message = format!("{} '{}' names several {}.", identifier.field, identifier.value, kind.as_str());
        return Err(ApiError::at(Code::ConflictingParameters, &identifier.location, message));
    }
    Ok(entries.pop())
}

/// Refuses an unknown entry when the catalogue is strict.
pub(super) async fn check_known(api: &Api, kind: EntryKind, identifier: &Identifier) -> Result<(), ApiError> {
    if api.is_catalogue_strict() && find(api, kind, identifier).await?.is_none() {
        return Err(not_found(kind, &identifier.value, identifier.location.clone()));
    }
    Ok(())
}

/// The error for an entry that the catalogue does not have.
pub(super) fn not_found(kind: EntryKind, value: &str, location: String) -> ApiError {
    ApiError::at(Code::NotFound, location, format!("The catalogue has no '{value}' among its {}.", kind.as_str()))
}
