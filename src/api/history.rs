//! A record with its attempts and events, oldest first, as JSON for support.

use serde::Serialize;

use super::{Dates, Record};
use crate::request::{Attempt, Correlation, Event, ProvisioningRequest};
use crate::timings::Timings;
use crate::words::Word as _;

/// A record, its attempts and its events, ready to be written as JSON.
#[derive(Serialize)]
pub struct RecordWithHistory<'r> {
    record: Record<'r>,
    attempts: Vec<AttemptJson<'r>>,
    events: Vec<EventJson<'r>>,
    /// X-Request-Id and trace of the API call that created the record.
    correlation: Option<&'r Correlation>,
}

/// An attempt at sending the request.
#[derive(Serialize)]
struct AttemptJson<'r> {
    attempt: u32,
    /// The number of the part that was sent, if the request is sent in several calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<u32>,
    /// The numbers of the records in the joint call, in the order of their cards, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    joint_requests: Option<&'r [i64]>,
    /// The SOAP request, if it may differ between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'r str>,
    started_date: String,
    duration_ms: i64,
    /// The timings of the call; a step that did not happen is absent.
    timings: Option<Timings>,
    /// Did a connection take the body?
    sent: bool,
    http_status: Option<u16>,
    /// The failure below SOAP (connection, TLS, HTTP).
    error: Option<&'r str>,
    response: Option<&'r str>,
}

/// An event between attempts: a verification, with its own texts, or an operator's decision.
#[derive(Serialize)]
struct EventJson<'r> {
    event: &'static str,
    date: String,
    user: Option<&'r str>,
    text: Option<&'r str>,
    duration_ms: Option<i64>,
    http_status: Option<u16>,
    request: Option<&'r str>,
    response: Option<&'r str>,
}

impl<'r> RecordWithHistory<'r> {
    /// The record of a request, with its history from the store.
    pub fn new(request: &'r ProvisioningRequest, attempts: &'r [Attempt], events: &'r [Event], dates: Dates) -> Self {
        Self {
            record: Record::new(request, dates),
            attempts: attempts.iter().map(|attempt| AttemptJson::new(request, attempt, dates)).collect(),
            events: events.iter().map(|event| EventJson::new(event, dates)).collect(),
            correlation: request.content.correlation.as_ref(),
        }
    }
}

impl<'r> AttemptJson<'r> {
    fn new(request: &'r ProvisioningRequest, attempt: &'r Attempt, dates: Dates) -> Self {
        let has_own_text = attempt.part.is_some() || attempt.joint_call.is_some() || request.joint_call.is_some();
        Self {
            attempt: attempt.attempt,
            part: attempt.part,
            joint_requests: attempt.joint_call.as_ref().map(|call| call.numbers.as_slice()),
            request: request.text_of(attempt).filter(|_| has_own_text),
            started_date: dates.print(attempt.started_at),
            duration_ms: attempt.duration_ms,
            timings: attempt.timings,
            sent: attempt.sent,
            http_status: attempt.http_status,
            error: attempt.error.as_deref(),
            response: attempt.response.as_deref(),
        }
    }
}

impl<'r> EventJson<'r> {
    fn new(event: &'r Event, dates: Dates) -> Self {
        Self {
            event: event.kind.as_str(),
            date: dates.print(event.at),
            user: event.user.as_deref(),
            text: event.text.as_deref(),
            duration_ms: event.duration_ms,
            http_status: event.http_status,
            request: event.request.as_deref(),
            response: event.response.as_deref(),
        }
    }
}
