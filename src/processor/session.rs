//! An exchange with upstream as the bindings want it: the envelope's blanks are filled (secrets of the configuration, the
//! session's id, what is used once), a login comes first where upstream wants a session, and a request that is refused because
//! its session has ended is repeated once with a new one: it was refused, and so not done.
//!
//! Rule: one login at a time, however many wait for it; if it fails, all that waited have failed. Neither a secret nor a
//! session's id is ever logged or kept: what is kept of a login is masked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use super::Processor;
use super::attempt::call_until;
use super::classify::{ClassifiedAnswer, classify_answer};
use crate::contract::{Contract, Operation, SESSION, secret_name};
use crate::request::{
    Classification, Envelope, Event, EventKind, Fields, ProvisioningRequest, RequestType, TraceContext, random_hex,
};
use crate::secret::Secret;
use crate::soap::encode;
use crate::store::Lease;
use crate::timings::Timings;
use crate::upstream::{Call, CallFailure, FailureKind};
use crate::xml::has_blanks;

/// Why a request was not sent although it was its turn.
const LEASE_ENDED: &str = "The gateway could not renew its leases in the store in time.";

/// The session, and what else is known only at sending.
pub(super) struct Sending {
    secrets: ArcSwap<BTreeMap<String, Secret>>,
    session: Mutex<Option<Secret>>,
    /// Logins that failed so far, and why the last one did.
    failures: AtomicU64,
    last_failure: StdMutex<String>,
}

/// An answer, with what the record keeps of its head.
pub(super) struct Answered {
    pub(super) http_status: u16,
    pub(super) content_type: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) classified: ClassifiedAnswer,
}

/// What an exchange came to.
pub(super) struct Exchanged {
    pub(super) result: Result<Answered, CallFailure>,
    /// How the time of the last call went by.
    pub(super) timings: Option<Timings>,
    /// Logins, and what was refused before them.
    pub(super) events: Vec<Event>,
    /// What was sent and may not be shown.
    pub(super) secrets: Vec<Secret>,
}

/// What is sent: by which contract, to which operation, of which request, and until when.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) contract: &'a Contract,
    pub(super) operation: &'a Operation,
    pub(super) envelope: &'a str,
    pub(super) request: Option<(&'a ProvisioningRequest, &'a Lease)>,
    /// The trace that the call belongs to.
    pub(super) trace: Option<&'a TraceContext>,
    pub(super) until: Option<DateTime<Utc>>,
}

/// An envelope without blanks.
struct Filled<'a> {
    text: Cow<'a, str>,
    secrets: Vec<Secret>,
    session: Option<Secret>,
}

impl Sending {
    pub(super) fn new(secrets: &BTreeMap<String, Secret>) -> Self {
        Self {
            secrets: ArcSwap::from_pointee(secrets.clone()),
            session: Mutex::default(),
            failures: AtomicU64::new(0),
            last_failure: StdMutex::default(),
        }
    }

    /// Uses other secrets from now on.
    pub(super) fn set_secrets(&self, secrets: &BTreeMap<String, Secret>) {
        self.secrets.store(Arc::new(secrets.clone()));
    }
}

/// Sends an envelope, and classifies its answer once.
pub(super) async fn exchange(processor: &Processor, order: Order<'_>) -> Exchanged {
    let result = Err(not_sent(FailureKind::Connect, LEASE_ENDED));
    let mut exchanged = Exchanged { result, timings: None, events: Vec::new(), secrets: Vec::new() };
    let mut ended = None;
    loop {
        let filled = match fill(processor, order, ended.as_ref(), &mut exchanged.events).await {
            Ok(filled) => filled,
            Err(failure) => {
                exchanged.result = Err(failure);
                return exchanged;
            }
        };
        exchanged.secrets.extend(filled.secrets.iter().cloned());
        let may_be_sent = |(_, lease): (_, &Lease)| processor.node.holds(lease, processor.clock.moment().steady);
        if !order.request.is_none_or(may_be_sent) {
            exchanged.result = Err(not_sent(FailureKind::Connect, LEASE_ENDED));
            return exchanged;
        }
        (exchanged.result, exchanged.timings) = send(processor, order, &filled).await;
        let is_refused = matches!(&exchanged.result, Ok(answered) if answered.classified.classification == Classification::SessionEnded);
        match filled.session {
            Some(session) if is_refused && ended.is_none() => {
                exchanged.events.push(refused(processor, order, &exchanged));
                ended = Some(session);
            }
            _ => return exchanged,
        }
    }
}

async fn send(
    processor: &Processor,
    order: Order<'_>,
    filled: &Filled<'_>,
) -> (Result<Answered, CallFailure>, Option<Timings>) {
    let call = Call::new(order.operation, &filled.text, order.request.map(|(request, _)| request));
    let (trace, secrets) = (order.trace.cloned().or(call.trace), filled.secrets.clone());
    let stopwatch = call.stopwatch.clone();
    let lease = order.request.map(|(_, lease)| lease);
    let result = call_until(processor, Call { trace, secrets, ..call }, order.until, lease).await;
    let timings = stopwatch.timings();
    let answered = result.map(|http| {
        let (http_status, content_type) = (http.status, http.content_type.clone());
        let retry_after = http.retry_after.clone();
        Answered { http_status, content_type, retry_after, classified: classify_answer(order.operation, http) }
    });
    (answered, timings)
}

/// Fills the blanks of an envelope, if it has any; a session that has ended is not used again.
async fn fill<'a>(
    processor: &Processor,
    order: Order<'a>,
    ended: Option<&Secret>,
    events: &mut Vec<Event>,
) -> Result<Filled<'a>, CallFailure> {
    if !has_blanks(order.envelope) {
        return Ok(Filled { text: Cow::Borrowed(order.envelope), secrets: Vec::new(), session: None });
    }
    let session = match order.operation.needs_session() {
        true => Some(session(processor, (order.contract, order.until), ended, events).await?),
        false => None,
    };
    let secrets = processor.sending.secrets.load_full();
    let sent = processor.clock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let nonce = random_hex();
    let value = |name: &str| match name {
        SESSION => session.as_ref().map(Secret::expose),
        "sent" => Some(sent.as_str()),
        "nonce" => Some(nonce.as_str()),
        name => secrets.get(secret_name(name)?).map(Secret::expose),
    };
    let text = order.contract.fill(order.envelope, value);
    let text =
        text.map_err(|reason| not_sent(FailureKind::Login, &format!("The request cannot be completed: {reason}.")))?;
    let used = order.operation.templates().flat_map(|template| template.names()).filter_map(secret_name);
    let used = used.filter_map(|name| secrets.get(name)).chain(&session).cloned().collect();
    Ok(Filled { text: Cow::Owned(text), secrets: used, session })
}

/// The session's id, after a login if there is none, or only the one that has ended.
async fn session(
    processor: &Processor,
    (contract, until): (&Contract, Option<DateTime<Utc>>),
    ended: Option<&Secret>,
    events: &mut Vec<Event>,
) -> Result<Secret, CallFailure> {
    let sending = &processor.sending;
    let failures = sending.failures.load(Ordering::Acquire);
    let mut kept = sending.session.lock().await;
    if let Some(session) = kept.as_ref().filter(|session| Some(*session) != ended) {
        return Ok(session.clone());
    }
    let last_failure = || sending.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
    if sending.failures.load(Ordering::Acquire) != failures {
        return Err(not_sent(FailureKind::Login, &last_failure()));
    }
    *kept = None;
    let (result, event) = login(processor, contract, until).await;
    events.push(event);
    match result {
        Ok(session) => {
            tracing::info!(provider = processor.provider.name(), "logged in");
            Ok(kept.insert(session).clone())
        }
        Err(reason) => {
            let reason = format!("The login failed: {reason}");
            tracing::error!(provider = processor.provider.name(), "{reason}");
            last_failure().clone_from(&reason);
            sending.failures.fetch_add(1, Ordering::Release);
            Err(not_sent(FailureKind::Login, &reason))
        }
    }
}

async fn login(
    processor: &Processor,
    contract: &Contract,
    until: Option<DateTime<Utc>>,
) -> (Result<Secret, String>, Event) {
    let began = tokio::time::Instant::now();
    let mut event = Event::new(processor.clock.now(), EventKind::LoggedIn, None, None);
    let result = ask(processor, contract, (RequestType::LOGIN, until), &mut event).await;
    event.duration_ms = Some(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX));
    let session = result.and_then(|answer| {
        let session = answer.results.first(SESSION).filter(|session| !session.is_empty());
        session.map(Secret::new).ok_or_else(|| "The answer has no session.".to_owned())
    });
    if let (Ok(session), Some(response)) = (&session, &mut event.response) {
        *response = session.mask_in(response);
    }
    event.text = Some(session.as_ref().err().cloned().unwrap_or_else(|| "A session has begun.".to_owned()));
    (session, event)
}

/// Sends a request of the gateway's own that has no parameters; its texts, masked, go into the event.
async fn ask(
    processor: &Processor,
    contract: &Contract,
    (request_type, until): (RequestType, Option<DateTime<Utc>>),
    event: &mut Event,
) -> Result<ClassifiedAnswer, String> {
    let operation = contract.operation(request_type);
    let operation = operation.ok_or_else(|| format!("The contract has no operation for {request_type}."))?;
    let fields = Fields::new().with_context(processor.clock.now());
    let envelope = encode::request(operation, &fields).map_err(|error| error.to_string())?;
    let envelope = String::from_utf8(envelope).map_err(|error| error.to_string())?;
    event.request = Some(Envelope::without_secret(envelope.clone()).redacted);
    let order = Order { contract, operation, envelope: &envelope, request: None, trace: None, until };
    // Whatever has a session has been logged in already: this is a login, or the end of one.
    let filled = Box::pin(fill(processor, order, None, &mut Vec::new()))
        .await
        .map_err(|failure| failure.message().to_owned())?;
    let mask = |text: &str| filled.secrets.iter().fold(text.to_owned(), |text, secret| secret.mask_in(&text));
    let (answered, _) = send(processor, order, &filled).await;
    let answered = answered.map_err(|failure| mask(failure.message()))?;
    event.http_status = Some(answered.http_status);
    event.response = Some(mask(&answered.classified.text));
    match &answered.classified.failure {
        None => Ok(answered.classified),
        Some(failure) => Err(mask(&failure.reason())),
    }
}

/// What is kept of a request that was refused because its session had ended.
fn refused(processor: &Processor, order: Order<'_>, exchanged: &Exchanged) -> Event {
    let text = "The session had ended: the request was refused, and is sent again.";
    let mut event = Event::new(processor.clock.now(), EventKind::SessionEnded, None, Some(text));
    event.request = Some(Envelope::without_secret(order.envelope.to_owned()).redacted);
    if let Some(secret) = order.request.and_then(|(request, _)| request.content.secret()) {
        event.request = event.request.map(|request| secret.mask_in(&request));
    }
    if let Ok(answered) = &exchanged.result {
        event.http_status = Some(answered.http_status);
        let text = answered.classified.text.clone();
        event.response = Some(exchanged.secrets.iter().fold(text, |text, secret| secret.mask_in(&text)));
    }
    event
}

impl Processor {
    /// Ends the session, if there is one: upstream may allow a few only. What comes of it changes nothing.
    pub(super) async fn log_out(&self) {
        let contract = self.contract.load_full();
        if contract.operation(RequestType::LOGOUT).is_none() || self.sending.session.lock().await.is_none() {
            return;
        }
        let mut event = Event::new(self.clock.now(), EventKind::LoggedIn, None, None);
        match ask(self, &contract, (RequestType::LOGOUT, None), &mut event).await {
            Ok(_) => tracing::info!(provider = self.provider.name(), "logged out"),
            Err(reason) => tracing::warn!(provider = self.provider.name(), "the session could not be ended: {reason}"),
        }
        *self.sending.session.lock().await = None;
    }

    /// Sends these secrets from now on.
    pub(super) fn set_secrets(&self, secrets: &BTreeMap<String, Secret>) {
        self.sending.set_secrets(secrets);
    }
}

fn not_sent(kind: FailureKind, reason: &str) -> CallFailure {
    CallFailure::NotSent { kind, message: reason.to_owned() }
}
