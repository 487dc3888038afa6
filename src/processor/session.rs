//! The session with an upstream that needs a session: a login before the first request, one session for all requests,
//! renewed when upstream says that it has ended, and ended at shutdown.
//!
//! Rule: only one login at a time, with all requests waiting for it; if the login fails, they all fail. Secrets and
//! session ids are never logged or stored: the texts of a login are masked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use super::Processor;
use super::classify::ClassifiedAnswer;
use super::exchange::{Outgoing, fill, not_sent, send};
use crate::contract::{Contract, SESSION};
use crate::request::{Envelope, Event, EventKind, Fields, RequestType};
use crate::secret::Secret;
use crate::soap::encode;
use crate::upstream::{CallFailure, FailureKind};

/// The secrets of the configuration, and the session that a login gave.
pub(super) struct Credentials {
    secrets: ArcSwap<BTreeMap<String, Secret>>,
    session: Mutex<Option<Secret>>,
    /// The number of failed logins, and the reason of the last failure.
    failures: AtomicU64,
    last_failure: StdMutex<String>,
}

impl Credentials {
    pub(super) fn new(secrets: &BTreeMap<String, Secret>) -> Self {
        Self {
            secrets: ArcSwap::from_pointee(secrets.clone()),
            session: Mutex::default(),
            failures: AtomicU64::new(0),
            last_failure: StdMutex::default(),
        }
    }

    /// The secrets of the configuration, by name.
    pub(super) fn secrets(&self) -> Arc<BTreeMap<String, Secret>> {
        self.secrets.load_full()
    }

    /// Uses these secrets from now on.
    pub(super) fn set_secrets(&self, secrets: &BTreeMap<String, Secret>) {
        self.secrets.store(Arc::new(secrets.clone()));
    }
}

/// The session's id; logs in if there is no session, or only the session `ended`.
pub(super) async fn session(
    processor: &Processor,
    (contract, until): (&Contract, Option<DateTime<Utc>>),
    ended: Option<&Secret>,
    events: &mut Vec<Event>,
) -> Result<Secret, CallFailure> {
    let credentials = &processor.credentials;
    let failures = credentials.failures.load(Ordering::Acquire);
    let mut kept = credentials.session.lock().await;
    if let Some(session) = kept.as_ref().filter(|session| Some(*session) != ended) {
        return Ok(session.clone());
    }
    let last_failure = || credentials.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
    if credentials.failures.load(Ordering::Acquire) != failures {
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
            credentials.failures.fetch_add(1, Ordering::Release);
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

/// Sends a request of the gateway's own, without parameters; its masked texts go into the event.
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
    let outgoing = Outgoing { contract, operation, envelope: &envelope, request: None, trace: None, until };
    // The request is a login, or the end of a session, so that no login has to come first.
    let filled = Box::pin(fill(processor, outgoing, None, &mut Vec::new()))
        .await
        .map_err(|failure| failure.message().to_owned())?;
    let mask = |text: &str| filled.secrets.iter().fold(text.to_owned(), |text, secret| secret.mask_in(&text));
    let (answered, _) = send(processor, outgoing, &filled).await;
    let answered = answered.map_err(|failure| mask(failure.message()))?;
    event.http_status = Some(answered.http_status);
    event.response = Some(mask(&answered.classified.text));
    match &answered.classified.failure {
        None => Ok(answered.classified),
        Some(failure) => Err(mask(&failure.reason())),
    }
}

impl Processor {
    /// Ends the session, if there is one, since upstream may allow few sessions. A failure changes nothing.
    pub(super) async fn log_out(&self) {
        let contract = self.contract.load_full();
        if contract.operation(RequestType::LOGOUT).is_none() || self.credentials.session.lock().await.is_none() {
            return;
        }
        let mut event = Event::new(self.clock.now(), EventKind::LoggedIn, None, None);
        match ask(self, &contract, (RequestType::LOGOUT, None), &mut event).await {
            Ok(_) => tracing::info!(provider = self.provider.name(), "logged out"),
            Err(reason) => tracing::warn!(provider = self.provider.name(), "the session could not be ended: {reason}"),
        }
        *self.credentials.session.lock().await = None;
    }

    /// Sends these secrets from now on.
    pub(super) fn set_secrets(&self, secrets: &BTreeMap<String, Secret>) {
        self.credentials.set_secrets(secrets);
    }
}
