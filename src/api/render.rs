//! Renders the SOAP messages of a request: a single message, or one per part if a set is larger than a call allows.
//!
//! Rule: all messages are rendered at acceptance. So a value that the schema forbids is the client's error, and a message
//! is the same in each attempt.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Api;
use super::draft::Draft;
use super::error::{ApiError, Code};
use crate::contract::{Contract, Operation};
use crate::request::{CARD_ID, Envelope, Failure, Fields, Part, Rendered, RequestType, SEQUENCE_NUMBER, failure};
use crate::secret::Secret;
use crate::soap::encode::{self, EncodeError};
use crate::store::Render;

/// The messages; or, for a type with a sequence number in the message, the function that renders them later.
pub(super) fn rendered(
    api: &Api,
    contract: &Arc<Contract>,
    draft: &Draft<'_>,
) -> Result<(Option<Rendered>, Option<Render>), ApiError> {
    let request_type = draft.request_type;
    let now = api.clock.now();
    let mut fields = draft.fields.clone();
    let is_numbered = request_type.fields().any(|field| field.name == SEQUENCE_NUMBER);
    if is_numbered {
        // Any sequence number shows whether the other fields can be rendered.
        fields.push(SEQUENCE_NUMBER, "1");
    }
    if contract.operation(request_type).is_none() {
        let message = format!("The SOAP contract of this gateway has no operation for {request_type}.");
        return Err(ApiError::new(Code::MethodNotFound, message));
    }
    let rendered = render(contract, request_type, &fields, now).map_err(|error| {
        let message = format!("{} {}.", error.field, error.message);
        ApiError::invalid(draft.location_of(&error.field, error.index), message)
    })?;
    if !is_numbered {
        return Ok((Some(rendered), None));
    }
    let (contract, fields) = (Arc::clone(contract), draft.fields.clone());
    let later: Render = Arc::new(move |sequence_number| {
        let mut fields = fields.clone();
        fields.push(SEQUENCE_NUMBER, sequence_number.to_string());
        render(&contract, request_type, &fields, now).map_err(|error| Failure {
            code: failure::CONTRACT_MISMATCH.to_owned(),
            description: Some(format!("{} {}.", error.field, error.message)),
            ..Failure::default()
        })
    });
    Ok((None, Some(later)))
}

/// Renders the SOAP messages for these values, each with its own id if the contract has an id.
///
/// # Errors
/// The first value that is missing, superfluous or invalid by the schema.
pub fn render(
    contract: &Contract,
    request_type: RequestType,
    fields: &Fields,
    now: DateTime<Utc>,
) -> Result<Rendered, EncodeError> {
    let operation = contract.operation(request_type).ok_or_else(|| fault(request_type, "has no operation"))?;
    let cards = fields.count(CARD_ID);
    let Some(batch) = operation.batch.map(usize::from).filter(|batch| *batch < cards) else {
        return Ok(Rendered::Whole(message(operation, fields.clone(), now)?));
    };
    let part = |from: usize| {
        let fields = fields.with_slice(CARD_ID, from, batch);
        let cards = fields.all(CARD_ID).map(str::to_owned).collect();
        match message(operation, fields, now) {
            Ok(envelope) => Ok(Part { cards, envelope }),
            Err(error) if error.field == CARD_ID => {
                Err(EncodeError { index: Some(from + error.index.unwrap_or_default()), ..error })
            }
            Err(error) => Err(error),
        }
    };
    Ok(Rendered::Parts((0..cards).step_by(batch).map(part).collect::<Result<_, _>>()?))
}

fn message(operation: &Operation, fields: Fields, now: DateTime<Utc>) -> Result<Envelope, EncodeError> {
    let request_type = operation.request_type;
    let fields = if operation.needs_context() { fields.with_context(now) } else { fields };
    let text = encode::request(operation, &fields)?;
    let text = String::from_utf8(text).map_err(|_| fault(request_type, "is not UTF-8"))?;
    let Envelope { redacted: shown, raw } = Envelope::without_secret(text);
    let Some(name) = request_type.secret() else { return Ok(Envelope { redacted: shown, raw }) };
    let secret = Secret::new(fields.first(name).unwrap_or_default());
    let redacted = secret.mask_in(&shown);
    if redacted == shown {
        // A secret that XML writes differently from the client could not be masked, so it is refused.
        let message =
            "cannot be masked: it has white space around it, or characters that XML writes otherwise".to_owned();
        return Err(EncodeError { field: name.to_owned(), index: None, message });
    }
    Ok(Envelope { redacted, raw: Some(raw.unwrap_or(shown)) })
}

fn fault(request_type: RequestType, message: &str) -> EncodeError {
    EncodeError { field: request_type.to_string(), index: None, message: message.to_owned() }
}
