//! Reads an operation of a WSDL: its SOAP binding and its two messages. `port` finds the port that offers the operation.

use std::rc::Rc;

use super::compile::Compiler;
use super::demand::Demand;
use super::document::WSDL_NS;
use super::finding::{Findings, Location, Reported, all};
use super::node::Node;
use super::operation::SoapVersion;
use super::plan::{Compositor, Content, ElementPlan, Filling, Group, Message, Occurs, Particle};
use super::port::{Offer, Wanted, is_operation, required_name};
use super::symbols::SymbolSpace;
use crate::words::Word as _;
use crate::xml::{Name, SOAP_ENC_NS};

/// The MIME binding (WSDL 1.1, section 5).
const MIME: &str = "http://schemas.xmlsoap.org/wsdl/mime/";

/// An operation as a WSDL declares it.
pub(super) struct WsdlOperation {
    /// The address: `soap:address`, or the bindings' address.
    pub(super) address: String,
    /// The place of the address in its file.
    pub(super) address_location: Location,
    /// The port that offers the operation.
    pub(super) port: String,
    /// Other ports that offer the operation.
    pub(super) other_ports: Vec<String>,
    /// Version of SOAP.
    pub(super) soap: SoapVersion,
    /// Value of the SOAPAction header.
    pub(super) action: String,
    /// The elements that the SOAP binding puts into the header of the request.
    pub(super) declared_headers: Vec<Name>,
    /// The request, nothing bound yet.
    pub(super) input: Message,
    /// The answer, nothing bound yet; `None` if nothing comes back.
    pub(super) output: Option<Message>,
}

/// The demands on the two messages of an operation.
pub(super) struct Demands {
    pub(super) input: Rc<Demand>,
    pub(super) output: Rc<Demand>,
}

/// A direction of an operation.
#[derive(Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
enum Direction {
    Input,
    Output,
}

impl<'a> Compiler<'a, '_> {
    /// An operation by name.
    pub(super) fn operation(&mut self, wanted: &Wanted<'_>, demands: &Demands) -> Result<WsdlOperation, Reported> {
        let (offer, other_ports) = self.offer(wanted)?;
        let operation = offer.operation.child(offer.soap, "operation");
        let style_of = |node: Option<&Node<'a>>| node.and_then(|node| node.attribute("style"));
        let soap_binding = offer.binding.child(offer.soap, "binding");
        let is_rpc = match style_of(operation.as_ref()).or(style_of(soap_binding.as_ref())) {
            None | Some("document") => false,
            Some("rpc") => true,
            Some(style) => {
                return Err(offer.operation.report(&self.findings, format!("style '{style}' is not supported")));
            }
        };
        let port_type = required_name(&offer.binding, "type", &self.findings)?;
        let port_type =
            self.symbols.find_declaration(SymbolSpace::PortType, &port_type, &offer.binding, &self.findings)?;
        let name = wanted.name;
        let Some(abstract_operation) = port_type.children().find(|child| is_operation(child, name)) else {
            return Err(port_type.report(&self.findings, format!("has no operation '{name}'")));
        };
        let wrapper = is_rpc.then(|| name.to_owned());
        self.start_message(&demands.input);
        let input = self.wsdl_message(&offer, &abstract_operation, Direction::Input, wrapper);
        let wrapper = is_rpc.then(|| format!("{name}Response"));
        self.start_message(&demands.output);
        let output = self.wsdl_message(&offer, &abstract_operation, Direction::Output, wrapper);
        let (input, output) = (input?, output?);
        let input = match (input, abstract_operation.child(WSDL_NS, Direction::Input.as_str())) {
            (Some(input), _) => input,
            (None, Some(input)) => Message::without_element(input.location()),
            (None, None) => return Err(abstract_operation.report(&self.findings, "the operation has no input")),
        };
        let declared_headers = self.declared_headers(&offer);
        let (address, address_location) = match (wanted.address, &offer.address) {
            (Some(address), _) => (address.to_owned(), wanted.location.clone()),
            (None, Some(node)) => (node.required("location", &self.findings)?.to_owned(), node.location()),
            (None, None) => return Err(Reported),
        };
        Ok(WsdlOperation {
            address,
            address_location,
            soap: offer.version(),
            port: offer.port,
            other_ports,
            action: operation.and_then(|node| node.attribute("soapAction")).unwrap_or_default().to_owned(),
            declared_headers,
            input,
            output,
        })
    }

    /// The declared elements in the header of a request, which the bindings may write or not.
    fn declared_headers(&self, offer: &Offer<'a>) -> Vec<Name> {
        let quietly = Findings::default();
        let Some(written) = offer.operation.child(WSDL_NS, Direction::Input.as_str()) else { return Vec::new() };
        let headers = written.children().filter(|child| child.element.name.is(offer.soap, "header"));
        let element = |header: Node<'a>| {
            let name = header.name("message", &quietly)?.ok()?;
            let message = self.symbols.find_declaration(SymbolSpace::Message, &name, &header, &quietly).ok()?;
            let is_meant = |part: &Node<'a>| part.attribute("name") == header.attribute("part");
            message.children().find(is_meant)?.name("element", &quietly)?.ok()
        };
        headers.filter_map(element).collect()
    }

    /// The message of a direction; `None` for an empty body. An rpc message has a `wrapper`, a document message is the
    /// element of its part.
    fn wsdl_message(
        &mut self,
        offer: &Offer<'a>,
        abstract_operation: &Node<'a>,
        direction: Direction,
        wrapper: Option<String>,
    ) -> Result<Option<Message>, Reported> {
        let Some(message) = abstract_operation.child(WSDL_NS, direction.as_str()) else { return Ok(None) };
        let written = offer.operation.child(WSDL_NS, direction.as_str());
        let body = match written.as_ref().map(|written| (written, soap_body(written, offer.soap))) {
            None => None,
            Some((_, Some(body))) => Some(body),
            Some((written, None)) => {
                let message = format!("the {} has no soap:body", direction.as_str());
                return Err(written.report(&self.findings, message));
            }
        };
        self.is_encoded = match body.as_ref().and_then(|body| Some((body, body.attribute("use")?))) {
            None | Some((_, "literal")) => false,
            Some((body, "encoded")) if wrapper.is_some() => self.check_encoding(body)?,
            Some((body, "encoded")) => {
                return Err(body.report(&self.findings, "use 'encoded' is supported in style 'rpc' only"));
            }
            Some((body, other)) => return Err(body.report(&self.findings, format!("use '{other}' is not supported"))),
        };
        let name = required_name(&message, "message", &self.findings)?;
        let message = self.symbols.find_declaration(SymbolSpace::Message, &name, &message, &self.findings)?;
        let named = body.as_ref().and_then(|body| body.attribute("parts"));
        let named = named.map(|parts| parts.split_whitespace().collect::<Vec<_>>());
        let in_header = written.as_ref().map(|written| header_parts(written, offer.soap)).unwrap_or_default();
        let message_name = message.attribute("name").unwrap_or_default();
        let is_written = |part: &Node<'_>| {
            let name = part.attribute("name").unwrap_or_default();
            match &named {
                Some(named) => named.contains(&name),
                None => !in_header.contains(&(message_name, name)),
            }
        };
        let parts = message.children().filter(|child| child.element.name.is(WSDL_NS, "part")).filter(is_written);
        let parts: Vec<Node<'a>> = parts.collect();
        let root = match wrapper {
            Some(local) => {
                let namespace = body.as_ref().and_then(|body| body.raw_attribute("namespace")).unwrap_or_default();
                self.wrapper(Name::new(namespace, local), &parts, &message)?
            }
            None => match parts.as_slice() {
                [] => return Ok(None),
                [part] => self.document(part)?,
                _ => {
                    let count = format!("a document has exactly one part in its body, not {}", parts.len());
                    return Err(message.report(&self.findings, count));
                }
            },
        };
        Ok(Some(Message { root, has_element: true, is_encoded: self.is_encoded, declarations: Vec::new() }))
    }

    /// True for the encoding of SOAP 1.1 (section 5); any other encoding is refused.
    fn check_encoding(&self, body: &Node<'a>) -> Result<bool, Reported> {
        let styles = body.attribute("encodingStyle").unwrap_or_default();
        let is_known = |style: &str| style.trim_end_matches('/') == SOAP_ENC_NS.trim_end_matches('/');
        if !styles.is_empty() && !styles.split_whitespace().any(is_known) {
            return Err(body.report(&self.findings, format!("encodingStyle '{styles}' is not supported")));
        }
        Ok(true)
    }

    fn document(&mut self, part: &Node<'a>) -> Result<ElementPlan, Reported> {
        match part.name("element", &self.findings) {
            Some(element) => self.global_element(&element?, Occurs::ONCE, part),
            None => Err(part.report(&self.findings, "the part of a document must name an element")),
        }
    }

    /// The wrapper of an rpc call, with an unqualified element per part (WSDL 1.1, section 3.5).
    fn wrapper(&mut self, name: Name, parts: &[Node<'a>], message: &Node<'a>) -> Result<ElementPlan, Reported> {
        let members = all(parts.iter().map(|part| {
            if part.attribute("type").is_none() {
                return Err(part.report(&self.findings, "the part of an rpc message must name a type"));
            }
            let local = part.required("name", &self.findings)?;
            let plan = self.child(local, |compiler| compiler.element(part, Name::new("", local), Occurs::ONCE));
            Ok(Particle::Element(ElementPlan { is_part: self.is_encoded, ..plan }))
        }))?;
        let (compositor, occurs, filling, location) =
            (Compositor::Sequence, Occurs::ONCE, Filling::default(), message.location());
        let group = Group { compositor, occurs, members, filling, location: location.clone() };
        Ok(ElementPlan::new(name, Content::Complex(group), location))
    }
}

/// `soap:body`, by itself or in the root part of a multipart message.
fn soap_body<'a>(written: &Node<'a>, soap: &str) -> Option<Node<'a>> {
    written.child(soap, "body").or_else(|| {
        let parts = written.child(MIME, "multipartRelated")?.children();
        parts.filter(|part| part.element.name.is(MIME, "part")).find_map(|part| part.child(soap, "body"))
    })
}

/// The parts in the header: local name of the message, and name of the part.
fn header_parts<'a>(written: &Node<'a>, soap: &str) -> Vec<(&'a str, &'a str)> {
    let headers = written.children().filter(|child| child.element.name.is(soap, "header"));
    headers
        .filter_map(|header| {
            let message = header.attribute("message")?;
            Some((message.rsplit(':').next().unwrap_or(message), header.attribute("part")?))
        })
        .collect()
}
