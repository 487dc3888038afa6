//! Carries out an operator's decision about a request that is not under way, and changes the locks of its cards accordingly.

use std::sync::atomic::AtomicBool;

use rusqlite::Connection;

use super::{cards, request_read, request_write};
use crate::request::{Decision, NotAllowed, Order, ProvisioningRequest};
use crate::store::policy::Cards;
use crate::store::{RecordKey, StoreError};

pub(super) fn decide_request(
    db: &Connection,
    number: i64,
    order: &Order,
    secrets: &AtomicBool,
) -> Result<ProvisioningRequest, StoreError> {
    let not_allowed = |why: &str| StoreError::NotAllowed(format!("request {number}: {why}"));
    let found = request_read::find_request(db, None, &RecordKey::Number(number))?;
    let mut request = found.ok_or_else(|| not_allowed("there is none"))?;
    if order.decision == Decision::Note {
        // A note does not change the request, so that it is allowed while a node works on the request.
        let event = request.decide(order).map_err(|NotAllowed(why)| not_allowed(why))?;
        request_write::add_event(db, number, &event)?;
        return Ok(request);
    }
    let is_leased: bool = db
        .prepare_cached(
            "-- decide_request: lease\nSELECT lease_owner IS NOT NULL AS is_leased FROM request WHERE number = ?1",
        )?
        .query_row([number], |row| row.get("is_leased"))?;
    if is_leased {
        return Err(not_allowed("it is under way; if no gateway is running, start one first: it finds out"));
    }
    let event = request.decide(order).map_err(|NotAllowed(why)| not_allowed(why))?;
    request_write::update(db, &request, None, secrets)?;
    cards::unqueue_cards(db, number, Cards::of(&request.content))?;
    cards::change_cards(db, &request)?;
    request_write::add_event(db, number, &event)?;
    Ok(request)
}
