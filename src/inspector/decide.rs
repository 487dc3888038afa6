//! Decisions of an operator on a page, with the rules of the command line.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::found::{Found, find};
use super::list::to_data;
use crate::api::{Api, ApiError, Code, Data, Params, Record, Session, resubmit};
use crate::exchange::Note;
use crate::request::{Decision, Order, ProvisioningRequest};
use crate::store::{Resubmission, StoreError};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// A note about a request or an exchange.
pub(super) const NOTE: &str = "note";
/// Every decision about a request, by its name in the pages.
const DECISIONS: [(&str, Decision); 5] = [
    ("retry", Decision::Retry),
    ("cancel", Decision::Cancel),
    ("settle_completed", Decision::Resolve { completed: true, reference: None }),
    ("settle_rejected", Decision::Resolve { completed: false, reference: None }),
    (NOTE, Decision::Note),
];
/// Decisions about a request that has ended: its call is submitted again, unchanged or edited.
pub(super) const AGAIN: &str = "again";
const EDIT: &str = "edit";

/// The decisions that the present state of a request allows.
pub(super) fn allowed(request: &ProvisioningRequest, now: DateTime<Utc>) -> Vec<&'static str> {
    let decisions = DECISIONS.iter().filter(|(_, decision)| request.allows(decision, now)).map(|(name, _)| *name);
    let further = if resubmit::is_possible(request) { &[AGAIN, EDIT][..] } else { &[] };
    further.iter().copied().chain(decisions).collect()
}

/// Carries out a decision; returns the changed record or the record of the new request, and the id of an exchange.
///
/// # Errors
/// A parameter, NOT_FOUND, CONFLICT if the state of the request does not allow the decision, or the store.
pub async fn decide(api: &Api, session: &Session, id: &str, name: &str, mut params: Params) -> Result<Data, ApiError> {
    let reason = take_reason(&mut params)?;
    let user = session.user.username.clone();
    if name == AGAIN || name == EDIT {
        let call = if name == EDIT { Some(edited_call(&mut params)?) } else { None };
        params.finish()?;
        let of = find_request(api, id).await?.number;
        let resubmission = Resubmission { of, user, reason };
        let request = match call {
            Some(call) => resubmit::call_edited(api, session, resubmission, call).await?,
            None => resubmit::call(api, resubmission).await?,
        };
        return to_data(&Record::new(&request, api.dates));
    }
    let found = DECISIONS.into_iter().find(|(decision, _)| *decision == name);
    let (_, mut decision) = found.ok_or_else(|| ApiError::new(Code::MethodNotFound, "There is no such decision."))?;
    if let Decision::Resolve { reference, .. } = &mut decision {
        *reference = params.text("reference")?.filter(|text| !text.is_empty());
    }
    params.finish()?;
    let number = match find(api, id).await? {
        Found::Request(request) => request.number,
        Found::Exchange(exchange) if name == NOTE => {
            let note = Note { at: api.clock.now(), user, text: reason };
            let is_there = api.store.add_note(&exchange.id, note).await?;
            let gone = || ApiError::new(Code::NotFound, "This exchange has been deleted meanwhile.");
            return if is_there { to_data(&json!({"id": exchange.id})) } else { Err(gone()) };
        }
        Found::Exchange(_) => return Err(no_request()),
    };
    let order = Order { decision, user, reason, at: api.clock.now() };
    let decided = api.store.decide_request(number, order).await;
    let request = decided.map_err(|error| match error {
        StoreError::NotAllowed(why) => ApiError::new(Code::Conflict, format!("Request {number}: {why}.")),
        other => other.into(),
    })?;
    api.processors.wake();
    to_data(&Record::new(&request, api.dates))
}

/// Reads the reason, which every decision needs.
pub(super) fn take_reason(params: &mut Params) -> Result<String, ApiError> {
    let reason = params.mandatory_text("reason")?;
    if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
        let message = format!("reason must have 1 to {LONGEST_REASON} characters that are not all blanks.");
        return Err(ApiError::invalid("$.reason", message));
    }
    Ok(reason)
}

fn edited_call(params: &mut Params) -> Result<Params, ApiError> {
    params.object("call")?.ok_or_else(|| ApiError::missing(params.location_of("call")))
}

/// Finds a request by its id or its number.
pub(super) async fn find_request(api: &Api, id: &str) -> Result<ProvisioningRequest, ApiError> {
    match find(api, id).await? {
        Found::Request(request) => Ok(*request),
        Found::Exchange(_) => Err(no_request()),
    }
}

fn no_request() -> ApiError {
    ApiError::new(Code::NotFound, "This is an exchange, no request.")
}
