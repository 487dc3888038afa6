//! Tells from an error of the HTTP client how far a request got. The causes are found by type, not by their texts.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::AlertDescription;

use super::{CallFailure, FailureKind};

/// The server refused the gateway's certificate, and processed nothing that was written afterwards.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CertificateRefused(pub(super) io::Error);

/// The failure of a call that ended with `error`: `NotSent` only if that is certain. A request that must not be sent
/// twice (`once`) was certainly not sent only if no connection had taken it.
pub(super) fn of_error(error: &(dyn Error + 'static), is_taken: bool, once: bool) -> CallFailure {
    let message = in_words(error);
    let kind = match is_taken {
        false if find_cause::<rustls::Error>(error).is_some() => Some(FailureKind::Tls),
        false => Some(FailureKind::Connect),
        true => find_cause::<CertificateRefused>(error).filter(|_| !once).map(|_| FailureKind::Tls),
    };
    match kind {
        Some(kind) => CallFailure::NotSent { kind, message },
        None => CallFailure::in_doubt(message, false),
    }
}

/// The failure of a call without an answer in time.
pub(super) fn of_silence(limit: Duration, is_taken: bool) -> CallFailure {
    let message = format!("there was no answer within {} s", limit.as_secs_f64());
    match is_taken {
        true => CallFailure::in_doubt(message, true),
        false => CallFailure::NotSent { kind: FailureKind::Connect, message },
    }
}

/// Does the server's alert refuse the client's certificate, or the lack of a certificate?
pub(super) fn is_about_our_certificate(error: &io::Error) -> bool {
    matches!(
        find_cause::<rustls::Error>(error),
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError
        ))
    )
}

/// The first cause of type `E`.
fn find_cause<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // `io::Error` does not return the wrapped error as its source().
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The error and its causes in one line.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}
