//! `requests again`: submits the API call of an ended request as a new request, and links both requests in their histories.
//!
//! Rule: the API call is repeated for the user who made the first call. So today's catalogue and contract apply, and
//! every message that is sent has a record of its own.

use std::collections::HashSet;

use serde_json::Value;

use super::create::prepare;
use super::error::{ApiError, Code};
use super::{Api, Params, Session, parse_object};
use crate::request::{CARD_ID, ProvisioningRequest, State};
use crate::store::{RecordKey, Resubmission, Submission};

/// Submits the content of an ended request as a new request; `resubmission` names the operator and the reason.
///
/// # Errors
/// The request does not exist, has not ended, or its call cannot be repeated.
pub async fn call(api: &Api, resubmission: Resubmission) -> Result<ProvisioningRequest, ApiError> {
    let earlier = find_earlier(api, resubmission.of).await?;
    let params = params_of(&earlier)?;
    let session = Session { user: earlier.content.created_by.clone() };
    submit(api, &session, &earlier, params, resubmission).await
}

/// Submits a call that an operator has edited, in the operator's name; the histories of both requests say so.
///
/// # Errors
/// The errors of [`call`], or an error in the edited call.
pub async fn call_edited(
    api: &Api,
    session: &Session,
    resubmission: Resubmission,
    params: Params,
) -> Result<ProvisioningRequest, ApiError> {
    let earlier = find_earlier(api, resubmission.of).await?;
    params_of(&earlier)?;
    let reason = format!("edited: {}", resubmission.reason);
    submit(api, session, &earlier, params, Resubmission { reason, ..resubmission }).await
}

async fn find_earlier(api: &Api, number: i64) -> Result<ProvisioningRequest, ApiError> {
    let found = api.store.find_request(None, RecordKey::Number(number)).await?;
    found.ok_or_else(|| ApiError::new(Code::NotFound, format!("There is no request {number}.")))
}

async fn submit(
    api: &Api,
    session: &Session,
    earlier: &ProvisioningRequest,
    params: Params,
    resubmission: Resubmission,
) -> Result<ProvisioningRequest, ApiError> {
    let content = &earlier.content;
    let method = (content.family, content.request_type);
    let (submission, contract) = prepare(api, session, method, None, params, api.clock.now()).await?;
    let submission = Submission { resubmission: Some(resubmission), ..submission };
    let submitted = api.processors.of_family(content.family).submit(submission, contract).await?;
    let submitted = submitted.map(|submitted| submitted.request);
    submitted.ok_or_else(|| ApiError::internal("a request without an Idempotency-Key was found to be a repetition"))
}

/// Can the call be repeated, as far as the record tells?
pub fn is_possible(earlier: &ProvisioningRequest) -> bool {
    params_of(earlier).is_ok()
}

/// The parameters of the client's call; if only a part of a set was done, only with the cards that were not done.
fn params_of(earlier: &ProvisioningRequest) -> Result<Params, ApiError> {
    let conflict = |why: &str| ApiError::new(Code::Conflict, format!("Request {}: {why}.", earlier.number));
    if earlier.state == State::Pending {
        return Err(conflict("it has not ended; retry, cancel or settle it"));
    }
    if let Some(secret) = earlier.content.request_type.secret() {
        return Err(conflict(&format!("its {secret} is not kept; the CRM has to ask again")));
    }
    let call = earlier.content.api_call.as_deref().ok_or_else(|| conflict("its call is not kept"))?;
    let mut values = parse_object(call.as_bytes())?;
    let not_done: HashSet<&String> = earlier.cards_not_done().into_iter().collect();
    let is_left = |object: &Value| match object.get(CARD_ID) {
        Some(Value::String(card)) => not_done.contains(card),
        _ => true,
    };
    values.values_mut().filter_map(Value::as_array_mut).for_each(|set| set.retain(is_left));
    Ok(Params::new(values))
}
