//! How the gateway says over HTTP that an answer is its own, and what went wrong on the way to upstream: `Proxy-Status`
//! (RFC 9209). Whoever records a replay writes the same case from it.

use hyper::StatusCode;

use super::{CallFailure, Obstacle};

/// The header field's name.
pub const PROXY_STATUS: &str = "proxy-status";
/// Who says it.
const PROXY: &str = env!("CARGO_PKG_NAME");
/// Characters of the details, at most.
const DETAILS: usize = 1000;
/// Types of error: the client's request was refused; and the gateway would not try.
const REQUEST_ERROR: &str = "http_request_error";
const INTERNAL_RESPONSE: &str = "proxy_internal_response";

/// The type of error (RFC 9209, 2.3) that a failure is.
pub fn error_type(failure: &CallFailure) -> &'static str {
    match failure {
        CallFailure::NotSent { obstacle: Obstacle::Connect, .. } => "connection_refused",
        CallFailure::NotSent { obstacle: Obstacle::Tls, .. } => "tls_protocol_error",
        CallFailure::Doubt { is_late: true, .. } => "http_response_timeout",
        CallFailure::Doubt { .. } => "connection_terminated",
        CallFailure::NoFixture { .. } => "destination_not_found",
    }
}

/// The failure that a type of error stands for. What the gateway answered without trying stands for nothing to send.
pub fn failure(error_type: &str, what: String) -> Option<CallFailure> {
    Some(match error_type {
        "connection_refused" => CallFailure::NotSent { obstacle: Obstacle::Connect, what },
        "tls_protocol_error" => CallFailure::NotSent { obstacle: Obstacle::Tls, what },
        "http_response_timeout" => CallFailure::doubt(what, true),
        "connection_terminated" => CallFailure::doubt(what, false),
        "destination_not_found" | REQUEST_ERROR | INTERNAL_RESPONSE => CallFailure::NoFixture { what },
        _ => return None,
    })
}

/// The header field's value for an answer that the gateway gave without trying upstream.
pub fn untried(status: StatusCode) -> String {
    let error = if status.is_client_error() { REQUEST_ERROR } else { INTERNAL_RESPONSE };
    format!("{PROXY}; error={error}")
}

/// The header field's value for a failure.
pub fn of_failure(failure: &CallFailure) -> String {
    let error = error_type(failure);
    if matches!(failure, CallFailure::NoFixture { .. }) {
        return format!("{PROXY}; error={error}");
    }
    // Visible ASCII only, quotes and backslashes escaped (RFC 8941, 3.3.3).
    let visible = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let details: String = failure.what().chars().take(DETAILS).map(visible).collect();
    format!("{PROXY}; error={error}; details=\"{}\"", details.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The failure that a header field's value tells of, if it is one of another gateway like this.
pub fn to_failure(value: &str) -> Option<CallFailure> {
    let rest = value.strip_prefix(PROXY)?.trim_start().strip_prefix(';')?.trim_start().strip_prefix("error=")?;
    let (error, details) = rest.split_once(';').unwrap_or((rest, ""));
    let details = details.trim_start().strip_prefix("details=\"").and_then(|details| details.strip_suffix('"'));
    let what = details.unwrap_or_default().replace("\\\"", "\"").replace("\\\\", "\\");
    failure(error, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_back_as_it_went() {
        let what = || "it broke: \"x\\y\"".to_owned();
        let doubt = |is_late| CallFailure::doubt(what(), is_late);
        for failure in [
            CallFailure::NotSent { obstacle: Obstacle::Connect, what: what() },
            CallFailure::NotSent { obstacle: Obstacle::Tls, what: what() },
            doubt(true),
            doubt(false),
        ] {
            assert_eq!(to_failure(&of_failure(&failure)), Some(failure));
        }
        for status in [StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE] {
            assert!(matches!(to_failure(&untried(status)), Some(CallFailure::NoFixture { .. })));
        }
        assert_eq!(to_failure("squid; error=connection_refused"), None);
    }
}
