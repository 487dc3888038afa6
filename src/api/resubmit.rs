//! A request once more: a new one with the same call, linked to the ended one in both histories.
//!
//! Rule: the call is made anew, by the user who made it first. So the catalogue and the contract of now decide, and nothing
//! is sent twice behind the back of the record.

use super::create::prepare;
use super::error::{ApiError, Code};
use super::{Api, Params, Session, parse_object};
use crate::request::{ProvisioningRequest, State};
use crate::store::{RecordKey, Resubmission, Submission};

/// Submits the content of a request that has ended as a new one; `resubmission` says by whom, and why.
///
/// # Errors
/// There is no such request, it has not ended, or its call cannot be made any more.
pub async fn call(api: &Api, resubmission: Resubmission) -> Result<ProvisioningRequest, ApiError> {
    let number = resubmission.of;
    let found = api.store.find_request(None, RecordKey::Number(number)).await?;
    let earlier = found.ok_or_else(|| ApiError::new(Code::NotFound, format!("There is no request {number}.")))?;
    let params = params_of(&earlier)?;
    let content = &earlier.content;
    let session = Session { user: content.created_by.clone() };
    let method = (content.family, content.request_type);
    let submission = prepare(api, &session, method, params, api.clock.now()).await?;
    let submission = Submission { resubmission: Some(resubmission), ..submission };
    let submitted = api.processor.submit(submission).await?;
    submitted.ok_or_else(|| ApiError::internal("a request without Idempotency-Key was taken for a repeated one"))
}

/// What the client called with.
fn params_of(earlier: &ProvisioningRequest) -> Result<Params, ApiError> {
    let conflict = |why: &str| ApiError::new(Code::Conflict, format!("Request {}: {why}.", earlier.number));
    if earlier.state == State::Pending {
        return Err(conflict("it has not ended; retry, cancel or settle it"));
    }
    if let Some(secret) = earlier.content.request_type.secret() {
        return Err(conflict(&format!("its {secret} is not kept; the CRM has to ask again")));
    }
    let call = earlier.content.api_call.as_deref().ok_or_else(|| conflict("its call is not kept"))?;
    Ok(Params::new(parse_object(call.as_bytes())?))
}
