//! Spans for OpenTelemetry: the API call, the wait for the request's turn, each attempt, each commit. An observer makes
//! the spans; `export` sends them, `otlp` writes them.
//!
//! Rule: nothing waits for a span. Spans that the receiver does not take in time are dropped, and the log tells how many.
//! A span has types, numbers and codes, never a card or a text.

mod export;
mod otlp;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::{FileFault, Otlp};
use crate::observer::{ApiAnswer, ClassifiedAttempt, Observer};
use crate::request::{Correlation, ProvisioningRequest, TraceContext, new_span_id};
use crate::upstream::CallFailure;
use crate::words::Word as _;

pub use export::Exporter;

/// The largest number of spans that wait to be sent.
const WAITING: usize = 4096;

/// A piece of work within a trace.
pub(crate) struct Span {
    trace_id: String,
    span_id: String,
    parent_id: Option<String>,
    tracestate: Option<String>,
    name: String,
    kind: Kind,
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
    attributes: Vec<(&'static str, Value)>,
    is_failure: bool,
}

/// The kind of a span, by the numbers of the protocol.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// The value of an attribute.
pub(crate) enum Value {
    Text(String),
    Whole(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

/// The observer that makes spans.
pub struct Traces {
    spans: mpsc::Sender<Span>,
    dropped: Arc<export::Dropped>,
    clock: Arc<dyn Clock>,
}

/// Starts tracing if the configuration names a receiver; the exporter sends while it is polled.
///
/// # Errors
/// A setting cannot be used.
pub fn start(config: &Otlp, clock: &Arc<dyn Clock>) -> Result<Option<(Arc<Traces>, Exporter)>, FileFault> {
    let Some(url) = &config.url else { return Ok(None) };
    let (spans, received) = mpsc::channel(WAITING);
    let dropped = Arc::<export::Dropped>::default();
    let exporter = Exporter::new(url.as_str(), config.authorization.as_ref(), received, Arc::clone(&dropped))?;
    Ok(Some((Arc::new(Traces { spans, dropped, clock: Arc::clone(clock) }), exporter)))
}

impl Traces {
    /// Queues a span, unless the system that began the trace does not keep its spans.
    fn add(&self, trace: &TraceContext, span: impl FnOnce(&TraceContext) -> Span) {
        if trace.traceparent.is_sampled() && self.spans.try_send(span(trace)).is_err() {
            self.dropped.add(1);
        }
    }

    /// Queues a span below the API call that created a request.
    fn add_below(&self, request: &ProvisioningRequest, step: &str, began: DateTime<Utc>, ended: DateTime<Utc>) {
        let Some(trace) = trace_of(request) else { return };
        self.add(trace, |trace| Span {
            name: format!("{step} {}", request.content.request_type),
            attributes: about(request),
            ..below(trace, new_span_id(), began, ended)
        });
    }
}

fn trace_of(request: &ProvisioningRequest) -> Option<&TraceContext> {
    let Correlation { trace, .. } = request.content.correlation.as_ref()?;
    trace.as_ref()
}

fn below(trace: &TraceContext, span_id: String, began: DateTime<Utc>, ended: DateTime<Utc>) -> Span {
    Span {
        trace_id: trace.traceparent.trace_id.clone(),
        span_id,
        parent_id: Some(trace.traceparent.span_id.clone()),
        tracestate: trace.tracestate.clone(),
        name: String::new(),
        kind: Kind::Internal,
        began,
        ended,
        attributes: Vec::new(),
        is_failure: false,
    }
}

fn about(request: &ProvisioningRequest) -> Vec<(&'static str, Value)> {
    let content = &request.content;
    vec![
        ("conax_gateway.request.number", request.number.into()),
        ("conax_gateway.request.type", content.request_type.as_str().into()),
        ("conax_gateway.request.family", content.family.as_str().into()),
        ("conax_gateway.request.priority", content.priority.as_str().into()),
    ]
}

#[async_trait::async_trait]
impl Observer for Traces {
    fn wants_spans(&self) -> bool {
        true
    }

    fn api_answered(&self, answer: &ApiAnswer<'_>) {
        let Some(trace) = &answer.correlation.trace else { return };
        let ended = self.clock.now();
        self.add(trace, |trace| {
            let name = answer.method.unwrap_or("no method");
            let mut attributes = vec![
                ("http.route", name.into()),
                ("conax_gateway.code", answer.code.into()),
                ("conax_gateway.request_id", answer.correlation.request_id.as_str().into()),
            ];
            attributes.extend(answer.number.map(|number| ("conax_gateway.request.number", number.into())));
            Span {
                parent_id: answer.parent_span_id.map(str::to_owned),
                name: name.to_owned(),
                kind: Kind::Server,
                attributes,
                is_failure: answer.is_failure,
                ..below(trace, trace.traceparent.span_id.clone(), ended - answer.took, ended)
            }
        });
    }

    fn classified(&self, attempt: &ClassifiedAttempt<'_>) {
        let ClassifiedAttempt { request, began, result, trace } = attempt;
        let content = &request.content;
        if request.attempts == 0 {
            self.add_below(request, "queue", content.scheduled_at.max(content.created_at).min(*began), *began);
        }
        let (Some(parent), Some(trace)) = (trace_of(request), trace) else { return };
        let ended = self.clock.now();
        self.add(parent, |parent| {
            let classification = match result {
                Ok(classification) => classification.as_str(),
                Err(CallFailure::NotSent { .. }) => "not_sent",
                Err(CallFailure::InDoubt { .. }) => "no_answer",
                Err(CallFailure::NoFixture { .. }) => "no_fixture",
            };
            let mut attributes = about(request);
            attributes.push(("conax_gateway.attempt", (i64::from(request.attempts) + 1).into()));
            attributes.push(("conax_gateway.classification", classification.into()));
            Span {
                name: format!("attempt {}", content.request_type),
                kind: Kind::Client,
                attributes,
                is_failure: result.is_err(),
                ..below(parent, trace.traceparent.span_id.clone(), *began, ended)
            }
        });
    }

    fn stored(&self, request: &ProvisioningRequest, took: Duration) {
        let ended = self.clock.now();
        self.add_below(request, "commit", ended - took, ended);
    }
}
