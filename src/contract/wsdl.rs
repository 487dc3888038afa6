//! Finds an operation in a WSDL: the port that offers it, how its SOAP binding writes it, and its two messages.

use std::sync::Arc;

use super::compile::Compiler;
use super::document::WSDL_NS;
use super::finding::{Findings, Location, Reported, all};
use super::node::Node;
use super::operation::SoapVersion;
use super::plan::{Compositor, Content, ElementPlan, Filling, Group, Message, Occurs, Particle};
use super::symbols::SymbolSpace;
use crate::xml::{Element, Name};

/// The SOAP 1.1 binding (WSDL 1.1, section 3).
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
/// The SOAP 1.2 binding (a W3C member submission of 2006).
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// SOAP over HTTP, as either binding may say it.
const HTTP: [&str; 2] = ["http://schemas.xmlsoap.org/soap/http", "http://www.w3.org/2003/05/soap/bindings/HTTP/"];

/// What a WSDL says of an operation.
pub(super) struct WsdlOperation {
    /// `soap:address`, as written.
    pub(super) address: String,
    /// Where it is written.
    pub(super) address_location: Location,
    /// Version of SOAP.
    pub(super) soap: SoapVersion,
    /// Value of the SOAPAction header.
    pub(super) action: String,
    /// The request, nothing bound yet.
    pub(super) input: Message,
    /// The answer, nothing bound yet.
    pub(super) output: Message,
}

/// A binding's operation in its port.
struct Offer<'a> {
    address: Node<'a>,
    binding: Node<'a>,
    operation: Node<'a>,
}

impl Offer<'_> {
    /// The namespace of the SOAP extension elements.
    fn soap(&self) -> &str {
        &self.address.element.name.namespace
    }
}

impl<'a> Compiler<'a, '_> {
    /// An operation by name; the first port that offers it counts. `from` is where the bindings name it.
    pub(super) fn operation(&mut self, name: &str, file: &str, from: &Location) -> Result<WsdlOperation, Reported> {
        let offer = self.offer(name, file, from)?;
        let operation = offer.operation.child(offer.soap(), "operation");
        let style_of = |node: Option<&Node<'a>>| node.and_then(|node| node.attribute("style"));
        let soap_binding = offer.binding.child(offer.soap(), "binding");
        if let Some(transport) = soap_binding.as_ref().and_then(|node| node.attribute("transport"))
            && !HTTP.contains(&transport)
        {
            return Err(offer.binding.report(self.findings, format!("transport '{transport}' is not supported")));
        }
        let is_rpc = match style_of(operation.as_ref()).or(style_of(soap_binding.as_ref())) {
            None | Some("document") => false,
            Some("rpc") => true,
            Some(style) => {
                return Err(offer.operation.report(self.findings, format!("style '{style}' is not supported")));
            }
        };
        let port_type = required_name(&offer.binding, "type", self.findings)?;
        let port_type =
            self.symbols.find_declaration(SymbolSpace::PortType, &port_type, &offer.binding, self.findings)?;
        let Some(abstract_operation) = port_type.children().find(|child| is_operation(child, name)) else {
            return Err(port_type.report(self.findings, format!("has no operation '{name}'")));
        };
        let input = self.wsdl_message(&offer, &abstract_operation, "input", is_rpc.then_some(name));
        let answer = format!("{name}Response");
        let output = self.wsdl_message(&offer, &abstract_operation, "output", is_rpc.then_some(&answer));
        Ok(WsdlOperation {
            address: offer.address.required("location", self.findings)?.to_owned(),
            address_location: offer.address.location(),
            soap: if offer.soap() == SOAP_11 { SoapVersion::V11 } else { SoapVersion::V12 },
            action: operation.and_then(|node| node.attribute("soapAction")).unwrap_or_default().to_owned(),
            input: input?,
            output: output?,
        })
    }

    fn offer(&self, name: &str, file: &str, from: &Location) -> Result<Offer<'a>, Reported> {
        let (mut offered, faults) = (Vec::new(), Findings::default());
        for port in self.symbols.services.iter().flat_map(Node::children) {
            let Some(address) = port.children().find(|child| is_address(child.element)) else { continue };
            let Ok(binding) = self.binding(&port, &faults) else { continue };
            let mut found = binding.children().filter(|child| is_operation(child, name));
            if let Some(operation) = found.next() {
                if let Some(second) = found.next() {
                    return Err(second.report(self.findings, format!("operation '{name}' is declared twice")));
                }
                return Ok(Offer { address, binding, operation });
            }
            let operations = binding.children().filter(|child| child.element.name.is(WSDL_NS, "operation"));
            offered.extend(operations.filter_map(|operation| operation.attribute("name")));
        }
        self.findings.absorb(faults);
        let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
        let message = format!("no SOAP port of {file} offers operation '{name}'; offered: {offered}");
        Err(self.findings.report(from, message))
    }

    fn binding(&self, port: &Node<'a>, findings: &Findings) -> Result<Node<'a>, Reported> {
        self.symbols.find_declaration(SymbolSpace::Binding, &required_name(port, "binding", findings)?, port, findings)
    }

    /// One direction of an operation. An rpc message has a `wrapper`, a document message is its part's element.
    fn wsdl_message(
        &mut self,
        offer: &Offer<'a>,
        abstract_operation: &Node<'a>,
        direction: &str,
        wrapper: Option<&str>,
    ) -> Result<Message, Reported> {
        let one_way = |node: &Node<'a>| node.report(self.findings, format!("the operation has no {direction}"));
        let written = offer.operation.child(WSDL_NS, direction).ok_or_else(|| one_way(&offer.operation))?;
        let message = abstract_operation.child(WSDL_NS, direction).ok_or_else(|| one_way(abstract_operation))?;
        if let Some(header) = written.child(offer.soap(), "header") {
            return Err(header.report(self.findings, "soap:header is not supported"));
        }
        let Some(body) = written.child(offer.soap(), "body") else {
            return Err(written.report(self.findings, format!("the {direction} has no soap:body")));
        };
        if let Some(encoding) = body.attribute("use").filter(|encoding| *encoding != "literal") {
            return Err(body.report(self.findings, format!("use '{encoding}' is not supported")));
        }
        let name = required_name(&message, "message", self.findings)?;
        let message = self.symbols.find_declaration(SymbolSpace::Message, &name, &message, self.findings)?;
        self.start_message();
        let named = body.attribute("parts").map(|parts| parts.split_whitespace().collect::<Vec<_>>());
        let is_written = |part: &Node<'_>| match &named {
            Some(named) => part.attribute("name").is_some_and(|name| named.contains(&name)),
            None => true,
        };
        let parts = message.children().filter(|child| child.element.name.is(WSDL_NS, "part")).filter(is_written);
        let parts: Vec<Node<'a>> = parts.collect();
        let root = match wrapper {
            Some(local) => {
                let namespace: Arc<str> = Arc::from(body.raw_attribute("namespace").unwrap_or_default());
                self.wrapper(Name::new(namespace, local), &parts, &message)?
            }
            None => match parts.as_slice() {
                [part] => self.document(part)?,
                _ => {
                    let count = format!("a document has exactly one part in its body, not {}", parts.len());
                    return Err(message.report(self.findings, count));
                }
            },
        };
        Ok(Message { root, declarations: Vec::new() })
    }

    fn document(&mut self, part: &Node<'a>) -> Result<ElementPlan, Reported> {
        match part.name("element", self.findings) {
            Some(element) => self.global_element(&element?, Occurs::ONCE, part),
            None => Err(part.report(self.findings, "the part of a document must name an element")),
        }
    }

    /// The element that stands for an rpc call, one unqualified element a part inside (WSDL 1.1, section 3.5).
    fn wrapper(&mut self, name: Name, parts: &[Node<'a>], message: &Node<'a>) -> Result<ElementPlan, Reported> {
        let members = all(parts.iter().map(|part| {
            if part.attribute("type").is_none() {
                return Err(part.report(self.findings, "the part of an rpc message must name a type"));
            }
            let local = part.required("name", self.findings)?;
            self.element(part, Name::new("", local), Occurs::ONCE).map(Particle::Element)
        }))?;
        let (compositor, occurs, filling, location) =
            (Compositor::Sequence, Occurs::ONCE, Filling::default(), message.location());
        let group = Group { compositor, occurs, members, filling: filling.clone(), location: location.clone() };
        let (attributes, content, nillable, default) = (Vec::new(), Content::Complex(group), false, None);
        Ok(ElementPlan { name, tag: String::new(), occurs, nillable, attributes, content, default, filling, location })
    }
}

/// Is this `soap:address`, of either version?
pub(super) fn is_address(element: &Element) -> bool {
    element.name.is(SOAP_11, "address") || element.name.is(SOAP_12, "address")
}

fn is_operation(node: &Node<'_>, name: &str) -> bool {
    node.element.name.is(WSDL_NS, "operation") && node.attribute("name") == Some(name)
}

fn required_name(node: &Node<'_>, attribute: &str, findings: &Findings) -> Result<Name, Reported> {
    let missing = || node.report(findings, format!("'{}' has no '{attribute}'", node.local()));
    node.name(attribute, findings).ok_or_else(missing)?
}
