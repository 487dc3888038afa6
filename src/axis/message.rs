//! The message on its way through Axis's parser (`DeserializationContext`, `SOAPHandler`): the declarations in force,
//! and Axis's first refusal. Reading goes on after a refusal, so that the fault itself is known too.

use super::prefixes::Preferred;
use super::values::{self, is_nil};
use super::{SOAP11_NS, SOAP12_NS};
use crate::xml::{Element, Name, Node, XSD_NS, trim_xml_space};

/// Axis's exception in place of the fault: code and string.
pub(super) type Refusal = (String, String);

/// A message that is being read as Axis reads it.
pub(super) struct Message<'e> {
    envelope_ns: &'static str,
    /// The open elements, outermost first.
    open: Vec<&'e Element>,
    /// The first XML Schema version that the message declares.
    schema: Option<&'static str>,
    refusal: Option<Refusal>,
    /// Bytes that recordings of entries may still take.
    pub(super) room: usize,
}

impl<'e> Message<'e> {
    pub(super) fn new(envelope_ns: &'static str, envelope: &'e Element) -> Self {
        let mut message = Self { envelope_ns, open: Vec::new(), schema: None, refusal: None, room: 64 << 20 };
        message.enter(envelope);
        message
    }

    pub(super) fn is_soap12(&self) -> bool {
        self.envelope_ns == SOAP12_NS
    }

    /// Is an element SOAP's `local` in the message's version?
    pub(super) fn is_soap(&self, element: &Element, local: &str) -> bool {
        element.name.is(self.envelope_ns, local)
    }

    /// The value of SOAP's attribute `local` in the message's version.
    pub(super) fn soap_attribute(&self, element: &'e Element, local: &str) -> Option<&'e str> {
        element.attribute(self.envelope_ns, local)
    }

    pub(super) fn preferred(&self) -> Preferred {
        Preferred { envelope: self.envelope_ns, schema: self.schema.unwrap_or(XSD_NS) }
    }

    pub(super) fn into_refusal(self) -> Option<Refusal> {
        self.refusal
    }

    /// Notes a fault of Axis with a code in the envelope's namespace, unless Axis stopped earlier.
    pub(super) fn refuse(&mut self, code: &str, string: String) {
        if self.refusal.is_none() {
            self.refusal = Some((format!("{{{}}}{code}", self.envelope_ns), string));
        }
    }

    /// Notes an exception in Java's wording, unless Axis stopped earlier.
    pub(super) fn refuse_by(&mut self, exception: &str) {
        self.refuse("Server.userException", exception.to_owned());
    }

    /// Visits the child elements; refuses a processing instruction among them.
    pub(super) fn children(&mut self, parent: &'e Element, mut visit: impl FnMut(&mut Self, &'e Element)) {
        for node in &parent.children {
            match node {
                Node::Element(child) => {
                    self.enter(child);
                    if self.is_soap12() && child.attribute("", "id").and(child.attribute("", "ref")).is_some() {
                        let both = "A ref attribute information item and an id attribute information item  MUST NOT \
                                    appear on the same element information item in SOAP 1.2";
                        self.refuse("Sender", both.to_owned());
                    }
                    visit(self, child);
                    self.open.pop();
                }
                Node::Instruction(..) => self.refuse_by(
                    "org.xml.sax.SAXException: Processing instructions are not allowed within SOAP messages",
                ),
                Node::Text(_) | Node::CData(_) | Node::Comment(_) => {}
            }
        }
    }

    /// Visits an element that Axis only records.
    pub(super) fn record(&mut self, element: &'e Element) {
        self.check_encoding(element);
        self.children(element, Self::record);
    }

    /// Refuses an encoding style for which Axis has no types; SOAP 1.2 only.
    pub(super) fn check_encoding(&mut self, element: &'e Element) {
        if let (true, Some(style)) = (self.is_soap12(), self.soap_attribute(element, "encodingStyle"))
            && !["", "http://www.w3.org/2003/05/soap-envelope/encoding/none"].contains(&style)
            && !values::ENCODINGS.contains(&style)
        {
            self.refuse("DataEncodingUnknown", "Encoding style is invalid".to_owned());
        }
    }

    /// Refuses any encoding style on SOAP's own elements; SOAP 1.2 only.
    pub(super) fn forbid_encoding(&mut self, element: &'e Element) {
        if self.is_soap12() && self.soap_attribute(element, "encodingStyle").is_some() {
            let name = &element.name.local;
            self.refuse("Sender", format!("encodigstyle attribute must not appear in element {name} in SOAP 1.2"));
        }
    }

    /// The text of an element with a simple value: `None` if the element refers to another, `Some(None)` if it is nil.
    pub(super) fn value(&mut self, element: &'e Element) -> Option<Option<String>> {
        self.check_encoding(element);
        self.children(element, |message, child| {
            message.refuse_by(values::CHILD);
            message.record(child);
        });
        match (is_nil(element), self.is_reference(element)) {
            (true, _) => Some(None),
            (false, true) => None,
            (false, false) => Some(Some(element.text())),
        }
    }

    /// Does an element refer to another element for its value?
    pub(super) fn is_reference(&self, element: &Element) -> bool {
        element.attribute("", if self.is_soap12() { "ref" } else { "href" }).is_some()
    }

    /// Resolves a code: split at the last colon; an undeclared prefix means no namespace.
    pub(super) fn code(&self, text: &str) -> Name {
        let text = trim_xml_space(text);
        text.rsplit_once(':').map_or_else(|| Name::new("", text), |(prefix, local)| self.resolve(prefix, local))
    }

    /// Resolves a type: split at the first colon; the default namespace counts.
    pub(super) fn type_name(&self, text: &str) -> Name {
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        self.resolve(prefix, local)
    }

    fn resolve(&self, prefix: &str, local: &str) -> Name {
        let mut declarations = self.open.iter().rev().flat_map(|element| &element.declarations);
        match declarations.find(|(declared, _)| &**declared == prefix) {
            Some((_, uri)) => Name::new(uri.clone(), local),
            None => Name::new("", local),
        }
    }

    fn enter(&mut self, element: &'e Element) {
        self.open.push(element);
        let mut schemas = element.declarations.iter().filter_map(|(_, uri)| Preferred::schema_of(uri));
        self.schema = self.schema.or_else(|| schemas.next());
    }
}

/// Axis's exception for a fault that was never completed, outside the call's context.
pub(super) fn no_fault() -> Refusal {
    let string = "java.lang.NullPointerException: Cannot throw exception because the return value of \
                  \"org.apache.axis.message.SOAPFault.getFault()\" is null";
    (format!("{{{SOAP11_NS}}}Server.userException"), string.to_owned())
}
