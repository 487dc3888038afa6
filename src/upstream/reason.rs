//! Reason phrases of answers: as sent, or else the usual phrase of the status.

use hyper::StatusCode;
use hyper::ext::ReasonPhrase;
use hyper::http::Extensions;

/// The usual reason phrase of a known status.
pub fn usual_reason(status: u16) -> Option<&'static str> {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason())
}

/// The phrase of an answer; hyper keeps only unusual phrases.
pub fn reason_of(status: StatusCode, extensions: &Extensions) -> String {
    match extensions.get::<ReasonPhrase>() {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => status.canonical_reason().unwrap_or_default().to_owned(),
    }
}
