//! The envelope: the place where Axis finds the fault, and Axis's refusals around it (`EnvelopeBuilder`,
//! `HeaderBuilder`, `BodyBuilder`, `MustUnderstandChecker`).

use super::dump::Dump;
use super::fault::Fault;
use super::message::{Message, Refusal, no_fault};
use super::values::{ENCODINGS, has_text};
use super::{AxisFault, SOAP11_NS, SOAP12_NS};
use crate::xml::Element;

/// The text that Axis prints for the first fault in the body; `None` if there is none.
pub(super) fn read_fault(envelope: &Element) -> Option<AxisFault> {
    let envelope_ns = [SOAP11_NS, SOAP12_NS].into_iter().find(|ns| envelope.name.is(ns, "Envelope"))?;
    let mut message = Message::new(envelope_ns, envelope);
    message.forbid_encoding(envelope);
    let (mut has_header, mut has_body) = (false, false);
    let (mut misunderstood, mut faults) = (Vec::new(), Vec::new());
    message.children(envelope, |message, child| {
        if message.is_soap(child, "Header") {
            if std::mem::replace(&mut has_header, true) {
                message.refuse_by("org.xml.sax.SAXException: Only one Header element allowed!");
            }
            read_header(message, child, &mut misunderstood);
        } else if message.is_soap(child, "Body") {
            if std::mem::replace(&mut has_body, true) {
                message.refuse_by("org.xml.sax.SAXException: Only one Body element allowed!");
            }
            read_body(message, child, &mut faults);
        } else {
            if !has_body {
                message.refuse_by(
                    "org.xml.sax.SAXException: No custom elements allowed at top level until after the <body> tag",
                );
            } else if message.is_soap12() {
                message.refuse_by("org.xml.sax.SAXException: No element allowed after SOAP 1.2 body");
            }
            message.record(child);
        }
    });
    let fault = faults.into_iter().next()?;
    let refusal = message.into_refusal().or_else(|| misunderstanding(envelope_ns, &misunderstood));
    let refusal = refusal.or_else(|| fault.is_waiting.then(no_fault));
    let text = refusal.map_or_else(|| fault.dump(), |(code, string)| Dump::new(&code, &string).finish());
    Some(AxisFault { code: fault.code(), string: fault.string.unwrap_or_default(), text })
}

fn read_header<'e>(message: &mut Message<'e>, header: &'e Element, misunderstood: &mut Vec<String>) {
    message.forbid_encoding(header);
    message.children(header, |message, entry| {
        match message.soap_attribute(entry, "mustUnderstand").unwrap_or_default() {
            "" | "0" => {}
            "1" => misunderstood.push(entry.name.to_string()),
            value if message.is_soap12() && value.eq_ignore_ascii_case("true") => {
                misunderstood.push(entry.name.to_string());
            }
            value if message.is_soap12() && value.eq_ignore_ascii_case("false") => {}
            value => {
                let name = &entry.name;
                let bad = format!("'{value}' is not a valid value for the mustUnderstand attribute on element {name}");
                message.refuse("Server.generalException", bad);
            }
        }
        message.record(entry);
    });
    if has_text(&header.children) {
        message.refuse_by(
            "javax.xml.soap.SOAPException: java.lang.ClassCastException: class org.apache.axis.message.Text cannot be \
             cast to class org.w3c.dom.Element (org.apache.axis.message.Text is in unnamed module of loader 'app'; \
             org.w3c.dom.Element is in module java.xml of loader 'bootstrap')",
        );
    }
}

fn read_body<'e>(message: &mut Message<'e>, body: &'e Element, faults: &mut Vec<Fault>) {
    message.forbid_encoding(body);
    let mut has_result = false;
    message.children(body, |message, entry| {
        if message.is_soap(entry, "Fault") {
            faults.push(Fault::read_fault(message, entry));
        } else {
            let [encoding, _] = ENCODINGS;
            let is_root = entry.attribute(encoding, "root") != Some("0");
            if (!is_root || std::mem::replace(&mut has_result, true)) && message.is_soap12() {
                message.refuse_by("org.xml.sax.SAXException: Only one body allowed for SOAP 1.2 RPC");
            }
            message.record(entry);
        }
    });
}

/// Axis's client understands no header, so each mandatory header is refused.
fn misunderstanding(envelope_ns: &str, headers: &[String]) -> Option<Refusal> {
    let names = headers.join(", ");
    let string = format!("Did not understand \"MustUnderstand\" header(s):{names}");
    (!headers.is_empty()).then(|| (format!("{{{envelope_ns}}}MustUnderstand"), string))
}
