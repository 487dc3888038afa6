//! Finds a card or set-top box whose CA ID a person typed, perhaps with blanks, dashes or a wrong digit.

use crate::cli::{Failed, output};
use crate::store::{DeviceKind, RequestQuery, RequestStore};
use crate::words::nearest;

/// Most CA IDs that are compared when none matches.
const COMPARED: u64 = 1_000_000;
/// Most similar CA IDs that are suggested.
const OFFERED: usize = 5;

/// A CA ID without the blanks, dashes and dots that a person may write in it.
pub(in crate::cli) fn bare(given: &str) -> String {
    given.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.')).collect()
}

/// The CA ID in the store that matches the given one, as it is or without blanks and dashes. Without a match similar CA
/// IDs are suggested.
pub(in crate::cli) async fn find_device(
    store: &dyn RequestStore,
    kind: DeviceKind,
    given: &str,
) -> Result<String, Failed> {
    let bare = bare(given);
    for ca_id in [given, &bare] {
        let query = RequestQuery { search: kind.condition(ca_id).into(), limit: 1, ..RequestQuery::default() };
        if store.count_requests(query).await? > 0 {
            return Ok(ca_id.to_owned());
        }
    }
    let known = store.list_devices(kind, COMPARED).await?;
    let near = nearest(&bare, known.iter().map(String::as_str), OFFERED);
    let near = if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) };
    let device = match kind {
        DeviceKind::Card => "smartcard",
        DeviceKind::Stb => "set-top box",
    };
    output::note(&format!("no request has the {device} {given}{near}"));
    Ok(bare)
}
