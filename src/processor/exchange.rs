//! One exchange with upstream: fills the envelope's blanks (secrets of the configuration, the session's id, values that
//! are used once). A request that upstream refuses because its session has ended was not done, and is repeated once with
//! a new session.
//!
//! Rule: secrets and the session's id are only in the bytes sent, and nowhere else.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::Processor;
use super::attempt::call_until;
use super::classify::{ClassifiedAnswer, classify_answer};
use super::session::session;
use crate::contract::{Contract, Operation, SESSION, secret_name};
use crate::request::{Classification, Envelope, Event, EventKind, ProvisioningRequest, TraceContext, random_hex};
use crate::secret::Secret;
use crate::store::Lease;
use crate::timings::Timings;
use crate::upstream::{Call, CallFailure, FailureKind};
use crate::xml::has_blanks;

/// Why a request was not sent in its turn.
const LEASE_ENDED: &str = "The gateway could not renew its leases in the store in time.";

/// A classified answer, with the parts of its head that the record keeps.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) http_status: u16,
    pub(super) content_type: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) classified: ClassifiedAnswer,
}

/// The result of an exchange.
pub(super) struct ExchangeResult {
    pub(super) result: Result<Answer, CallFailure>,
    /// The timings of the last call.
    pub(super) timings: Option<Timings>,
    /// Logins, and requests that were refused before the logins.
    pub(super) events: Vec<Event>,
    /// Secrets in the calls, which are masked wherever the exchange is shown.
    pub(super) secrets: Vec<Secret>,
}

/// A message to be sent: its contract, operation and envelope, its request, and the end of its time.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) contract: &'a Contract,
    pub(super) operation: &'a Operation,
    pub(super) envelope: &'a str,
    pub(super) request: Option<(&'a ProvisioningRequest, &'a Lease)>,
    /// The trace that the call belongs to.
    pub(super) trace: Option<&'a TraceContext>,
    pub(super) until: Option<DateTime<Utc>>,
}

/// An envelope whose blanks are filled.
pub(super) struct FilledEnvelope<'a> {
    text: Cow<'a, str>,
    /// The secrets in the text, the session's id among them.
    pub(super) secrets: Vec<Secret>,
    session: Option<Secret>,
}

/// Sends an envelope, and classifies its answer once.
pub(super) async fn exchange(processor: &Processor, outgoing: Outgoing<'_>) -> ExchangeResult {
    let result = Err(not_sent(FailureKind::Connect, LEASE_ENDED));
    let mut exchanged = ExchangeResult { result, timings: None, events: Vec::new(), secrets: Vec::new() };
    let mut ended = None;
    loop {
        let filled = match fill(processor, outgoing, ended.as_ref(), &mut exchanged.events).await {
            Ok(filled) => filled,
            Err(failure) => {
                exchanged.result = Err(failure);
                return exchanged;
            }
        };
        exchanged.secrets.extend(filled.secrets.iter().cloned());
        let may_be_sent = |(_, lease): (_, &Lease)| processor.node.holds(lease, processor.clock.moment().steady);
        if !outgoing.request.is_none_or(may_be_sent) {
            exchanged.result = Err(not_sent(FailureKind::Connect, LEASE_ENDED));
            return exchanged;
        }
        (exchanged.result, exchanged.timings) = send(processor, outgoing, &filled).await;
        let is_refused = matches!(&exchanged.result, Ok(answered) if answered.classified.classification == Classification::SessionEnded);
        match filled.session {
            Some(session) if is_refused && ended.is_none() => {
                exchanged.events.push(refused(processor, outgoing, &exchanged));
                ended = Some(session);
            }
            _ => return exchanged,
        }
    }
}

/// Makes one call, and classifies its answer.
pub(super) async fn send(
    processor: &Processor,
    outgoing: Outgoing<'_>,
    filled: &FilledEnvelope<'_>,
) -> (Result<Answer, CallFailure>, Option<Timings>) {
    let call = Call::new(outgoing.operation, &filled.text, outgoing.request.map(|(request, _)| request));
    let (trace, secrets) = (outgoing.trace.cloned().or(call.trace), filled.secrets.clone());
    let stopwatch = call.stopwatch.clone();
    let lease = outgoing.request.map(|(_, lease)| lease);
    let result = call_until(processor, Call { trace, secrets, ..call }, outgoing.until, lease).await;
    let timings = stopwatch.timings();
    let answered = result.map(|http| {
        let (http_status, content_type) = (http.status, http.content_type.clone());
        let retry_after = http.retry_after.clone();
        Answer { http_status, content_type, retry_after, classified: classify_answer(outgoing.operation, http) }
    });
    (answered, timings)
}

/// Fills the blanks of an envelope, if it has any; a session that has ended is not used again.
pub(super) async fn fill<'a>(
    processor: &Processor,
    outgoing: Outgoing<'a>,
    ended: Option<&Secret>,
    events: &mut Vec<Event>,
) -> Result<FilledEnvelope<'a>, CallFailure> {
    if !has_blanks(outgoing.envelope) {
        return Ok(FilledEnvelope { text: Cow::Borrowed(outgoing.envelope), secrets: Vec::new(), session: None });
    }
    let session = match outgoing.operation.needs_session() {
        // Boxed, since few exchanges need a login, and each exchange would otherwise reserve the memory.
        true => Some(Box::pin(session(processor, (outgoing.contract, outgoing.until), ended, events)).await?),
        false => None,
    };
    let secrets = processor.credentials.secrets();
    let sent = processor.clock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let nonce = random_hex();
    let value = |name: &str| match name {
        SESSION => session.as_ref().map(Secret::expose),
        "sent" => Some(sent.as_str()),
        "nonce" => Some(nonce.as_str()),
        name => secrets.get(secret_name(name)?).map(Secret::expose),
    };
    let text = outgoing.contract.fill(outgoing.envelope, value);
    let text =
        text.map_err(|reason| not_sent(FailureKind::Login, &format!("The request cannot be completed: {reason}.")))?;
    let used = outgoing.operation.templates().flat_map(|template| template.names()).filter_map(secret_name);
    let used = used.filter_map(|name| secrets.get(name)).chain(&session).cloned().collect();
    Ok(FilledEnvelope { text: Cow::Owned(text), secrets: used, session })
}

/// The event of a request that was refused because its session had ended.
fn refused(processor: &Processor, outgoing: Outgoing<'_>, exchanged: &ExchangeResult) -> Event {
    let text = "The session had ended: the request was refused, and is sent again.";
    let mut event = Event::new(processor.clock.now(), EventKind::SessionEnded, None, Some(text));
    event.request = Some(Envelope::without_secret(outgoing.envelope.to_owned()).redacted);
    if let Some(secret) = outgoing.request.and_then(|(request, _)| request.content.secret()) {
        event.request = event.request.map(|request| secret.mask_in(&request));
    }
    if let Ok(answered) = &exchanged.result {
        event.http_status = Some(answered.http_status);
        let text = answered.classified.text.clone();
        event.response = Some(exchanged.secrets.iter().fold(text, |text, secret| secret.mask_in(&text)));
    }
    event
}

pub(super) fn not_sent(kind: FailureKind, reason: &str) -> CallFailure {
    CallFailure::NotSent { kind, message: reason.to_owned() }
}
