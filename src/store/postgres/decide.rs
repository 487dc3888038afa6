//! Carries out an operator's decision about a request that is not under way, and changes the locks of its cards accordingly.

use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use super::script::Script;
use super::{cards, record, request_read};
use crate::request::{Decision, NotAllowed, Order, ProvisioningRequest};
use crate::store::policy::Cards;
use crate::store::rows::ReadColumns as _;
use crate::store::{RecordKey, StoreError};

pub(super) async fn decide_request(
    transaction: &Transaction,
    number: i64,
    order: &Order,
) -> Result<ProvisioningRequest, Fault> {
    let not_allowed = |why: &str| StoreError::NotAllowed(format!("request {number}: {why}"));
    // Locks the request's row before the rows of the cards, in the same order as a claim.
    let sql =
        "-- decide_request\nSELECT lease_owner IS NOT NULL AS is_leased FROM request WHERE number = $1 FOR UPDATE";
    let row = transaction.query_first(sql, &[&number]).await?.ok_or_else(|| not_allowed("there is none"))?;
    // A note does not change the request, so that it is allowed while a node works on the request.
    let is_note = order.decision == Decision::Note;
    if !is_note && Columns(&row).get("is_leased")? {
        return Err(not_allowed("it is under way; if no gateway is running, start one first: it finds out").into());
    }
    let found = request_read::find_request(transaction, None, &RecordKey::Number(number)).await?;
    let mut request = found.ok_or_else(|| not_allowed("there is none"))?;
    if !is_note {
        cards::lock_cards(transaction, &request.content.cards).await?;
    }
    let event = request.decide(order).map_err(|NotAllowed(why)| not_allowed(why))?;
    let mut script = Script::default();
    if !is_note {
        record::update_requests(transaction, &[(&request, None)], &mut script).await?;
        cards::unqueue_cards(&mut script, [(number, Cards::of(&request.content))]);
        cards::change_cards(&mut script, &[&request]);
    }
    record::add_event(&mut script, number, &event);
    transaction.run(&script).await?;
    drop(script);
    Ok(request)
}
