//! Reads and writes the rows of exchanges, and of the list of all traffic.

use super::requests::read_failure;
use super::{ReadColumns, timings_to_json, to_json};
use crate::exchange::{Answer, Exchange, Message, Note, PackedBody, PackedExchange, Subject, Summary};
use crate::request::{RecordId, RequestType, State};
use crate::store::{RequestRow, StoreError};

/// The assumed size of an exchange's row without its longer texts, in bytes.
const ROW_BYTES: usize = 256;

/// The columns that [`row_to_summary`] reads, for the alias `x` of an exchange.
pub(in crate::store) const SUMMARY_COLUMNS: &str =
    "x.number, x.id, x.at, x.duration_ms, x.path, x.status, x.error, x.operation, x.cards, x.fault";

/// The columns that [`row_to_note`] reads.
pub(in crate::store) const NOTE_COLUMNS: &str = "at, \"user\", text";

/// The columns that [`row_to_exchange`] reads.
pub(in crate::store) const EXCHANGE_COLUMNS: &str = "number, id, at, duration_ms, timings, path, status, error, operation, cards, \
     fault, reason, error_type, \"user\", request_is_truncated, request_headers, answer_is_truncated, answer_headers, \
     request_is_packed, request_body, answer_is_packed, answer_body";

/// The columns that [`row_to_request_row`] reads, for the aliases `r` of a request and `a` of its last attempt.
pub(in crate::store) const REQUEST_ROW_COLUMNS: &str = "r.number, r.id, r.created_at, r.type, r.state, r.in_doubt, \
     r.cards, r.reference_number, r.failure, r.attempts, a.duration_ms, a.http_status";

/// The texts of an exchange that are written as JSON, and its size in bytes.
pub(in crate::store) struct ExchangeRow {
    pub(in crate::store) request_headers: String,
    pub(in crate::store) answer_headers: String,
    pub(in crate::store) cards: String,
    pub(in crate::store) timings: Option<String>,
    pub(in crate::store) answer_is_truncated: bool,
    pub(in crate::store) bytes: i64,
}

impl ExchangeRow {
    pub(in crate::store) fn of(packed: &PackedExchange) -> Result<Self, StoreError> {
        let none = Message::default();
        let Exchange { timings, path, request, answer, subject, .. } = &packed.exchange;
        let message = answer.as_ref().map_or(&none, |answer| &answer.message);
        let (request_headers, answer_headers) = (to_json(&request.headers)?, to_json(&message.headers)?);
        let texts = [path, &request_headers, &answer_headers].map(String::len).iter().sum::<usize>();
        let bytes = i64::try_from(ROW_BYTES + texts + packed.body_bytes()).unwrap_or(i64::MAX);
        let (cards, answer_is_truncated) = (to_json(&subject.cards)?, message.is_truncated);
        let timings = timings_to_json(timings.as_ref())?;
        Ok(Self { request_headers, answer_headers, cards, timings, answer_is_truncated, bytes })
    }
}

pub(in crate::store) fn row_to_exchange<C: ReadColumns>(row: &C) -> Result<PackedExchange, C::Error> {
    let Summary { id, number, at, duration_ms, path, status, error, subject } = row_to_summary(row)?;
    let reason = row.optional("reason")?;
    let (error_type, user) = (row.optional("error_type")?, row.optional("user")?);
    let timings = row.optional_json("timings")?;
    let message = |is_truncated, headers| {
        let (is_truncated, headers) = (row.get(is_truncated)?, row.json(headers)?);
        Ok(Message { is_truncated, headers, body: Vec::new() })
    };
    let request = message("request_is_truncated", "request_headers")?;
    let answer = match (status, reason) {
        (Some(status), Some(reason)) => {
            Some(Answer { status, reason, message: message("answer_is_truncated", "answer_headers")? })
        }
        _ => None,
    };
    let body = |is_packed, bytes| Ok(PackedBody { is_packed: row.get(is_packed)?, bytes: row.get(bytes)? });
    let exchange =
        Exchange { id, number, at, duration_ms, timings, path, request, answer, error, error_type, user, subject };
    let (request, answer) = (body("request_is_packed", "request_body")?, body("answer_is_packed", "answer_body")?);
    Ok(PackedExchange { exchange, request, answer })
}

/// An exchange without its texts.
pub(in crate::store) fn row_to_summary<C: ReadColumns>(row: &C) -> Result<Summary, C::Error> {
    Ok(Summary {
        number: row.get("number")?,
        id: row.word("id", RecordId::parse)?,
        at: row.time("at")?,
        duration_ms: row.get("duration_ms")?,
        path: row.get("path")?,
        status: row.optional("status")?,
        error: row.optional("error")?,
        subject: Subject {
            operation: row.optional("operation")?,
            cards: row.json("cards")?,
            fault: row.optional("fault")?,
        },
    })
}

pub(in crate::store) fn row_to_note<C: ReadColumns>(row: &C) -> Result<Note, C::Error> {
    Ok(Note { at: row.time("at")?, user: row.get("user")?, text: row.get("text")? })
}

pub(in crate::store) fn row_to_request_row<C: ReadColumns>(row: &C) -> Result<RequestRow, C::Error> {
    Ok(RequestRow {
        number: row.get("number")?,
        id: row.word("id", RecordId::parse)?,
        at: row.time("created_at")?,
        request_type: row.word("type", |word| word.parse::<RequestType>().ok())?,
        state: row.word("state", |word| word.parse::<State>().ok())?,
        in_doubt: row.text("in_doubt")?.is_some(),
        cards: row.json("cards")?,
        reference: row.optional("reference_number")?,
        failure: read_failure(row, "failure")?,
        attempts: row.get("attempts")?,
        duration_ms: row.optional("duration_ms")?,
        http_status: row.optional("http_status")?,
    })
}
