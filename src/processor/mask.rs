//! Masks the secret of a request in the outcome and the texts of an attempt.

use crate::request::{Attempt, Outcome};
use crate::secret::Secret;

/// Masks a secret in an outcome and an attempt. A reference number stays as it is, even if the secret's digits occur in it.
pub(super) fn mask(secret: &Secret, outcome: Outcome, attempt: Attempt) -> (Outcome, Attempt) {
    let reference = match &outcome {
        Outcome::Completed { reference, .. } | Outcome::Rejected { reference, .. } => reference.clone(),
        Outcome::RetryLater { .. } | Outcome::SendAlone { .. } | Outcome::InDoubt { .. } => None,
    };
    let reference = reference.filter(|reference| reference != secret.expose());
    let in_text = |text: &str| match &reference {
        Some(reference) if !reference.is_empty() => {
            text.split(reference.as_str()).map(|part| secret.mask_in(part)).collect::<Vec<_>>().join(reference)
        }
        _ => secret.mask_in(text),
    };
    let outcome = match outcome {
        Outcome::Completed { result, .. } => Outcome::Completed { reference: reference.clone(), result },
        Outcome::Rejected { failure, leaves_doubt, .. } => {
            let failure = secret.mask_failure(failure);
            Outcome::Rejected { reference: reference.clone(), failure, leaves_doubt }
        }
        Outcome::RetryLater { at, failure } => Outcome::RetryLater { at, failure: secret.mask_failure(failure) },
        Outcome::SendAlone { failure } => Outcome::SendAlone { failure: secret.mask_failure(failure) },
        Outcome::InDoubt { failure, next } => Outcome::InDoubt { failure: secret.mask_failure(failure), next },
    };
    let error = attempt.error.map(|error| in_text(&error));
    let response = attempt.response.map(|response| in_text(&response).into());
    (outcome, Attempt { error, response, ..attempt })
}
