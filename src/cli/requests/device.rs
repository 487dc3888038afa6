//! A card or set-top box as a person writes its CA ID down: with blanks and dashes in it, or with a digit wrong.

use crate::cli::{Failed, output};
use crate::store::{DeviceKind, Filter, RequestStore};
use crate::words::nearest;

/// CA IDs that are compared with one that has nothing, at most.
const COMPARED: u64 = 1_000_000;
/// Near CA IDs that are offered.
const OFFERED: usize = 5;

/// The CA ID that requests have for the one given: as it is, or without blanks and dashes. If none has either, near ones
/// are offered to the person.
pub(in crate::cli) async fn find_device(
    store: &dyn RequestStore,
    kind: DeviceKind,
    given: &str,
) -> Result<String, Failed> {
    let bare: String = given.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.')).collect();
    for ca_id in [given, &bare] {
        let filter = Filter { limit: 1, ..kind.filter(ca_id) };
        if store.count_requests(filter).await? > 0 {
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
