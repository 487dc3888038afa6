//! One step with one leased request, top to bottom: look into its doubt if it is in one, send the committed bytes, read
//! the answer, decide, commit.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Processor;
use super::policy::{self, Standing, ours};
use super::read_back::{Found, read_back};
use crate::contract::{Operation, Resend};
use crate::request::{Attempt, Body, Doubt, Event, Failure, Outcome, ProvisioningRequest, Secret, State, failure};
use crate::soap::answer;
use crate::store::{Settlement, StoreError};
use crate::upstream::{Call, CallFailure, HttpAnswer, OUT_OF_TIME, Obstacle};

/// How long a call waits for an outcome to be stored, once there is one; then it gets the record as it was accepted.
const STORE_TIME: Duration = Duration::from_secs(3);

/// What a step came to.
struct Step {
    outcome: Outcome,
    attempt: Option<Attempt>,
    events: Vec<Event>,
}

/// Takes a leased request one step further; the record is committed when this returns. Also tells whether requests that
/// waited for it may go on.
///
/// # Errors
/// The outcome could not be stored. The lease stays: the next start finds it, and calls the outcome unknown.
pub(super) async fn execute(
    processor: &Processor,
    mut request: ProvisioningRequest,
) -> Result<(ProvisioningRequest, bool), StoreError> {
    let accepted = request.clone();
    let Step { outcome, attempt, events } = step(processor, &request).await;
    request.settle(outcome, attempt.as_ref(), processor.clock.now());
    log(&request, attempt.as_ref());
    let was_called = attempt.is_some();
    let settlement = Settlement { request: request.clone(), attempt, events };
    let mut storing = processor.store.settle(vec![settlement]);
    let stored = match tokio::time::timeout(STORE_TIME, &mut storing).await {
        Ok(stored) => stored,
        Err(_) => {
            tracing::warn!(number = request.number, "the outcome of a request cannot be stored yet");
            // Nobody is told what may yet be lost.
            processor.waiting.tell(&accepted);
            storing.await
        }
    };
    if was_called {
        processor.transport.ended(&request).await;
    }
    match &stored {
        Ok(_) => processor.waiting.tell(&request),
        Err(error) => tracing::error!(number = request.number, %error, "the outcome of a request could not be stored"),
    }
    stored.map(|released| (request, released > 0))
}

async fn step(processor: &Processor, request: &ProvisioningRequest) -> Step {
    let (operation, body) = match sendable(processor, request) {
        Ok(sendable) => sendable,
        // Nobody knows what became of it, and now nothing can be done about it here.
        Err(Failure { description, .. }) if request.doubt.is_some() => {
            let failure = ours(failure::OUTCOME_UNKNOWN, description.unwrap_or_default());
            return Step { outcome: Outcome::Uncertain { failure, next: None }, attempt: None, events: Vec::new() };
        }
        Err(failure) => {
            return Step { outcome: policy::rejected(failure), attempt: None, events: Vec::new() };
        }
    };
    let began = processor.clock.moment();
    let still_in_doubt = |what| {
        let now = processor.clock.moment();
        let standing = Standing::of(request, operation.resend, now.since(&began), now.date);
        processor.retry.in_doubt(&standing, what)
    };
    let mut events = Vec::new();
    let mut is_verified = false;
    let settled = match (request.doubt, operation.resend) {
        (Some(Doubt::Resolving { until }), _) if until <= began.date => Some(still_in_doubt(OUT_OF_TIME.to_owned())),
        // The rule may have changed since.
        (Some(Doubt::Resolving { .. }), Resend::Never) => Some(still_in_doubt("It may not be sent again.".to_owned())),
        (Some(Doubt::Resolving { until }), Resend::Verify(query)) => {
            let (found, event) = read_back(processor, request, query, until).await;
            events.push(event);
            match found {
                Found::Done => Some(Outcome::Completed { reference: None, result: None }),
                Found::Unclear(what) => Some(still_in_doubt(what)),
                Found::NotDone => {
                    is_verified = true;
                    None
                }
            }
        }
        _ => None,
    };
    if let Some(outcome) = settled {
        return Step { outcome, attempt: None, events };
    }
    let (outcome, attempt) = send(processor, request, (operation, body), is_verified).await;
    Step { outcome, attempt: Some(attempt), events }
}

/// One call; while a doubt is being resolved it ends with the time for that, because later requests go on then.
pub(super) async fn call_until(
    processor: &Processor,
    call: Call,
    until: Option<DateTime<Utc>>,
) -> Result<HttpAnswer, CallFailure> {
    let Some(until) = until else { return processor.transport.call(call).await };
    let left = (until - processor.clock.now()).to_std().unwrap_or_default();
    let what = OUT_OF_TIME.to_owned();
    if left.is_zero() {
        return Err(CallFailure::NotSent { obstacle: Obstacle::Connect, what });
    }
    let over = CallFailure::doubt(what, true);
    tokio::time::timeout(left, processor.transport.call(call)).await.unwrap_or(Err(over))
}

/// The operation and the body to send, or why nothing is sent.
fn sendable<'a>(
    processor: &'a Processor,
    request: &'a ProvisioningRequest,
) -> Result<(&'a Operation, &'a Body), Failure> {
    let body = policy::sendable(request)?;
    let operation = processor.contract.operation(request.asked.kind).ok_or_else(|| {
        let what = format!("The SOAP contract loaded now has no operation for {}.", request.asked.kind);
        ours(failure::CONTRACT_MISMATCH, what)
    })?;
    Ok((operation, body))
}

async fn send(
    processor: &Processor,
    request: &ProvisioningRequest,
    (operation, body): (&Operation, &Body),
    is_verified: bool,
) -> (Outcome, Attempt) {
    let began = processor.clock.moment();
    let until = if let Some(Doubt::Resolving { until }) = request.doubt { Some(until) } else { None };
    let call = Call::of(operation, body.to_send(), Some(request));
    let result = call_until(processor, call, until).await;
    let now = processor.clock.moment();
    let passed = now.since(&began);
    let standing = Standing { is_verified, ..Standing::of(request, operation.resend, passed, now.date) };
    let mut attempt = Attempt {
        attempt: standing.attempt,
        started_at: began.date,
        duration_ms: i64::try_from(passed.time.as_millis()).unwrap_or(i64::MAX),
        sent: true,
        http_status: None,
        error: None,
        response: None,
        content_type: None,
    };
    let outcome = match result {
        Ok(http) => {
            let reading = answer::read(&processor.contract, operation, &http);
            attempt.http_status = Some(http.status);
            attempt.response = Some(reading.text);
            attempt.content_type = http.content_type;
            processor.retry.of_answer(reading.meaning, &standing)
        }
        Err(failed) => {
            let outcome = processor.retry.of_failure(&failed, &standing);
            match failed {
                CallFailure::NotSent { what, .. } | CallFailure::NoFixture { what } => {
                    attempt.sent = false;
                    attempt.error = Some(what);
                }
                CallFailure::Doubt { what, status, partial, content_type, .. } => {
                    attempt.error = Some(what);
                    attempt.http_status = status;
                    attempt.response = status.map(|_| answer::text_of_partial(&partial, content_type.as_deref()));
                    attempt.content_type = content_type;
                }
            }
            outcome
        }
    };
    // Whatever came back may repeat it.
    match body.secret() {
        Some(secret) => mask(&secret, outcome, attempt),
        None => (outcome, attempt),
    }
}

/// Masks a secret in all that came back. A reference number may have the same digits in it, and stays what it is.
fn mask(secret: &Secret, outcome: Outcome, attempt: Attempt) -> (Outcome, Attempt) {
    let reference = match &outcome {
        Outcome::Completed { reference, .. } | Outcome::Rejected { reference, .. } => reference.clone(),
        Outcome::Retry { .. } | Outcome::Uncertain { .. } => None,
    };
    let reference = reference.filter(|reference| reference != secret.expose());
    let in_text = |text: String| match &reference {
        Some(reference) if !reference.is_empty() => {
            text.split(reference.as_str()).map(|part| secret.mask_in(part)).collect::<Vec<_>>().join(reference)
        }
        _ => secret.mask_in(&text),
    };
    let outcome = match outcome {
        Outcome::Completed { result, .. } => Outcome::Completed { reference: reference.clone(), result },
        Outcome::Rejected { failure, leaves_doubt, .. } => {
            let failure = secret.mask_failure(failure);
            Outcome::Rejected { reference: reference.clone(), failure, leaves_doubt }
        }
        Outcome::Retry { at, failure } => Outcome::Retry { at, failure: secret.mask_failure(failure) },
        Outcome::Uncertain { failure, next } => Outcome::Uncertain { failure: secret.mask_failure(failure), next },
    };
    (outcome, Attempt { error: attempt.error.map(in_text), response: attempt.response.map(in_text), ..attempt })
}

fn log(request: &ProvisioningRequest, attempt: Option<&Attempt>) {
    let number = request.number;
    let kind = request.asked.kind.as_str();
    let state = request.state.as_str();
    let duration_ms = attempt.map(|a| a.duration_ms);
    let http_status = attempt.and_then(|a| a.http_status);
    let error_code = request.failure.as_ref().map(|f| f.code.as_str());
    // Only the first line: what a missing fixture differs in is content.
    let error = attempt.and_then(|a| a.error.as_deref()?.lines().next());
    match (request.state, request.doubt) {
        (State::Pending, Some(Doubt::Resolving { .. })) => {
            tracing::warn!(number, kind, http_status, duration_ms, error, "outcome unknown, will be looked into");
        }
        (State::Pending, Some(_)) => {
            tracing::error!(
                number,
                kind,
                http_status,
                duration_ms,
                error,
                "outcome unknown: an operator must settle it"
            );
        }
        // A certificate that is not accepted does not get better by itself.
        (State::Pending, None) if error_code == Some(failure::TLS_FAILED) => {
            tracing::error!(number, kind, error, "TLS to upstream failed: check the certificates");
        }
        (State::Pending, None) => {
            tracing::warn!(
                number,
                kind,
                http_status,
                duration_ms,
                error_code,
                error,
                "not delivered, will be tried again"
            );
        }
        (State::Completed | State::Rejected, _) => {
            tracing::info!(number, kind, state, http_status, duration_ms, error_code, error, "attempt ended");
        }
    }
}
