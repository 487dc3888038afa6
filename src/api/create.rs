//! The creating methods, one per request type: read the parameters, render the SOAP request, and submit it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::draft::Draft;
use super::error::{ApiError, Code};
use super::params::Params;
use super::{Answer, Api, Record, Session, data, device, render};
use crate::catalogue::EntryKind;
use crate::contract::Contract;
use crate::processor::Submitted;
use crate::request::{CARD_ID, Correlation, Family, Fields, NewRequest, RecordId, Rendered, RequestType};
use crate::store::{IdempotencyKey, Submission};
use crate::words::Word as _;

/// Period in which an Idempotency-Key is remembered.
const KEY_REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// The method that creates requests of a type.
///
/// # Errors
/// A wrong parameter, an Idempotency-Key used before with another call, UNAVAILABLE, or the store.
pub async fn call(
    api: &Api,
    session: &Session,
    (family, request_type): (Family, RequestType),
    key: Option<String>,
    correlation: Option<Correlation>,
    params: Params,
) -> Result<Answer, ApiError> {
    let now = api.clock.now();
    let key = key.map(|key| idempotency_key(&session.user.id, &key, (family, request_type), &params, now));
    let (submission, contract) = prepare(api, session, (family, request_type), correlation, params, now).await?;
    match api.processors.of_family(family).submit(Submission { key, ..submission }, contract).await? {
        Some(Submitted { request, is_repeat }) => {
            let data = data(&Record::new(&request, api.dates))?;
            Ok(Answer { data, number: Some(request.number), is_repeat })
        }
        None => {
            let message = "This Idempotency-Key was used before, with a different call.";
            Err(ApiError::at(Code::Conflict, "Idempotency-Key", message))
        }
    }
}

/// Builds the request of a call with the present contract, ready to be submitted.
///
/// # Errors
/// A wrong parameter, UNAVAILABLE, or the store.
pub(super) async fn prepare(
    api: &Api,
    session: &Session,
    (family, request_type): (Family, RequestType),
    correlation: Option<Correlation>,
    params: Params,
    now: DateTime<Utc>,
) -> Result<(Submission, Arc<Contract>), ApiError> {
    let given = params.to_json(request_type.secret());
    let draft = Draft::read(api, family, request_type, params).await?;
    check_schedule(&draft, now)?;
    if draft.process_immediately == Some(true) {
        // Checked early, so that rejecting a call for lack of room costs less than its work.
        api.processors.of_family(family).check_room(draft.priority)?;
    }
    if let Some(subscription) = &draft.subscription {
        device::check_known(api, EntryKind::Subscriptions, subscription).await?;
    }
    let contract = api.providers.of_family(family).contract.load_full();
    let (rendered, render) = match &draft.rejection {
        None => render::rendered(api, &contract, &draft)?,
        Some(_) => (None, None),
    };
    let joint_fields = joint_fields(&contract, &draft, rendered.as_ref());
    let request =
        Arc::new(NewRequest { correlation, joint_fields, ..new_request(session, draft, given, rendered, now) });
    Ok((Submission { request, render, lease_to: None, key: None, resubmission: None }, contract))
}

fn check_schedule(draft: &Draft<'_>, now: DateTime<Utc>) -> Result<(), ApiError> {
    if draft.process_immediately == Some(true) && draft.scheduled_date.is_some_and(|date| date > now) {
        let message = "A request that is processed immediately cannot have a scheduled_date in the future.";
        return Err(ApiError::at(Code::ConflictingParameters, "$.scheduled_date", message));
    }
    Ok(())
}

/// The values that a request shares with the requests that it may be sent with; `None` for a request that is sent alone,
/// such as an immediate request.
fn joint_fields(contract: &Contract, draft: &Draft<'_>, rendered: Option<&Rendered>) -> Option<Fields> {
    let operation = contract.operation(draft.request_type)?;
    let is_joint =
        operation.coalesces && draft.process_immediately != Some(true) && matches!(rendered, Some(Rendered::Whole(_)));
    is_joint.then(|| draft.fields.clone().without(CARD_ID))
}

fn new_request(
    session: &Session,
    draft: Draft<'_>,
    call: String,
    rendered: Option<Rendered>,
    now: DateTime<Utc>,
) -> NewRequest {
    NewRequest {
        id: RecordId::new(now),
        family: draft.family,
        request_type: draft.request_type,
        priority: draft.priority,
        process_immediately: match draft.family {
            Family::WebServices | Family::Panaccess => Some(draft.process_immediately == Some(true)),
            // CRM.COM's examples of conax_sms_sas show null if the parameter is absent.
            Family::SmsSas => draft.process_immediately,
        },
        scheduled_at: draft.scheduled_date.unwrap_or(now),
        items: draft.items,
        subscription: draft.subscription.map(|s| json!({ s.field: s.value }).to_string()),
        cards: draft.cards,
        stbs: draft.stbs,
        api_call: Some(call),
        rendered,
        joint_fields: None,
        rejection: draft.rejection,
        correlation: None,
        created_by: session.user.clone(),
        created_at: now,
    }
}

/// The key of a call: calls are the same if user, key, method and parameters are the same; the order of parameters and
/// the token do not matter. A secret parameter has a separate hash, which is deleted with the secret: with that hash,
/// anybody could find a PIN by trying all PINs.
fn idempotency_key(
    user: &str,
    key: &str,
    (family, request_type): (Family, RequestType),
    params: &Params,
    now: DateTime<Utc>,
) -> IdempotencyKey {
    let hash = |value: Value| Sha256::digest(value.to_string()).into();
    let secret = request_type.secret();
    IdempotencyKey {
        key: hash(json!([user, key])),
        content: hash(json!([key, family.as_str(), request_type.as_str(), params.sorted(secret)])),
        secret: secret.and_then(|name| params.get(name)).map(|secret| hash(json!([key, secret]))),
        expires_at: now + KEY_REMEMBERED,
    }
}
