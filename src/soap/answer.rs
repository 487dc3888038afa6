//! From an HTTP answer to an outcome: which text came back, and what it means.
//!
//! Rule: a definite outcome needs a whole, well-formed SOAP message, or an HTTP status that refuses. All else is doubt.

use super::charset::{self, Decoded};
use super::envelope::{self, Opened};
use super::{decode, result, texts};
use crate::axis::{self, AxisFault};
use crate::contract::{Contract, Operation, Verdict};
use crate::request::{Failure, Fields, failure};
use crate::upstream::HttpAnswer;
use crate::xml::{self, Limits};
use serde_json::value::{RawValue, to_raw_value};

/// What an answer says.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The body as text, for the record.
    pub text: String,
    /// What it means.
    pub meaning: Meaning,
    /// What a query's answer tells, by the names of the bindings.
    pub results: Fields,
}

/// What an answer means for the request.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// Conax did it.
    Done {
        /// Its transaction id.
        reference: Option<String>,
        /// What a query's answer tells, as JSON.
        result: Option<Box<RawValue>>,
    },
    /// Conax said no.
    Refused {
        /// Transaction id, where there is one.
        reference: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// Conax said that it did not do it, and may later.
    Later(Failure),
    /// Something before Conax said no, by its HTTP status.
    TurnedAway(Failure),
    /// Something before Conax is too busy, by its HTTP status.
    Busy {
        /// In words.
        failure: Failure,
        /// Retry-After as it came.
        retry_after: Option<String>,
    },
    /// Nothing that can be relied on.
    Doubt(String),
}

fn of_status(code: String, message: Option<String>) -> Failure {
    Failure {
        code: code.clone(),
        description: message.clone(),
        provider_code: Some(code),
        provider_description: message,
    }
}

fn of_fault(fault: AxisFault) -> Failure {
    Failure {
        code: failure::AXIS_FAULT.to_owned(),
        description: Some(fault.text),
        provider_code: Some(fault.code),
        provider_description: Some(fault.string),
    }
}

fn busy(failure: Failure) -> Failure {
    Failure { code: failure::UPSTREAM_BUSY.to_owned(), ..failure }
}

/// Reads an answer to a call of `operation`.
pub fn read(contract: &Contract, operation: &Operation, answer: &HttpAnswer) -> Reading {
    let (whole, message) = texts_of(answer);
    let Decoded { text, fault } = message.as_ref().unwrap_or(&whole);
    let mut results = Fields::new();
    let meaning = match (fault, xml::parse(text, Limits::default())) {
        (Some(fault), _) => http_meaning(answer, text, fault),
        (None, Ok(root)) => match envelope::open(&root) {
            Ok(opened) => soap_meaning(contract, operation, answer, (&root, opened), text, &mut results),
            Err(error) => http_meaning(answer, text, &error.to_string()),
        },
        (None, Err(error)) => http_meaning(answer, text, &error.to_string()),
    };
    Reading { text: whole.text.into_owned(), meaning, results }
}

/// The text of a body that is not, or not yet, read as SOAP.
pub fn text_of_partial(body: &[u8], content_type: Option<&str>) -> String {
    charset::decode(body, content_type).text.into_owned()
}

/// The text of the body, and that of the message in it, which differ where the answer has several parts.
fn texts_of(answer: &HttpAnswer) -> (Decoded<'_>, Option<Decoded<'_>>) {
    let content_type = answer.content_type.as_deref();
    (charset::decode(&answer.body, content_type), texts::root_of_parts(&answer.body, content_type))
}

fn soap_meaning(
    contract: &Contract,
    operation: &Operation,
    answer: &HttpAnswer,
    (root, opened): (&xml::Element, Opened<'_>),
    text: &str,
    results: &mut Fields,
) -> Meaning {
    if let Some(fault) = opened.fault.and_then(|_| axis::soap_fault(root)) {
        let local = fault.code.rsplit('}').next().unwrap_or_default();
        let verdict = contract.verdict_of_fault(local);
        // Axis reads a fault only behind the statuses that it takes for SOAP.
        let shown = match axis::is_http_error(answer.status, answer.content_type.as_deref()) {
            true => axis::http_error(answer.status, &answer.reason, text),
            false => fault,
        };
        let failure = of_fault(shown);
        return match verdict {
            Verdict::Retry => Meaning::Later(busy(failure)),
            Verdict::Completed => Meaning::Done { reference: None, result: None },
            Verdict::Rejected => Meaning::Refused { reference: None, failure },
        };
    }
    let Some(child) = opened.child else { return Meaning::Doubt("the SOAP body is empty".to_owned()) };
    let decoded = match decode::answer(operation, child) {
        Ok(decoded) => decoded,
        Err(error) => return Meaning::Doubt(error.to_string()),
    };
    for warning in &decoded.warnings {
        tracing::warn!(operation = operation.name, warning, "the answer differs from the contract");
    }
    match contract.verdict_of_status(&decoded.status) {
        Verdict::Completed => {
            *results = decoded.results;
            let is_query = operation.request_type.is_query();
            let result = is_query.then(|| result::payload(&operation.output, child));
            Meaning::Done { reference: decoded.reference, result: result.and_then(|json| to_raw_value(&json).ok()) }
        }
        Verdict::Rejected => {
            Meaning::Refused { reference: decoded.reference, failure: of_status(decoded.status, decoded.message) }
        }
        Verdict::Retry => Meaning::Later(busy(of_status(decoded.status, decoded.message))),
    }
}

/// An answer without a SOAP message: only its status counts. (contract: delivery; how far did the bytes get)
fn http_meaning(answer: &HttpAnswer, text: &str, why: &str) -> Meaning {
    let failure = || of_fault(axis::http_error(answer.status, &answer.reason, text));
    match answer.status {
        429 | 503 => Meaning::Busy { failure: busy(failure()), retry_after: answer.retry_after.clone() },
        300..=499 => Meaning::TurnedAway(failure()),
        status => Meaning::Doubt(format!("HTTP {status} without a SOAP message: {why}")),
    }
}
