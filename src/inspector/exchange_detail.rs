//! All data of an exchange that was passed through: headers and bodies, timings, and the notes of operators.

use serde::Serialize;

use super::decide::NOTE;
use super::list::{self, in_utc, state_of};
use super::timings::{Timing, parts_of};
use crate::api::{ApiError, Data, Dates};
use crate::axis;
use crate::exchange::{Exchange, Message, Note};
use crate::request::{EventKind, RecordId};
use crate::soap::texts::{parts, text_of_partial};
use crate::words::Word as _;
use crate::xml::{self, Limits};

/// All data of an exchange that was passed through.
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
    state: &'static str,
    /// The reason of a failure, as Conax or the gateway worded it.
    reason: Option<&'e str>,
    error: Option<&'e str>,
    error_type: Option<&'e str>,
    request: MessageDetail<'e>,
    answer: Option<AnswerDetail<'e>>,
    /// The fault in the answer, as Apache Axis prints it.
    axis: Option<String>,
    timings: Vec<Timing>,
    /// The notes of operators.
    events: Vec<NoteDetail>,
    /// The actions that the exchange allows.
    decisions: [&'static str; 1],
}

/// A note, in the form of an event in a request's history.
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

impl<'e> MessageDetail<'e> {
    fn new(message: &'e Message) -> Self {
        Self {
            headers: &message.headers,
            body: text_of_partial(&message.body, message.header("content-type")),
            is_truncated: message.is_truncated,
        }
    }
}

/// All data of an exchange; parsing its messages may take long.
pub(super) fn to_data(exchange: &Exchange, notes: Vec<Note>, dates: Dates) -> Result<Data, ApiError> {
    let answer = exchange.answer.as_ref();
    let (duration_ms, parts) = (exchange.duration_ms, parts_of(exchange.timings.as_ref()));
    let call = Timing { step: "the call".to_owned(), from_ms: 0, duration_ms, parts };
    let note = |Note { at, user, text }| {
        let (event, date) = (EventKind::Noted.as_str(), dates.print(at));
        NoteDetail { event, date, user, text, duration_ms: None, http_status: None }
    };
    list::to_data(&ExchangeDetail {
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
        state: state_of(exchange.error.as_ref()),
        reason: exchange.error.as_deref().or(exchange.subject.fault.as_deref()),
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
