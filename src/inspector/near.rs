//! The cards and boxes that are near one that nothing is found for: a digit was wrong, or two stand in each other's place.

use serde_json::json;

use super::list::{take_search, to_data};
use crate::api::{Api, ApiError, Data, Params};
use crate::search::{Condition, Search};
use crate::store::DeviceKind;
use crate::words::{Word as _, nearest};

/// CA IDs that are compared, at most, and those that are offered.
const COMPARED: u64 = 1_000_000;
const OFFERED: usize = 5;

/// The method: what is near the first card or box that a search names.
///
/// # Errors
/// A parameter, or the store.
pub async fn near(api: &Api, mut params: Params) -> Result<Data, ApiError> {
    let search = take_search(api, &mut params)?;
    params.finish()?;
    let Some((kind, named)) = named_device(&search) else { return to_data(&json!({"near": []})) };
    let known = api.store.list_devices(kind, COMPARED).await?;
    // Comparing takes a while where there are many.
    let compared = tokio::task::spawn_blocking(move || {
        let near = nearest(&named, known.iter().map(String::as_str), OFFERED);
        to_data(&json!({"key": kind.as_str(), "near": near}))
    });
    compared.await.map_err(|error| ApiError::internal(error.to_string()))?
}

fn named_device(search: &Search) -> Option<(DeviceKind, String)> {
    search.required().find_map(|condition| match condition {
        Condition::Card(card) => Some((DeviceKind::Card, card.exact()?.to_owned())),
        Condition::Stb(stb) => Some((DeviceKind::Stb, stb.exact()?.to_owned())),
        _ => None,
    })
}
