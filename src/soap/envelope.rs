//! Opens a received SOAP envelope, 1.1 or 1.2: finds the child of the body, which may be a fault.
//!
//! `decode` and the contract read the child; `encode` writes envelopes.
//!
//! Rule: an envelope holds at most one header, then one body, and the body at most one message (SOAP 1.1, 4.1; 1.2 part 1,
//! 5.1; WS-I Basic Profile 1.1, R1011 and R9981): two messages have no order of precedence.

use std::iter::Peekable;

use crate::contract::SoapVersion;
use crate::xml::{Element, Node, is_xml_space};

/// An envelope, opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// Version of SOAP, by the envelope's namespace.
    pub version: SoapVersion,
    /// The header, if there is one.
    pub header: Option<&'a Element>,
    /// The element in the body: the message, or a fault. A body may be empty.
    pub child: Option<&'a Element>,
    /// The child, if it is a fault.
    pub fault: Option<&'a Element>,
}

/// The document is no SOAP message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The root is no envelope.
    #[error("the root element is '{0}', not a SOAP envelope")]
    NotAnEnvelope(String),
    /// The envelope has no body.
    #[error("the SOAP envelope has no body")]
    NoBody,
    /// An element stands where none is allowed.
    #[error("'{found}' has no place there in the SOAP {parent}")]
    Misplaced {
        /// The element, or some text.
        found: String,
        /// `envelope` or `body`.
        parent: &'static str,
    },
}

/// Opens an envelope.
///
/// # Errors
/// The root is no envelope of a version of SOAP, has no body, or holds more than it may.
pub fn open(root: &Element) -> Result<Opened<'_>, EnvelopeError> {
    let is_envelope = |version: &SoapVersion| root.name.is(version.namespace(), "Envelope");
    let version = SoapVersion::ALL.into_iter().find(is_envelope);
    let version = version.ok_or_else(|| EnvelopeError::NotAnEnvelope(root.name.to_string()))?;
    let namespace = version.namespace();
    let mut entries = elements_only(root, "envelope")?;
    let header = entries.next_if(|entry| entry.name.is(namespace, "Header"));
    let body = entries.next().ok_or(EnvelopeError::NoBody)?;
    if !body.name.is(namespace, "Body") {
        return Err(misplaced(body, "envelope"));
    }
    let mut messages = elements_only(body, "body")?;
    let child = messages.next();
    if let Some(second) = messages.next() {
        return Err(misplaced(second, "body"));
    }
    if let Some(after) = entries.next() {
        return Err(misplaced(after, "envelope"));
    }
    let fault = child.filter(|child| child.name.is(namespace, "Fault"));
    Ok(Opened { version, header, child, fault })
}

/// The elements in one that holds nothing else.
fn elements_only<'a>(
    element: &'a Element,
    parent: &'static str,
) -> Result<Peekable<impl Iterator<Item = &'a Element>>, EnvelopeError> {
    let text = element.children.iter().find_map(|node| match node {
        Node::Text(text) | Node::CData(text) => Some(text.trim_matches(is_xml_space)).filter(|text| !text.is_empty()),
        Node::Element(_) | Node::Comment(_) | Node::Instruction(..) => None,
    });
    match text {
        Some(text) => Err(EnvelopeError::Misplaced { found: text.chars().take(40).collect(), parent }),
        None => Ok(element.elements().peekable()),
    }
}

fn misplaced(element: &Element, parent: &'static str) -> EnvelopeError {
    EnvelopeError::Misplaced { found: element.name.to_string(), parent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Limits, parse};

    #[test]
    fn opens_both_versions() {
        for version in [SoapVersion::V11, SoapVersion::V12] {
            let namespace = version.namespace();
            let text = format!(
                "<s:Envelope xmlns:s='{namespace}'><s:Header><h/></s:Header>\
                 <s:Body> <m xmlns='urn:m'/></s:Body></s:Envelope>"
            );
            let root = parse(&text, Limits::default()).unwrap();
            let opened = open(&root).unwrap();
            assert_eq!(opened.version, version);
            assert!(opened.header.is_some() && opened.fault.is_none());
            assert!(opened.child.unwrap().name.is("urn:m", "m"));
            let text = format!("<s:Envelope xmlns:s='{namespace}'><s:Body><s:Fault/></s:Body></s:Envelope>");
            assert!(open(&parse(&text, Limits::default()).unwrap()).unwrap().fault.is_some());
        }
    }

    #[test]
    fn refuses_what_is_no_envelope() {
        let read = |text: &str| parse(text, Limits::default()).unwrap();
        let error = |text: &str| open(&read(text)).unwrap_err().to_string();
        assert_eq!(error("<html/>"), "the root element is 'html', not a SOAP envelope");
        assert_eq!(error("<Envelope xmlns='urn:x'/>"), "the root element is '{urn:x}Envelope', not a SOAP envelope");
        let soap = |inside: &str| {
            error(&format!("<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'>{inside}</Envelope>"))
        };
        assert_eq!(soap("<Header/>"), "the SOAP envelope has no body");
        for (inside, parent) in [
            ("<Body xmlns=''/>", "envelope"),
            ("<Body/><Body/>", "envelope"),
            ("<Body/><Header/>", "envelope"),
            ("<Header/><Header/><Body/>", "envelope"),
            ("<Body/><x/>", "envelope"),
            ("<x/><Body/>", "envelope"),
            ("<Body/>x", "envelope"),
            ("<Body><x/><x/></Body>", "body"),
            ("<Body><x/><Fault/></Body>", "body"),
            ("<Body><x/><![CDATA[x]]></Body>", "body"),
        ] {
            assert!(soap(inside).ends_with(&format!("has no place there in the SOAP {parent}")), "{inside}");
        }
    }
}
