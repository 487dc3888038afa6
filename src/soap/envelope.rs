//! The SOAP envelope, 1.1 and 1.2, as it comes in: which child of the body counts, and whether it is a fault.
//!
//! What the child means is the business of `decode` and of the contract; writing envelopes is that of `encode`.

use crate::contract::SoapVersion;
use crate::xml::Element;

/// An envelope, opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// Version of SOAP, by the envelope's namespace.
    pub version: SoapVersion,
    /// The header, if there is one.
    pub header: Option<&'a Element>,
    /// The body.
    pub body: &'a Element,
    /// The first element in the body: the message, or a fault. A body may be empty.
    pub child: Option<&'a Element>,
    /// The same, if it is a fault.
    pub fault: Option<&'a Element>,
}

/// The document is no SOAP message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Its root is something else.
    #[error("the root element is '{0}', not a SOAP envelope")]
    NotAnEnvelope(String),
    /// The envelope has no body.
    #[error("the SOAP envelope has no body")]
    NoBody,
}

/// Opens an envelope.
///
/// # Errors
/// The root is no envelope of a version of SOAP, or has no body.
pub fn open(root: &Element) -> Result<Opened<'_>, EnvelopeError> {
    let is_envelope = |version: &SoapVersion| root.name.is(version.namespace(), "Envelope");
    let version = [SoapVersion::V11, SoapVersion::V12].into_iter().find(is_envelope);
    let version = version.ok_or_else(|| EnvelopeError::NotAnEnvelope(root.name.to_string()))?;
    let namespace = version.namespace();
    let body = root.child(namespace, "Body").ok_or(EnvelopeError::NoBody)?;
    let child = body.elements().next();
    let fault = child.filter(|child| child.name.is(namespace, "Fault"));
    Ok(Opened { version, header: root.child(namespace, "Header"), body, child, fault })
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
        let envelope = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body xmlns=''/></Envelope>";
        assert_eq!(error(envelope), "the SOAP envelope has no body");
    }
}
