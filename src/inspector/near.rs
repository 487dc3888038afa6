//! Suggests cards and boxes for a search that finds nothing: a digit may be wrong, or two digits swapped.

use serde_json::json;

use super::list::{take_search, to_data};
use crate::api::{Api, ApiError, Data, Params};
use crate::search::{Condition, Search};
use crate::store::DeviceKind;
use crate::words::{Word as _, nearest};

/// The largest numbers of CA IDs that are compared, and that are suggested.
const COMPARED: u64 = 1_000_000;
const OFFERED: usize = 5;

/// The method: CA IDs similar to the first card or box in a search.
///
/// # Errors
/// A parameter, or the store.
pub async fn near(api: &Api, mut params: Params) -> Result<Data, ApiError> {
    let search = take_search(api, &mut params)?;
    params.finish()?;
    let Some((kind, named)) = named_device(&search) else { return to_data(&json!({"near": []})) };
    let known = api.store.list_devices(kind, COMPARED).await?;
    // Comparing many CA IDs takes a while, so it runs on a blocking thread.
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
