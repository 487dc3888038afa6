//! One attempt at a leased request, in five steps: prepare (find the operation and the committed envelope), verify (ask Conax
//! whether a request in doubt was done), send the envelope, classify the answer once, commit the outcome.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::Processor;
use super::commit::{Committed, commit};
use super::exchange::{Answer, ExchangeResult, Outgoing, exchange};
use super::mask::mask;
use super::policy::{self, AttemptContext, ours};
use super::verify::{Verification, verify};
use crate::clock::{Moment, Passed};
use crate::contract::{Contract, Operation, Resend};
use crate::observer::ClassifiedAttempt;
use crate::request::{
    Attempt, Envelope, Event, InDoubt, JointCall, Outcome, ProvisioningRequest, TraceContext, failure,
};
use crate::secret::Secret;
use crate::soap::texts;
use crate::store::{Lease, LeasedRequest, StoreError};
use crate::timings::Timings;
use crate::upstream::{Call, CallFailure, FailureKind, HttpAnswer, OUT_OF_TIME};

/// Why a call was ended before its answer.
const LEASE_LOST: &str = "The gateway could not renew its leases in the store in time, and ended the call: another gateway \
                          may take the request over.";

/// The operation and the envelope of a request that can be sent.
pub(super) struct Prepared<'a> {
    pub(super) operation: &'a Operation,
    pub(super) envelope: &'a Envelope,
}

/// The result of the step "verify": is the request to be sent?
enum Verified {
    /// Send the request; `was_asked` means that Conax said no earlier attempt was done.
    Send { was_asked: bool },
    /// Do not send the request: the doubt is resolved, or stays.
    Ended(Outcome),
}

/// The result of a call, with its times.
#[derive(Clone)]
pub(super) struct Sent {
    result: Result<Answer, CallFailure>,
    timings: Option<Timings>,
    trace: Option<TraceContext>,
    /// Secrets in the call, which are masked wherever the attempt is shown.
    secrets: Vec<Secret>,
    began: Moment,
    passed: Passed,
    now: DateTime<Utc>,
    /// Drawn once per call, so that requests of a joint call are tried again together.
    jitter: f64,
}

impl Sent {
    /// A copy without the text of the answer, which only the first request of a joint call keeps.
    pub(super) fn without_text(&self) -> Self {
        let mut sent = self.clone();
        if let Ok(answer) = &mut sent.result {
            answer.classified.text = String::new();
        }
        sent
    }

    /// A copy for another request of the joint call.
    pub(super) fn for_other(&self, trace: Option<TraceContext>) -> Self {
        Self { trace, ..self.clone() }
    }
}

/// The end of an attempt.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// `None` if nothing was tried.
    pub(super) attempt: Option<Attempt>,
    pub(super) events: Vec<Event>,
}

/// Makes one attempt at a leased request, or at its current part. Until `turn_ends`, a request whose next part is due
/// keeps its lease.
///
/// # Errors
/// The outcome could not be stored. The lease stays: the node that takes it over puts the request in doubt.
pub(super) async fn attempt(
    processor: &Processor,
    contract: &Contract,
    LeasedRequest { request, lease }: LeasedRequest,
    turn_ends: Instant,
) -> Result<Committed, StoreError> {
    let ended = match prepare(contract, &request) {
        Err(outcome) => Ended { outcome, attempt: None, events: Vec::new() },
        Ok(prepared) => {
            let (verified, events) = verify_in_doubt(processor, contract, &request, &prepared).await;
            match verified {
                Verified::Ended(outcome) => Ended { outcome, attempt: None, events },
                Verified::Send { was_asked } => {
                    let (sent, before) = send(processor, contract, &request, &lease, &prepared).await;
                    let (outcome, attempt) = classify(processor, &request, &prepared, sent, (was_asked, None));
                    let events = events.into_iter().chain(before).collect();
                    Ended { outcome, attempt: Some(attempt), events }
                }
            }
        }
    };
    let mut committed = commit(processor, vec![(LeasedRequest { request, lease }, ended)], turn_ends).await?;
    committed.pop().ok_or_else(|| StoreError::Other("the store committed nothing".to_owned()))
}

/// The operation and the envelope to send, or how the request ends because nothing can be sent.
pub(super) fn prepare<'a>(contract: &'a Contract, request: &'a ProvisioningRequest) -> Result<Prepared<'a>, Outcome> {
    let operation = contract.operation(request.content.request_type).ok_or_else(|| {
        let message = format!("The SOAP contract loaded now has no operation for {}.", request.content.request_type);
        ours(failure::CONTRACT_MISMATCH, message)
    });
    let prepared = policy::sendable(request).and_then(|envelope| Ok(Prepared { operation: operation?, envelope }));
    prepared.map_err(|failure| match request.in_doubt {
        None => policy::rejected(failure),
        // The gateway can neither verify nor resend the request: an operator has to decide.
        Some(_) => {
            let failure = ours(failure::OUTCOME_UNKNOWN, failure.description.unwrap_or_default());
            Outcome::InDoubt { failure, next: None }
        }
    })
}

/// Asks Conax whether a request in doubt was done, if its resend rule says so.
async fn verify_in_doubt(
    processor: &Processor,
    contract: &Contract,
    request: &ProvisioningRequest,
    prepared: &Prepared<'_>,
) -> (Verified, Vec<Event>) {
    let resend = prepared.operation.resend;
    let Some(InDoubt::Resolving { until }) = request.in_doubt else {
        return (Verified::Send { was_asked: false }, Vec::new());
    };
    let began = processor.clock.moment();
    let still_in_doubt = |message| {
        let now = processor.clock.moment();
        let context = AttemptContext::of(request, resend, now.since(&began), now.date);
        Verified::Ended(processor.retry.in_doubt(&context, message))
    };
    if until <= began.date {
        return (still_in_doubt(OUT_OF_TIME.to_owned()), Vec::new());
    }
    let query = match resend {
        Resend::Verify(query) => query,
        Resend::Safe => return (Verified::Send { was_asked: false }, Vec::new()),
        // The request was sent under another resend rule.
        Resend::Never => return (still_in_doubt("It may not be sent again.".to_owned()), Vec::new()),
    };
    // Boxed, since few attempts verify, and each attempt would otherwise reserve the memory.
    let (verification, event) = Box::pin(verify(processor, contract, request, (query, until))).await;
    let verified = match verification {
        Verification::Applied => Verified::Ended(Outcome::Completed { reference: None, result: None }),
        Verification::Inconclusive(message) => still_in_doubt(message),
        Verification::NotApplied => Verified::Send { was_asked: true },
    };
    (verified, vec![event])
}

/// Sends the committed SOAP request with its blanks filled, unless the lease may have ended. Also returns the events
/// before the call, for the history.
pub(super) async fn send(
    processor: &Processor,
    contract: &Contract,
    request: &ProvisioningRequest,
    lease: &Lease,
    prepared: &Prepared<'_>,
) -> (Sent, Vec<Event>) {
    let began = processor.clock.moment();
    let until = if let Some(InDoubt::Resolving { until }) = request.in_doubt { Some(until) } else { None };
    let trace = trace_of(processor, request);
    let (operation, envelope) = (prepared.operation, prepared.envelope.to_send());
    let outgoing =
        Outgoing { contract, operation, envelope, request: Some((request, lease)), trace: trace.as_ref(), until };
    let ExchangeResult { result, timings, events, secrets } = exchange(processor, outgoing).await;
    let now = processor.clock.moment();
    let (passed, jitter) = (now.since(&began), rand::random());
    (Sent { result, timings, trace, secrets, began, passed, now: now.date, jitter }, events)
}

/// The trace position of an attempt in its request's trace.
pub(super) fn trace_of(processor: &Processor, request: &ProvisioningRequest) -> Option<TraceContext> {
    let trace = request.content.correlation.as_ref()?.trace.as_ref()?;
    Some(if processor.transport.observers().want_spans() { trace.child() } else { trace.clone() })
}

/// Makes a call. A call for a request in doubt ends when the time to resolve the doubt is over, since later requests then
/// go on. A call under a lease ends before the lease, since another node may send afterwards.
pub(super) async fn call_until(
    processor: &Processor,
    call: Call,
    until: Option<DateTime<Utc>>,
    lease: Option<&Lease>,
) -> Result<HttpAnswer, CallFailure> {
    let left = until.map(|until| (until - processor.clock.now()).to_std().unwrap_or_default());
    if left.is_some_and(|left| left.is_zero()) {
        return Err(CallFailure::NotSent { kind: FailureKind::Connect, message: OUT_OF_TIME.to_owned() });
    }
    let out_of_time = async {
        match left {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    let lease_lost = async {
        match lease {
            Some(lease) => processor.node.lost(lease).await,
            None => std::future::pending().await,
        }
    };
    let cut = async {
        tokio::select! {
            () = out_of_time => CallFailure::in_doubt(OUT_OF_TIME.to_owned(), true),
            () = lease_lost => CallFailure::in_doubt(LEASE_LOST.to_owned(), false),
        }
    };
    processor.transport.call(call, cut).await
}

/// Turns the result of a call into the outcome, and into the attempt for the history; `joint_call` is the call if it was
/// made for several requests.
pub(super) fn classify(
    processor: &Processor,
    request: &ProvisioningRequest,
    prepared: &Prepared<'_>,
    sent: Sent,
    (is_verified, joint_call): (bool, Option<Arc<JointCall>>),
) -> (Outcome, Attempt) {
    let Sent { result, timings, trace, secrets, began, passed, now, jitter } = sent;
    let context = AttemptContext::of(request, prepared.operation.resend, passed, now);
    let context = AttemptContext { is_verified, is_joint: joint_call.is_some(), jitter, ..context };
    let mut attempt = Attempt {
        attempt: request.attempts.saturating_add(1),
        part: request.current_part_number(),
        joint_call,
        started_at: began.date,
        duration_ms: i64::try_from(passed.time.as_millis()).unwrap_or(i64::MAX),
        timings,
        sent: true,
        http_status: None,
        error: None,
        response: None,
        content_type: None,
    };
    let tell = |result| {
        let classified = ClassifiedAttempt { request, began: began.date, result, trace: trace.as_ref() };
        processor.transport.observers().tell(|observer| observer.classified(&classified));
    };
    let outcome = match result {
        Ok(Answer { http_status, content_type, retry_after, classified: mut answer }) => {
            attempt.http_status = Some(http_status);
            attempt.content_type = content_type;
            tell(Ok(answer.classification));
            attempt.response = Some(std::mem::take(&mut answer.text).into());
            processor.retry.after_answer(answer, retry_after.as_deref(), &context)
        }
        Err(failed) => {
            tell(Err(&failed));
            let outcome = processor.retry.after_failure(&failed, &context);
            match failed {
                CallFailure::NotSent { message, .. } | CallFailure::NoFixture { message } => {
                    attempt.sent = false;
                    attempt.error = Some(message);
                }
                CallFailure::InDoubt { message, status, partial, content_type, .. } => {
                    attempt.error = Some(message);
                    attempt.http_status = status;
                    let text = status.map(|_| texts::text_of_partial(&partial, content_type.as_deref()));
                    attempt.response = text.map(Into::into);
                    attempt.content_type = content_type;
                }
            }
            outcome
        }
    };
    // The answer may repeat secrets.
    let secrets = prepared.envelope.secret().into_iter().chain(secrets);
    secrets.fold((outcome, attempt), |(outcome, attempt), secret| mask(&secret, outcome, attempt))
}
