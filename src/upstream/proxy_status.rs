//! Marks an answer that the gateway gives in upstream's place, with the failure behind it: the header `Proxy-Status` (RFC
//! 9209). A gateway that records a replay restores the same case from it.
//!
//! Rule: anybody can write this header. It counts only with the status and the fault that this gateway writes with it;
//! any other answer is upstream's own.

use std::borrow::Cow;

use hyper::StatusCode;

use super::{CallFailure, FailureKind};
use crate::axis;
use crate::contract::SoapVersion;
use crate::soap::fault::Fault;
use crate::xml::{self, Limits};

/// The header field's name.
pub const PROXY_STATUS: &str = "proxy-status";
/// The name of this proxy in the header.
const PROXY: &str = env!("CARGO_PKG_NAME");
/// The longest details, in characters.
const DETAILS: usize = 1000;
/// Types of error: the client's request was refused; the gateway did not try upstream.
const REQUEST_ERROR: &str = "http_request_error";
const INTERNAL_RESPONSE: &str = "proxy_internal_response";

/// The type of error (RFC 9209, 2.3) for a failure.
pub fn error_type(failure: &CallFailure) -> &'static str {
    match failure {
        CallFailure::NotSent { kind: FailureKind::Connect | FailureKind::Login, .. } => "connection_refused",
        CallFailure::NotSent { kind: FailureKind::Tls, .. } => "tls_protocol_error",
        CallFailure::InDoubt { is_late: true, .. } => "http_response_timeout",
        CallFailure::InDoubt { .. } => "connection_terminated",
        CallFailure::NoFixture { .. } => "destination_not_found",
    }
}

/// The failure for a type of error: `NoFixture` if the gateway answered without trying upstream; `None` for an unknown type.
pub fn failure(error_type: &str, message: String) -> Option<CallFailure> {
    Some(match error_type {
        "connection_refused" => CallFailure::NotSent { kind: FailureKind::Connect, message },
        "tls_protocol_error" => CallFailure::NotSent { kind: FailureKind::Tls, message },
        "http_response_timeout" => CallFailure::in_doubt(message, true),
        "connection_terminated" => CallFailure::in_doubt(message, false),
        "destination_not_found" | REQUEST_ERROR | INTERNAL_RESPONSE => CallFailure::NoFixture { message },
        _ => return None,
    })
}

/// The header's value for an answer that the gateway gave without trying upstream.
pub fn untried(status: StatusCode) -> String {
    let error = if status.is_client_error() { REQUEST_ERROR } else { INTERNAL_RESPONSE };
    format!("{PROXY}; error={error}")
}

/// The header's value for a failure.
pub fn of_failure(failure: &CallFailure) -> String {
    let error = error_type(failure);
    if matches!(failure, CallFailure::NoFixture { .. }) {
        return format!("{PROXY}; error={error}");
    }
    // Details have visible ASCII only, with quotes and backslashes escaped (RFC 8941, 3.3.3).
    let visible = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let details: String = failure.message().chars().take(DETAILS).map(visible).collect();
    format!("{PROXY}; error={error}; details=\"{}\"", details.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The status and the text of an answer in upstream's place.
pub fn answer_of(failure: &CallFailure) -> (StatusCode, Cow<'_, str>) {
    let (status, words) = match failure {
        CallFailure::InDoubt { is_late: true, .. } => (StatusCode::GATEWAY_TIMEOUT, "Conax did not answer in time."),
        CallFailure::NotSent { kind: FailureKind::Connect | FailureKind::Login, .. } => {
            (StatusCode::BAD_GATEWAY, "Conax cannot be reached; nothing was sent.")
        }
        CallFailure::NotSent { kind: FailureKind::Tls, .. } => {
            (StatusCode::BAD_GATEWAY, "No TLS connection to Conax can be made; nothing was sent.")
        }
        CallFailure::InDoubt { .. } => {
            (StatusCode::BAD_GATEWAY, "The connection to Conax broke off before it answered.")
        }
        CallFailure::NoFixture { message } => return (StatusCode::INTERNAL_SERVER_ERROR, Cow::Borrowed(message)),
    };
    (status, Cow::Borrowed(words))
}

/// The SOAP fault of an answer in upstream's place; empty if XML cannot contain the text.
pub fn fault(status: StatusCode, text: &str, version: SoapVersion) -> Vec<u8> {
    let fault = Fault {
        prefix: "soap",
        is_clients: status.is_client_error(),
        subcode: None,
        bare_code: None,
        text,
        host: None,
    };
    fault.write(version).unwrap_or_default()
}

/// The failure behind an answer of another gateway, if the header's value, the status and the body are all as this
/// gateway writes them.
pub fn told_by(value: &str, status: u16, body: &[u8]) -> Option<CallFailure> {
    let status = StatusCode::from_u16(status).ok()?;
    let root = xml::parse(std::str::from_utf8(body).ok()?, Limits::default()).ok()?;
    let text = axis::soap_fault(&root)?.string;
    let is_ours = [SoapVersion::V11, SoapVersion::V12].iter().any(|version| fault(status, &text, *version) == body);
    let failure = to_failure(value, &text).filter(|_| is_ours)?;
    // A gateway that did not try upstream has its own text.
    let is_untried = value == untried(status) && (status.is_client_error() || status.is_server_error());
    (is_untried || answer_of(&failure) == (status, Cow::Borrowed(&text))).then_some(failure)
}

/// The failure behind a header's value and the text of the fault.
fn to_failure(value: &str, text: &str) -> Option<CallFailure> {
    let rest = value.strip_prefix(PROXY)?.trim_start().strip_prefix(';')?.trim_start().strip_prefix("error=")?;
    let (error, details) = rest.split_once(';').unwrap_or((rest, ""));
    let details = details.trim_start().strip_prefix("details=\"").and_then(|details| details.strip_suffix('"'));
    let details = details.map(|details| details.replace("\\\"", "\"").replace("\\\\", "\\"));
    failure(error, details.unwrap_or_else(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(is_late: bool) -> CallFailure {
        CallFailure::in_doubt("it broke: \"x\\y\"".to_owned(), is_late)
    }

    fn not_sent(kind: FailureKind) -> CallFailure {
        CallFailure::NotSent { kind, message: "refused".to_owned() }
    }

    #[test]
    fn a_failure_comes_back_as_it_went() {
        let no_fixture = CallFailure::NoFixture { message: "none < here".to_owned() };
        for failure in
            [not_sent(FailureKind::Connect), not_sent(FailureKind::Tls), doubt(true), doubt(false), no_fixture.clone()]
        {
            for version in [SoapVersion::V11, SoapVersion::V12] {
                let (status, words) = answer_of(&failure);
                let body = fault(status, &words, version);
                assert_eq!(told_by(&of_failure(&failure), status.as_u16(), &body), Some(failure.clone()));
            }
        }
        for status in [StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE] {
            let body = fault(status, "none < here", SoapVersion::V11);
            assert_eq!(told_by(&untried(status), status.as_u16(), &body), Some(no_fixture.clone()));
        }
    }

    #[test]
    fn a_header_alone_tells_nothing() {
        let failure = not_sent(FailureKind::Connect);
        let (value, (status, words)) = (of_failure(&failure), answer_of(&failure));
        let body = fault(status, &words, SoapVersion::V11);
        let told = |value: &str, status: StatusCode, body: &[u8]| told_by(value, status.as_u16(), body);
        assert_eq!(told(&value, status, &body), Some(failure));
        for other in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GATEWAY_TIMEOUT] {
            assert_eq!(told(&value, other, &body), None, "another status: {other}");
        }
        for other in ["Conax cannot be reached.", ""] {
            assert_eq!(told(&value, status, &fault(status, other, SoapVersion::V11)), None, "other words");
        }
        assert_eq!(told(&value, status, &[&body[..], b"\n"].concat()), None, "not to the byte");
        assert_eq!(told(&value, status, b"<html/>"), None);
        assert_eq!(told("squid; error=connection_refused", status, &body), None);
        let untried = untried(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(told(&untried, StatusCode::OK, &fault(StatusCode::OK, "x", SoapVersion::V11)), None);
    }
}
