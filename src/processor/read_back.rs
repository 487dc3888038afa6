//! Finding out, by the query that the bindings name, whether a pairing whose outcome is not known was done.

use chrono::{DateTime, Utc};

use super::Processor;
use super::execute::call_until;
use crate::contract::Operation;
use crate::request::{Event, EventKind, Fields, ProvisioningRequest, RequestType};
use crate::soap::answer::{self, Meaning};
use crate::soap::encode;
use crate::upstream::{Call, CallFailure};

/// What PairingStatus says of a card or box that has no pairing (contract: the SOAP face).
const NOT_PAIRED: &str = "NOT_PAIRED";

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was done.
    Done,
    /// It was not done: it may be sent again.
    NotDone,
    /// The query did not tell: why.
    Unclear(String),
}

/// Asks for each card (or box, as the query wants it) of the request until one is found not to be paired as asked. The
/// history keeps the last question and its answer, which decided.
pub(super) async fn read_back(
    processor: &Processor,
    request: &ProvisioningRequest,
    query: RequestType,
    until: DateTime<Utc>,
) -> (Found, Event) {
    let began = tokio::time::Instant::now();
    let mut event = Event::new(processor.clock.now(), EventKind::ReadBack, None, None);
    let found = ask_all(processor, request, query, until, &mut event).await;
    event.duration_ms = Some(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX));
    event.text = Some(match &found {
        Found::Done => "It was done.".to_owned(),
        Found::NotDone => "It was not done, and is sent again.".to_owned(),
        Found::Unclear(what) => format!("Not found out: {what}"),
    });
    (found, event)
}

async fn ask_all(
    processor: &Processor,
    request: &ProvisioningRequest,
    query: RequestType,
    until: DateTime<Utc>,
    event: &mut Event,
) -> Found {
    let (cards, boxes) = (&request.asked.cards, &request.asked.boxes);
    let (Some(operation), [parameter]) = (processor.contract.operation(query), query.parameters()) else {
        return Found::Unclear(format!("{query} is no query for a card or a box."));
    };
    let (subjects, partner, partners) = match parameter.name {
        "stb_ca_id" => (boxes, "smartcard_ca_id", cards),
        _ => (cards, "stb_ca_id", boxes),
    };
    if subjects.is_empty() || partners.is_empty() {
        return Found::Unclear(format!("{query} cannot tell what became of {}.", request.asked.kind));
    }
    for subject in subjects {
        match ask(processor, operation, (parameter.name, subject), until, event).await {
            Ok(results) => match compare(&results, partner, partners) {
                Found::Done => {}
                other => return other,
            },
            Err(what) => return Found::Unclear(what),
        }
    }
    Found::Done
}

/// One query; its texts go into the event.
async fn ask(
    processor: &Processor,
    operation: &Operation,
    (parameter, subject): (&str, &str),
    until: DateTime<Utc>,
    event: &mut Event,
) -> Result<Fields, String> {
    let mut fields = Fields::new();
    fields.push(parameter, subject);
    let body = encode::request(operation, &fields).map_err(|error| error.to_string())?;
    let body = String::from_utf8(body).map_err(|error| error.to_string())?;
    let result = call_until(processor, Call::of(operation, &body, None), Some(until)).await;
    event.request = Some(body);
    match result {
        Err(CallFailure::NotSent { what, .. } | CallFailure::Doubt { what, .. } | CallFailure::NoFixture { what }) => {
            (event.http_status, event.response) = (None, None);
            Err(what)
        }
        Ok(http) => {
            let reading = answer::read(&processor.contract, operation, &http);
            (event.http_status, event.response) = (Some(http.status), Some(reading.text));
            match reading.meaning {
                Meaning::Done { .. } => Ok(reading.results),
                Meaning::Doubt(what) => Err(what),
                Meaning::Refused { failure, .. }
                | Meaning::Later(failure)
                | Meaning::TurnedAway(failure)
                | Meaning::Busy { failure, .. } => Err(failure.provider_description.unwrap_or(failure.code)),
            }
        }
    }
}

/// Is the subject of an answer paired with all of these?
fn compare(results: &Fields, partner: &str, partners: &[String]) -> Found {
    let listed: Vec<&str> = results.all(partner).collect();
    match results.first("pairing_status") {
        Some(NOT_PAIRED) => Found::NotDone,
        status if listed.is_empty() => {
            Found::Unclear(format!("The pairing status is {}, without saying with what.", status.unwrap_or("missing")))
        }
        _ if partners.iter().all(|partner| listed.contains(&partner.as_str())) => Found::Done,
        _ => Found::NotDone,
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
        assert_eq!(found("PAIRED", &["b", "x", "a"]), Found::Done);
        assert_eq!(found("PAIRED", &["a"]), Found::NotDone);
        assert_eq!(found("NOT_PAIRED", &[]), Found::NotDone);
        assert!(matches!(found("PAIRED", &[]), Found::Unclear(_)));
    }
}
