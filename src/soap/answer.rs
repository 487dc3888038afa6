//! From an HTTP answer to an outcome: which text came back, and what it means.
//!
//! Rule: a definite outcome needs a whole, well-formed SOAP message, or an HTTP status that refuses. All else is doubt.

use super::axis::{self, AxisFault};
use super::charset::{self, Decoded};
use super::envelope::{self, Opened};
use super::{decode, multipart};
use crate::contract::{Contract, Operation, Verdict};
use crate::request::{Failure, Fields, failure};
use crate::upstream::HttpAnswer;
use crate::xml::{self, Limits};

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The body as text, for the record.
    pub text: String,
    /// What it means.
    pub meaning: Meaning,
}

/// What an answer means for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Conax did it.
    Done {
        /// Its transaction id.
        reference: Option<String>,
        /// What a query's answer tells.
        results: Fields,
    },
    /// Conax, or something before it, said no.
    Refused {
        /// Transaction id, where there is one.
        reference: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// Not taken in now; later perhaps.
    Busy(Failure),
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

fn busy(failure: Failure) -> Meaning {
    Meaning::Busy(Failure { code: failure::UPSTREAM_BUSY.to_owned(), ..failure })
}

/// Reads an answer to a call of `operation`.
pub fn read(contract: &Contract, operation: &Operation, answer: &HttpAnswer) -> Reading {
    let (whole, message) = texts_of(answer);
    let Decoded { text, is_faithful } = message.as_ref().unwrap_or(&whole);
    let meaning = match xml::parse(text, Limits::default()) {
        Ok(root) if *is_faithful => match envelope::open(&root) {
            Ok(opened) => soap_meaning(contract, operation, answer, (&root, opened), text),
            Err(error) => http_meaning(answer, text, &error.to_string()),
        },
        Ok(_) => http_meaning(answer, text, "bytes that are not in the answer's charset"),
        Err(error) => http_meaning(answer, text, &error.to_string()),
    };
    Reading { text: whole.text, meaning }
}

/// The text of a body that is not, or not yet, read as SOAP.
pub fn text_of_partial(body: &[u8], content_type: Option<&str>) -> String {
    charset::decode(body, content_type).text
}

/// The text of the body, and that of the message in it, which differ where the answer has several parts.
fn texts_of(answer: &HttpAnswer) -> (Decoded, Option<Decoded>) {
    let content_type = answer.content_type.as_deref();
    let root = content_type
        .filter(|value| multipart::is_multipart(value))
        .and_then(|value| multipart::root_part(value, &answer.body));
    let message = root.map(|part| charset::decode(part.body, part.content_type.as_deref()));
    (charset::decode(&answer.body, content_type), message)
}

fn soap_meaning(
    contract: &Contract,
    operation: &Operation,
    answer: &HttpAnswer,
    (root, opened): (&xml::Element, Opened<'_>),
    text: &str,
) -> Meaning {
    let has_fault = opened.body.elements().any(|entry| &*entry.name.local == "Fault");
    if let Some(fault) = has_fault.then(|| axis::soap_fault(root)).flatten() {
        let local = fault.code.rsplit('}').next().unwrap_or_default();
        let verdict = contract.verdict_of_fault(local);
        // Axis reads a fault only behind the statuses that it takes for SOAP.
        let shown = match axis::is_http_error(answer.status, answer.content_type.as_deref()) {
            true => axis::http_error(answer.status, &answer.reason, text),
            false => fault,
        };
        let failure = of_fault(shown);
        return match verdict {
            Verdict::Retry => busy(failure),
            Verdict::Completed => Meaning::Done { reference: None, results: Fields::new() },
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
        Verdict::Completed => Meaning::Done { reference: decoded.reference, results: decoded.results },
        Verdict::Rejected => {
            Meaning::Refused { reference: decoded.reference, failure: of_status(decoded.status, decoded.message) }
        }
        Verdict::Retry => busy(of_status(decoded.status, decoded.message)),
    }
}

/// An answer without a SOAP message: only its status counts. (contract: delivery; how far did the bytes get)
fn http_meaning(answer: &HttpAnswer, text: &str, why: &str) -> Meaning {
    let failure = || of_fault(axis::http_error(answer.status, &answer.reason, text));
    match answer.status {
        429 | 503 => busy(failure()),
        300..=499 => Meaning::Refused { reference: None, failure: failure() },
        status => Meaning::Doubt(format!("HTTP {status} without a SOAP message: {why}")),
    }
}
