//! One request or exchange with everything that is known of it: both raw texts, the record, every attempt, what else
//! happened, and what may be decided about it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::decide::{NOTE, allowed};
use super::found::{Found, find};
use super::list::{in_utc, to_data};
use crate::api::{Api, ApiError, Data, Dates, RecordWithHistory};
use crate::axis;
use crate::contract::Operation;
use crate::exchange::{Exchange, Message, Note};
use crate::request::{Attempt, Event, EventKind, ProvisioningRequest, RecordId};
use crate::soap::texts::{parts, text_of_partial};
use crate::timings::Timings;
use crate::words::Word as _;
use crate::xml::{self, Limits};

/// Everything of a request.
#[derive(Serialize)]
struct RequestDetail<'r> {
    kind: &'static str,
    #[serde(flatten)]
    history: RecordWithHistory<'r>,
    cards: &'r [String],
    /// Path of the method that it came by, and what the client called it with.
    method_path: String,
    call: Option<&'r RawValue>,
    soap: Option<Soap<'r>>,
    /// What may be decided now.
    decisions: Vec<&'static str>,
    timings: Vec<Timing>,
}

/// A stretch of a request's time; milliseconds, counted from when it was accepted, or from its date if that came later.
#[derive(Serialize)]
struct Timing {
    step: String,
    from_ms: i64,
    duration_ms: i64,
    /// How the time of a call went by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
}

/// A stretch of a call, in microseconds.
#[derive(Serialize)]
struct Part {
    name: &'static str,
    duration_us: u64,
}

fn parts_of(timings: Option<&Timings>) -> Vec<Part> {
    let stretches = timings.into_iter().flat_map(Timings::stretches);
    stretches.map(|(name, duration_us)| Part { name, duration_us }).collect()
}

/// The times between and of the attempts.
fn timings(request: &ProvisioningRequest, attempts: &[Attempt]) -> Vec<Timing> {
    let start = request.content.created_at.max(request.content.scheduled_at);
    let (mut timings, mut end_ms) = (Vec::new(), 0);
    for attempt in attempts {
        let from_ms = (attempt.started_at - start).num_milliseconds().max(0);
        let waited = if attempt.attempt == 1 { "waited for its turn" } else { "waited to try again" };
        let waiting_ms = (from_ms - end_ms).max(0);
        timings.push(Timing { step: waited.to_owned(), from_ms: end_ms, duration_ms: waiting_ms, parts: Vec::new() });
        let (step, parts) = (format!("attempt {}", attempt.attempt), parts_of(attempt.timings.as_ref()));
        timings.push(Timing { step, from_ms, duration_ms: attempt.duration_ms, parts });
        end_ms = from_ms + attempt.duration_ms;
    }
    timings
}

/// How its SOAP request is sent by hand.
#[derive(Serialize)]
struct Soap<'o> {
    operation: &'o str,
    path: String,
    content_type: &'static str,
    action: &'o str,
}

/// Everything of an exchange that was passed through.
#[derive(Serialize)]
struct ExchangeDetail<'e> {
    kind: &'static str,
    id: &'e RecordId,
    number: i64,
    at: String,
    time: String,
    duration_ms: i64,
    path: &'e str,
    user: Option<&'e str>,
    operation: Option<&'e str>,
    cards: &'e [String],
    error: Option<&'e str>,
    error_type: Option<&'e str>,
    request: MessageDetail<'e>,
    answer: Option<AnswerDetail<'e>>,
    /// The fault in the answer, as Apache Axis prints it.
    axis: Option<String>,
    timings: Vec<Timing>,
    /// What operators wrote down.
    events: Vec<NoteDetail>,
    /// What may be done with it.
    decisions: [&'static str; 1],
}

/// A note, as the history of a request has it.
#[derive(Serialize)]
struct NoteDetail {
    event: &'static str,
    date: String,
    user: String,
    text: String,
    duration_ms: Option<i64>,
    http_status: Option<u16>,
}

#[derive(Serialize)]
struct AnswerDetail<'e> {
    http_status: u16,
    reason: &'e str,
    #[serde(flatten)]
    message: MessageDetail<'e>,
}

#[derive(Serialize)]
struct MessageDetail<'e> {
    headers: &'e [(String, String)],
    body: String,
    is_truncated: bool,
}

/// One request or exchange, by its id; a request by its number, too.
///
/// # Errors
/// NOT_FOUND, or the store.
pub async fn detail(api: &Api, id: &str) -> Result<Data, ApiError> {
    match find(api, id).await? {
        Found::Exchange(exchange) => {
            // The texts may be large, and a fault has to be read.
            let (dates, notes) = (api.dates, api.store.list_notes(exchange.number).await?);
            let data = tokio::task::spawn_blocking(move || exchange_data(&exchange, notes, dates));
            data.await.map_err(|error| ApiError::internal(error.to_string()))?
        }
        Found::Request(request) => {
            let attempts = api.store.list_attempts(request.number).await?;
            let events = api.store.list_events(request.number).await?;
            request_data(api, &request, &attempts, &events)
        }
    }
}

fn request_data(
    api: &Api,
    request: &ProvisioningRequest,
    attempts: &[Attempt],
    events: &[Event],
) -> Result<Data, ApiError> {
    let content = &request.content;
    let contract = api.contract.load();
    let operation = contract.operation(content.request_type);
    let call = content.api_call.as_deref().map(serde_json::from_str::<&RawValue>).transpose();
    to_data(&RequestDetail {
        kind: "request",
        history: RecordWithHistory::new(request, attempts, events, api.dates),
        cards: &content.cards,
        method_path: content.request_type.method_path(content.family),
        call: call.map_err(|error| ApiError::internal(error.to_string()))?,
        soap: operation.map(|operation| Soap::new(contract.base_path(), operation)),
        decisions: allowed(request, api.clock.now()),
        timings: timings(request, attempts),
    })
}

impl<'o> Soap<'o> {
    fn new(base_path: &str, operation: &'o Operation) -> Self {
        Self {
            operation: &operation.name,
            path: format!("{base_path}{}", operation.path),
            content_type: operation.soap.content_type(),
            action: &operation.action,
        }
    }
}

impl<'e> MessageDetail<'e> {
    fn new(message: &'e Message) -> Self {
        Self {
            headers: &message.headers,
            body: text_of_partial(&message.body, message.header("content-type")),
            is_truncated: message.is_truncated,
        }
    }
}

fn exchange_data(exchange: &Exchange, notes: Vec<Note>, dates: Dates) -> Result<Data, ApiError> {
    let answer = exchange.answer.as_ref();
    let (duration_ms, parts) = (exchange.duration_ms, parts_of(exchange.timings.as_ref()));
    let call = Timing { step: "the call".to_owned(), from_ms: 0, duration_ms, parts };
    let note = |Note { at, user, text }| {
        let (event, date) = (EventKind::Noted.as_str(), dates.print(at));
        NoteDetail { event, date, user, text, duration_ms: None, http_status: None }
    };
    to_data(&ExchangeDetail {
        kind: "exchange",
        id: &exchange.id,
        number: exchange.number,
        at: in_utc(exchange.at),
        time: dates.print(exchange.at),
        duration_ms: exchange.duration_ms,
        path: &exchange.path,
        user: exchange.user.as_deref(),
        operation: exchange.subject.operation.as_deref(),
        cards: &exchange.subject.cards,
        error: exchange.error.as_deref(),
        error_type: exchange.error_type.as_deref(),
        request: MessageDetail::new(&exchange.request),
        axis: answer.and_then(|answer| axis_text(&answer.message)),
        answer: answer.map(|answer| AnswerDetail {
            http_status: answer.status,
            reason: &answer.reason,
            message: MessageDetail::new(&answer.message),
        }),
        timings: vec![call],
        events: notes.into_iter().map(note).collect(),
        decisions: [NOTE],
    })
}

fn axis_text(message: &Message) -> Option<String> {
    let text = parts(&message.body, message.header("content-type")).root.filter(|_| !message.is_truncated)?;
    let root = xml::parse(&text, Limits::default()).ok()?;
    axis::soap_fault(&root).map(|fault| fault.text)
}
