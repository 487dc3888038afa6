//! Reads and classifies an HTTP answer: its text for the record, and whether the request was done.
//!
//! Rule: a definite outcome needs a complete, well-formed SOAP message, or an HTTP status of a refusal. Any other answer
//! leaves the request in doubt.

use std::borrow::Cow;

use crate::axis::{self, AxisFault};
use crate::contract::{FaultParts, Operation};
use crate::request::{Classification, Failure, Fields, failure};
use crate::soap::charset::{self, Decoded};
use crate::soap::envelope::{self, Opened};
use crate::soap::{decode, encoded, result, texts};
use crate::upstream::{HttpAnswer, KEPT_BYTES, cut_note};
use crate::xml::{self, Limits};
use serde_json::value::{RawValue, to_raw_value};

/// An answer, read and classified once.
#[derive(Clone, Debug)]
pub struct ClassifiedAnswer {
    /// The body as text, for the record; only the beginning of a body that is no SOAP message.
    pub text: String,
    /// The class of the answer.
    pub classification: Classification,
    /// Conax's transaction id, if the answer has one.
    pub reference: Option<String>,
    /// Why the request was not done, or why its outcome is unknown; `None` if the request is completed.
    pub failure: Option<Failure>,
    /// The content of a query's answer, as JSON.
    pub result: Option<Box<RawValue>>,
    /// The same content as fields, by the names of the bindings.
    pub results: Fields,
}

impl ClassifiedAnswer {
    fn new(classification: Classification, failure: Option<Failure>) -> Self {
        let (text, results) = (String::new(), Fields::new());
        Self { text, classification, reference: None, failure, result: None, results }
    }

    fn unknown(message: String) -> Self {
        let code = failure::OUTCOME_UNKNOWN.to_owned();
        Self::new(Classification::Unknown, Some(Failure { code, description: Some(message), ..Failure::default() }))
    }

    /// An answer whose status or fault code the bindings classify.
    fn of_code(classification: Classification, failure: Failure) -> Self {
        match classification {
            Classification::Completed => Self::new(classification, None),
            Classification::RetryLater => Self::new(classification, Some(busy(failure))),
            _ => Self::new(classification, Some(failure)),
        }
    }
}

fn of_status(code: Option<String>, message: Option<String>) -> Failure {
    Failure {
        code: code.clone().unwrap_or_else(|| failure::NO_STATUS.to_owned()),
        description: message.clone(),
        provider_code: code,
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
pub fn classify_answer(operation: &Operation, answer: HttpAnswer) -> ClassifiedAnswer {
    let (whole, message) = texts_of(&answer);
    let Decoded { text, fault } = message.as_ref().unwrap_or(&whole);
    if operation.output.is_none() && matches!(answer.status, 200..=299) && text.trim().is_empty() {
        // A one-way operation has no answer (SOAP 1.1 over HTTP: 6.2; WS-I Basic Profile 1.1: R2714).
        return classify_absent(operation);
    }
    let root = fault.clone().map_or_else(|| xml::parse(text, Limits::default()).map_err(|e| e.to_string()), Err);
    let classified = root.and_then(|root| {
        let is_encoded = operation.output.as_ref().is_some_and(|output| output.is_encoded);
        let plain = is_encoded.then(|| encoded::without_references(&root)).flatten();
        let opened = envelope::open(plain.as_ref().unwrap_or(&root)).map_err(|error| error.to_string())?;
        Ok(classify_soap(operation, &answer, (&root, opened), text))
    });
    let is_kept = classified.as_ref().is_ok_and(|classified| classified.classification != Classification::Unknown);
    let mut classified = classified.unwrap_or_else(|why| classify_http(&answer, text, &why));
    if classified.classification == Classification::Unknown
        && let Some(failure) = &mut classified.failure
        && let Some(description) = &mut failure.description
    {
        description.push_str(&cut_note(whole.text.len(), answer.body.len()));
    }
    let text = match whole.text {
        text if !is_kept => beginning(&text).to_owned(),
        // A body may be large: take its bytes instead of a copy.
        Cow::Borrowed(text) if text.len() == answer.body.len() => {
            String::from_utf8(answer.body).expect("bytes that are a text")
        }
        text => text.into_owned(),
    };
    ClassifiedAnswer { text, ..classified }
}

/// The part of an answer without a SOAP message that is kept.
fn beginning(text: &str) -> &str {
    let length = (0..=text.len().min(KEPT_BYTES)).rev().find(|length| text.is_char_boundary(*length));
    text.get(..length.unwrap_or(0)).unwrap_or_default()
}

/// The text of the body, and the text of the SOAP message in a body of several MIME parts.
fn texts_of(answer: &HttpAnswer) -> (Decoded<'_>, Option<Decoded<'_>>) {
    let content_type = answer.content_type.as_deref();
    (charset::decode(&answer.body, content_type), texts::root_of_parts(&answer.body, content_type))
}

fn classify_soap(
    operation: &Operation,
    answer: &HttpAnswer,
    (root, opened): (&xml::Element, Opened<'_>),
    text: &str,
) -> ClassifiedAnswer {
    if let Some((element, fault)) = opened.fault.and_then(|element| Some((element, axis::soap_fault(root)?))) {
        let parts = FaultParts { code: &fault.code, string: &fault.string, element };
        let classification = operation.verdicts.classify_fault(&parts);
        // Axis reads a fault only under an HTTP status that can carry SOAP.
        let shown = match axis::is_http_error(answer.status, answer.content_type.as_deref()) {
            true => http_error(answer, text),
            false => fault,
        };
        return ClassifiedAnswer::of_code(classification, of_fault(shown));
    }
    let Some(child) = opened.child else {
        return match operation.is_answer_void() {
            true => classify_absent(operation),
            false => ClassifiedAnswer::unknown("the SOAP body is empty".to_owned()),
        };
    };
    let mut named = None;
    if let Some(output) = operation.output.as_ref().filter(|output| output.is_encoded) {
        let named = named.insert(child.clone());
        encoded::name_result(&output.root, named);
        encoded::name_items(&output.root, named);
    }
    let child = named.as_ref().unwrap_or(child);
    let decoded = match decode::answer(operation, opened.header, child) {
        Ok(decoded) => decoded,
        Err(error) => return ClassifiedAnswer::unknown(error.to_string()),
    };
    for warning in &decoded.warnings {
        tracing::warn!(operation = operation.name, warning, "the answer differs from the contract");
    }
    let Some(classification) = operation.verdicts.classify_status(decoded.status.as_deref()) else {
        return ClassifiedAnswer::unknown("the answer has no status".to_owned());
    };
    let mut classified = ClassifiedAnswer::of_code(classification, of_status(decoded.status, decoded.message));
    if classification == Classification::Completed {
        let is_query = operation.request_type.is_query();
        let output = operation.output.as_ref().filter(|_| is_query);
        let result = output.map(|output| result::payload(output, child));
        classified.result = result.and_then(|json| to_raw_value(&json).ok());
        classified.results = decoded.results;
    }
    if classification != Classification::RetryLater {
        classified.reference = decoded.reference;
    }
    classified
}

/// Classifies the empty answer of an operation without an answer message.
fn classify_absent(operation: &Operation) -> ClassifiedAnswer {
    match operation.verdicts.classify_status(None) {
        Some(classification) => ClassifiedAnswer::of_code(classification, of_status(None, None)),
        None => ClassifiedAnswer::unknown("the answer has no status".to_owned()),
    }
}

/// Classifies an answer without a SOAP message by its HTTP status alone (docs/delivery.md).
fn classify_http(answer: &HttpAnswer, text: &str, why: &str) -> ClassifiedAnswer {
    let failure = || of_fault(http_error(answer, text));
    match answer.status {
        429 | 503 => ClassifiedAnswer::new(Classification::Overloaded, Some(busy(failure()))),
        300..=499 => ClassifiedAnswer::new(Classification::HttpRejected, Some(failure())),
        status => ClassifiedAnswer::unknown(format!("HTTP {status} without a SOAP message: {why}")),
    }
}

/// The text of an HTTP error; its last line says so if only the beginning of the body is kept.
fn http_error(answer: &HttpAnswer, text: &str) -> AxisFault {
    let note = cut_note(text.len(), answer.body.len());
    axis::http_error(answer.status, &answer.reason, &format!("{}{note}", beginning(text)))
}
