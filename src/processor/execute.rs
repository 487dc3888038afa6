//! One attempt at one leased request, top to bottom: send the committed bytes, read the answer, decide, commit.

use bytes::Bytes;

use super::Processor;
use super::policy::{self, Moment};
use crate::contract::{Operation, SoapVersion};
use crate::request::{Attempt, Failure, Outcome, ProvisioningRequest, State, failure};
use crate::soap::answer;
use crate::store::{Settlement, StoreError};
use crate::upstream::{Call, CallFailure};

/// Tries a leased request once; the record is committed when this returns.
///
/// # Errors
/// The outcome could not be stored. The lease stays: the next start finds it, and calls the outcome unknown.
pub(super) async fn execute(
    processor: &Processor,
    mut request: ProvisioningRequest,
) -> Result<ProvisioningRequest, StoreError> {
    let (outcome, attempt) = match sendable(processor, &request) {
        Ok((operation, body)) => {
            let (outcome, attempt) = send(processor, &request, operation, body).await;
            (outcome, Some(attempt))
        }
        Err(failure) => (Outcome::Rejected { reference: None, failure }, None),
    };
    request.settle(outcome, attempt.as_ref(), processor.clock.now());
    log(&request, attempt.as_ref());
    let stored = processor.store.settle(vec![Settlement { request: request.clone(), attempt }]).await;
    match &stored {
        Ok(()) => processor.waiting.tell(&request),
        Err(error) => tracing::error!(number = request.number, %error, "the outcome of a request could not be stored"),
    }
    stored.map(|()| request)
}

/// The operation and the bytes to send, or why nothing is sent.
fn sendable<'p>(processor: &'p Processor, request: &ProvisioningRequest) -> Result<(&'p Operation, Bytes), Failure> {
    if let Some(refusal) = &request.asked.refusal {
        return Err(refusal.clone());
    }
    match (processor.contract.operation(request.asked.kind), &request.asked.body) {
        (Some(operation), Some(body)) => Ok((operation, Bytes::copy_from_slice(body.as_bytes()))),
        _ => Err(Failure {
            code: failure::CONTRACT_MISMATCH.to_owned(),
            description: Some(format!("The SOAP contract loaded now has no operation for {}.", request.asked.kind)),
            ..Failure::default()
        }),
    }
}

async fn send(
    processor: &Processor,
    request: &ProvisioningRequest,
    operation: &Operation,
    body: Bytes,
) -> (Outcome, Attempt) {
    let started_at = processor.clock.now();
    let began = tokio::time::Instant::now();
    let result = processor.transport.call(call_of(operation, body)).await;
    let mut attempt = Attempt {
        attempt: request.attempts + 1,
        started_at,
        duration_ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
        sent: true,
        http_status: None,
        error: None,
        response: None,
    };
    let moment = Moment { attempt: attempt.attempt, now: processor.clock.now(), jitter: rand::random() };
    let outcome = match result {
        Ok(http) => {
            let reading = answer::read(&processor.contract, operation, &http);
            attempt.http_status = Some(http.status);
            attempt.response = Some(reading.text);
            policy::of_answer(reading.meaning, &processor.retry, moment)
        }
        Err(failed) => {
            let outcome = policy::of_failure(&failed, &processor.retry, moment);
            match failed {
                CallFailure::NotSent { what, .. } => {
                    attempt.sent = false;
                    attempt.error = Some(what);
                }
                CallFailure::Doubt { what, status, partial, content_type } => {
                    attempt.error = Some(what);
                    attempt.http_status = status;
                    attempt.response = status.map(|_| answer::text_of_partial(&partial, content_type.as_deref()));
                }
            }
            outcome
        }
    };
    (outcome, attempt)
}

/// SOAP 1.1 names the action in a header (Note SOAP 1.1, 6.1.1), SOAP 1.2 in the media type (RFC 3902).
fn call_of(operation: &Operation, body: Bytes) -> Call {
    let action = &operation.action;
    let (content_type, soap_action) = match operation.soap {
        SoapVersion::V11 => ("text/xml; charset=utf-8".to_owned(), Some(format!("\"{action}\""))),
        SoapVersion::V12 if action.is_empty() => ("application/soap+xml; charset=utf-8".to_owned(), None),
        SoapVersion::V12 => (format!("application/soap+xml; charset=utf-8; action=\"{action}\""), None),
    };
    Call { path: operation.path.clone(), content_type, soap_action, body }
}

fn log(request: &ProvisioningRequest, attempt: Option<&Attempt>) {
    let number = request.number;
    let kind = request.asked.kind.as_str();
    let state = request.state.as_str();
    let duration_ms = attempt.map(|a| a.duration_ms);
    let http_status = attempt.and_then(|a| a.http_status);
    let error_code = request.failure.as_ref().map(|f| f.code.as_str());
    let error = attempt.and_then(|a| a.error.as_deref());
    if request.uncertain {
        tracing::error!(number, kind, http_status, duration_ms, error, "outcome unknown: an operator must settle it");
    } else if request.state == State::Pending {
        tracing::warn!(number, kind, http_status, duration_ms, error_code, error, "not delivered, will be tried again");
    } else {
        tracing::info!(number, kind, state, http_status, duration_ms, error_code, error, "attempt ended");
    }
}
