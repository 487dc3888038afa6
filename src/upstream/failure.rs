//! Tells from an error of the HTTP client how far a request got. The causes are found by type, not by wording.

use std::error::Error;

use rustls::AlertDescription;

use super::Obstacle;

/// What stood in the way, where the request was certainly not taken in: `None` means doubt.
pub(super) fn obstacle(error: &(dyn Error + 'static), body_taken: bool) -> Option<Obstacle> {
    match tls_error(error) {
        Some(tls) if !body_taken || is_about_our_certificate(tls) => Some(Obstacle::Tls),
        _ if !body_taken => Some(Obstacle::Connect),
        _ => None,
    }
}

/// With TLS 1.3 the server judges our certificate after our side of the handshake has ended: its alert comes on the
/// first read, when the request is already written. The server never decrypts that request.
fn is_about_our_certificate(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError
        )
    )
}

fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // io::Error keeps what it wraps out of its source().
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The error and its causes in one line; an URL is left out, it says nothing new.
pub(super) fn in_words(error: reqwest::Error) -> String {
    chain_in_words(&error.without_url())
}

/// The error and its causes in one line.
pub(super) fn chain_in_words(error: &(dyn Error + 'static)) -> String {
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
