//! The one log line of an attempt.

use crate::request::{Attempt, InDoubt, PartState, ProvisioningRequest, State, failure};
use crate::words::Word as _;

/// Logs how an attempt left a request.
pub(super) fn log(request: &ProvisioningRequest, attempt: Option<&Attempt>) {
    let number = request.number;
    let request_type = request.content.request_type.as_str();
    let state = request.state.as_str();
    let duration_ms = attempt.map(|a| a.duration_ms);
    let http_status = attempt.and_then(|a| a.http_status);
    let error_code = request.failure.as_ref().map(|f| f.code.as_str());
    // Only the first line: further lines of a NO_FIXTURE error quote the content of messages.
    let error = attempt.and_then(|a| a.error.as_deref()?.lines().next());
    if request.is_between_parts() {
        return log_part(request, http_status, duration_ms);
    }
    match (request.state, request.in_doubt) {
        (State::Pending, Some(InDoubt::Resolving { .. })) => {
            tracing::warn!(
                number,
                request_type,
                http_status,
                duration_ms,
                error,
                "outcome unknown, will be looked into"
            );
        }
        (State::Pending, Some(_)) => {
            tracing::error!(
                number,
                request_type,
                http_status,
                duration_ms,
                error,
                "outcome unknown: an operator must settle it"
            );
        }
        // An operator must act: another try does not make a certificate valid.
        (State::Pending, None) if error_code == Some(failure::TLS_FAILED) => {
            tracing::error!(number, request_type, error, "TLS to upstream failed: check the certificates");
        }
        (State::Pending, None) => {
            tracing::warn!(
                number,
                request_type,
                http_status,
                duration_ms,
                error_code,
                error,
                "not delivered, will be tried again"
            );
        }
        (State::Completed | State::Rejected, _) => {
            tracing::info!(number, request_type, state, http_status, duration_ms, error_code, error, "attempt ended");
        }
    }
}

/// Logs the end of a part that another part follows.
fn log_part(request: &ProvisioningRequest, http_status: Option<u16>, duration_ms: Option<i64>) {
    let (number, request_type) = (request.number, request.content.request_type.as_str());
    let Some((part, status)) = (1_u32..).zip(request.parts.iter()).find(|(_, status)| status.is_changed) else {
        return;
    };
    let (state, error_code) = (status.state.as_str(), status.failure.as_ref().map(|failure| failure.code.as_str()));
    match status.state {
        PartState::InDoubt => {
            tracing::error!(
                number,
                request_type,
                part,
                http_status,
                duration_ms,
                "outcome of a part unknown: an operator must settle it"
            );
        }
        _ => tracing::info!(number, request_type, part, state, http_status, duration_ms, error_code, "part ended"),
    }
}
