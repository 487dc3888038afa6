//! The one log line of an attempt.

use crate::request::{Attempt, InDoubt, ProvisioningRequest, State, failure};
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
        // An operator must act: trying again does not make a certificate valid.
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
