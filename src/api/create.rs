//! The creating methods, one for each request type: takes their parameters, renders the SOAP request, and hands it over.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::draft::Draft;
use super::error::{ApiError, Code};
use super::params::Params;
use super::{Answer, Api, Record, Session, data, device};
use crate::catalogue::EntryKind;
use crate::contract::Contract;
use crate::processor::Submitted;
use crate::request::{
    Correlation, Envelope, Failure, Family, Fields, NewRequest, RecordId, RequestType, SEQUENCE_NUMBER, failure,
};
use crate::secret::Secret;
use crate::soap::encode::{self, EncodeError};
use crate::store::{IdempotencyKey, Render, Submission};
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

/// Builds the request that a call asks for, ready to be submitted, by the contract of this moment.
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
        // A rejection for lack of room must cost less than the work.
        api.processors.of_family(family).check_room(draft.priority)?;
    }
    if let Some(subscription) = &draft.subscription {
        device::check_known(api, EntryKind::Subscriptions, subscription).await?;
    }
    let contract = api.providers.of_family(family).contract.load_full();
    let (body, render) = match &draft.rejection {
        None => rendered(api, &contract, &draft)?,
        Some(_) => (None, None),
    };
    let request = Arc::new(NewRequest { correlation, ..new_request(session, draft, given, body, now) });
    Ok((Submission { request, render, lease_to: None, key: None, resubmission: None }, contract))
}

fn check_schedule(draft: &Draft<'_>, now: DateTime<Utc>) -> Result<(), ApiError> {
    if draft.process_immediately == Some(true) && draft.scheduled_date.is_some_and(|date| date > now) {
        let message = "A request that is processed immediately cannot have a scheduled_date in the future.";
        return Err(ApiError::at(Code::ConflictingParameters, "$.scheduled_date", message));
    }
    Ok(())
}

fn new_request(
    session: &Session,
    draft: Draft<'_>,
    call: String,
    body: Option<Envelope>,
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
        envelope: body,
        rejection: draft.rejection,
        correlation: None,
        created_by: session.user.clone(),
        created_at: now,
    }
}

/// The SOAP request; or, for a type with a sequence number in the message, the function that renders it later.
fn rendered(
    api: &Api,
    contract: &Arc<Contract>,
    draft: &Draft<'_>,
) -> Result<(Option<Envelope>, Option<Render>), ApiError> {
    let request_type = draft.request_type;
    let mut fields = draft.fields.clone().with_context(api.clock.now());
    let is_numbered = request_type.fields().any(|field| field.name == SEQUENCE_NUMBER);
    if is_numbered {
        // Any sequence number shows whether the rest can be rendered.
        fields.push(SEQUENCE_NUMBER, "1");
    }
    if contract.operation(request_type).is_none() {
        let message = format!("The SOAP contract of this gateway has no operation for {request_type}.");
        return Err(ApiError::new(Code::MethodNotFound, message));
    }
    let body = render(contract, request_type, &fields).map_err(|error| {
        let message = format!("{} {}.", error.field, error.message);
        ApiError::invalid(draft.location_of(&error.field, error.index), message)
    })?;
    if !is_numbered {
        return Ok((Some(body), None));
    }
    let (contract, fields) = (Arc::clone(contract), draft.fields.clone().with_context(api.clock.now()));
    let render: Render = Arc::new(move |sequence_number| {
        let mut fields = fields.clone();
        fields.push(SEQUENCE_NUMBER, sequence_number.to_string());
        render(&contract, request_type, &fields).map_err(|error| Failure {
            code: failure::CONTRACT_MISMATCH.to_owned(),
            description: Some(format!("{} {}.", error.field, error.message)),
            ..Failure::default()
        })
    });
    Ok((None, Some(render)))
}

/// Renders the SOAP request that values make.
///
/// # Errors
/// The first value that is missing, superfluous or not as the schema wants it.
pub fn render(contract: &Contract, request_type: RequestType, fields: &Fields) -> Result<Envelope, EncodeError> {
    let fault =
        |message: &str| EncodeError { field: request_type.to_string(), index: None, message: message.to_owned() };
    let operation = contract.operation(request_type).ok_or_else(|| fault("has no operation"))?;
    let text = String::from_utf8(encode::request(operation, fields)?).map_err(|_| fault("is not UTF-8"))?;
    let Envelope { redacted: shown, raw } = Envelope::without_secret(text);
    let Some(name) = request_type.secret() else { return Ok(Envelope { redacted: shown, raw }) };
    let secret = Secret::new(fields.first(name).unwrap_or_default());
    let redacted = secret.mask_in(&shown);
    if redacted == shown {
        // A secret that XML writes in another form than the client did would not be masked, so it is refused.
        let message =
            "cannot be masked: it has white space around it, or characters that XML writes otherwise".to_owned();
        return Err(EncodeError { field: name.to_owned(), index: None, message });
    }
    Ok(Envelope { redacted, raw: Some(raw.unwrap_or(shown)) })
}

/// Calls are the same if user, key, method and parameters are; the order of parameters and the token do not matter. A
/// secret parameter has a hash of its own, which is deleted with the secret: with the hash, anybody could find a PIN by
/// trying them all.
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
