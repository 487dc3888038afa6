//! Asks Conax, with the query that the bindings name, whether a pairing in doubt was done.

use chrono::{DateTime, Utc};

use super::Processor;
use super::exchange::{Answer, ExchangeResult, Outgoing, exchange};
use crate::contract::{Contract, Operation};
use crate::request::{Envelope, Event, EventKind, Failure, Fields, ProvisioningRequest, RequestType, TraceContext};
use crate::soap::encode;
use crate::upstream::CallFailure;

/// The PairingStatus of a card or STB that has no pairing (contract: the SOAP face).
const NOT_PAIRED: &str = "NOT_PAIRED";

/// Did Conax do a request in doubt?
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// Conax did the request.
    Applied,
    /// Conax did not do the request, so that it may be sent again.
    NotApplied,
    /// The query gave no answer, for this reason.
    Inconclusive(String),
}

/// Queries the cards (or STBs, depending on the query) of the request, until a card is not paired as requested. The
/// history keeps the last query with its answer, which decided.
pub(super) async fn verify(
    processor: &Processor,
    contract: &Contract,
    request: &ProvisioningRequest,
    (query, until): (RequestType, DateTime<Utc>),
) -> (Verification, Event) {
    let began = tokio::time::Instant::now();
    let mut event = Event::new(processor.clock.now(), EventKind::Verified, None, None);
    let found = ask_all(processor, contract, request, (query, until), &mut event).await;
    event.duration_ms = Some(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX));
    event.text = Some(match &found {
        Verification::Applied => "It was done.".to_owned(),
        Verification::NotApplied => "It was not done, and is sent again.".to_owned(),
        Verification::Inconclusive(message) => format!("Not found out: {message}"),
    });
    (found, event)
}

async fn ask_all(
    processor: &Processor,
    contract: &Contract,
    request: &ProvisioningRequest,
    (query, until): (RequestType, DateTime<Utc>),
    event: &mut Event,
) -> Verification {
    let (cards, boxes) = (request.current_cards(), request.content.stbs.as_slice());
    let (Some(operation), [parameter]) = (contract.operation(query), query.parameters()) else {
        return Verification::Inconclusive(format!("{query} is no query for a card or a box."));
    };
    let (subjects, partner, partners) = match parameter.name {
        "stb_ca_id" => (boxes, "smartcard_ca_id", cards),
        _ => (cards, "stb_ca_id", boxes),
    };
    if subjects.is_empty() || partners.is_empty() {
        return Verification::Inconclusive(format!(
            "{query} cannot tell what became of {}.",
            request.content.request_type
        ));
    }
    for subject in subjects {
        let trace = request.content.correlation.as_ref().and_then(|correlation| correlation.trace.clone());
        match ask(processor, (contract, operation), (parameter.name, subject), (until, trace), event).await {
            Ok(results) => match compare(&results, partner, partners) {
                Verification::Applied => {}
                other => return other,
            },
            Err(message) => return Verification::Inconclusive(message),
        }
    }
    Verification::Applied
}

/// Makes one query; the event gets its texts.
async fn ask(
    processor: &Processor,
    (contract, operation): (&Contract, &Operation),
    (parameter, subject): (&str, &str),
    (until, trace): (DateTime<Utc>, Option<TraceContext>),
    event: &mut Event,
) -> Result<Fields, String> {
    let mut fields = Fields::new().with_context(processor.clock.now());
    fields.push(parameter, subject);
    let body = encode::request(operation, &fields).map_err(|error| error.to_string())?;
    let body = String::from_utf8(body).map_err(|error| error.to_string())?;
    let outgoing =
        Outgoing { contract, operation, envelope: &body, request: None, trace: trace.as_ref(), until: Some(until) };
    let ExchangeResult { result, secrets, .. } = exchange(processor, outgoing).await;
    let mask = |text: String| secrets.iter().fold(text, |text, secret| secret.mask_in(&text));
    event.request = Some(Envelope::without_secret(body).redacted);
    match result {
        Err(
            CallFailure::NotSent { message, .. }
            | CallFailure::InDoubt { message, .. }
            | CallFailure::NoFixture { message },
        ) => {
            (event.http_status, event.response) = (None, None);
            Err(mask(message))
        }
        Ok(Answer { http_status, classified: answer, .. }) => {
            event.http_status = Some(http_status);
            event.response = Some(mask(answer.text));
            match answer.failure {
                None => Ok(answer.results),
                Some(Failure { code, description, provider_description, .. }) => {
                    Err(mask(provider_description.or(description).unwrap_or(code)))
                }
            }
        }
    }
}

/// Compares the pairing in an answer with the partners requested.
fn compare(results: &Fields, partner: &str, partners: &[String]) -> Verification {
    let listed: Vec<&str> = results.all(partner).collect();
    match results.first("pairing_status") {
        Some(NOT_PAIRED) => Verification::NotApplied,
        status if listed.is_empty() => Verification::Inconclusive(format!(
            "The pairing status is {}, without saying with what.",
            status.unwrap_or("missing")
        )),
        _ if partners.iter().all(|partner| listed.contains(&partner.as_str())) => Verification::Applied,
        _ => Verification::NotApplied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_means_paired_with_all_that_was_asked() {
        let found = |status: &str, listed: &[&str]| {
            let mut results = Fields::new();
            results.push("pairing_status", status);
            listed.iter().for_each(|stb| results.push("stb_ca_id", *stb));
            compare(&results, "stb_ca_id", &["a".to_owned(), "b".to_owned()])
        };
        assert_eq!(found("PAIRED", &["b", "x", "a"]), Verification::Applied);
        assert_eq!(found("PAIRED", &["a"]), Verification::NotApplied);
        assert_eq!(found("NOT_PAIRED", &[]), Verification::NotApplied);
        assert!(matches!(found("PAIRED", &[]), Verification::Inconclusive(_)));
    }
}
