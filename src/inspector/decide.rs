//! What an operator decides on a page: the same decisions as on the command line, with the same rules.

use chrono::{DateTime, Utc};

use super::list::to_data;
use crate::api::{Api, ApiError, Code, Data, Params, Record, Session, resubmit};
use crate::request::{Decision, Order, ProvisioningRequest};
use crate::store::{RecordKey, Resubmission, StoreError};

/// Characters of a reason, at most.
const LONGEST_REASON: usize = 500;
/// Every decision about a request that is not at its end, by the name that a page calls it.
const DECISIONS: [(&str, Decision); 4] = [
    ("retry", Decision::Retry),
    ("cancel", Decision::Cancel),
    ("settle_completed", Decision::Resolve { completed: true, reference: None }),
    ("settle_rejected", Decision::Resolve { completed: false, reference: None }),
];
/// What may be done with one that is.
const AGAIN: &str = "again";

/// What may be decided about a request as it stands.
pub(super) fn allowed(request: &ProvisioningRequest, now: DateTime<Utc>) -> Vec<&'static str> {
    let decisions = DECISIONS.iter().filter(|(_, decision)| request.allows(decision, now)).map(|(name, _)| *name);
    decisions.chain(resubmit::is_possible(request).then_some(AGAIN)).collect()
}

/// Carries out a decision, and returns the record as it then is, or that of the new request.
///
/// # Errors
/// A parameter, NOT_FOUND, CONFLICT where the state of the request does not allow it, or the store.
pub async fn decide(api: &Api, session: &Session, id: &str, name: &str, mut params: Params) -> Result<Data, ApiError> {
    let reason = params.mandatory_text("reason")?;
    if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
        let message = format!("reason must have 1 to {LONGEST_REASON} characters that are not all blanks.");
        return Err(ApiError::invalid("$.reason", message));
    }
    let user = session.user.username.clone();
    if name == AGAIN {
        params.finish()?;
        let of = find_request(api, id).await?.number;
        let request = resubmit::call(api, Resubmission { of, user, reason }).await?;
        return to_data(&Record::new(&request, api.dates));
    }
    let found = DECISIONS.into_iter().find(|(decision, _)| *decision == name);
    let (_, mut decision) = found.ok_or_else(|| ApiError::new(Code::MethodNotFound, "There is no such decision."))?;
    if let Decision::Resolve { reference, .. } = &mut decision {
        *reference = params.text("reference")?.filter(|text| !text.is_empty());
    }
    params.finish()?;
    let number = find_request(api, id).await?.number;
    let order = Order { decision, user, reason, at: api.clock.now() };
    let decided = api.store.decide_request(number, order).await;
    let request = decided.map_err(|error| match error {
        StoreError::NotAllowed(why) => ApiError::new(Code::Conflict, format!("Request {number}: {why}.")),
        other => other.into(),
    })?;
    api.processor.wake();
    to_data(&Record::new(&request, api.dates))
}

/// A request by its id or its number.
pub(super) async fn find_request(api: &Api, id: &str) -> Result<ProvisioningRequest, ApiError> {
    let found = match RecordKey::parse(id) {
        Some(key) => api.store.find_request(None, key).await?,
        None => None,
    };
    found
        .ok_or_else(|| ApiError::new(Code::NotFound, "There is no such request or exchange; it may have been deleted."))
}
