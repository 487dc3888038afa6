//! Finds the port of a WSDL that offers an operation. Of several ports the first counts unless the bindings name another; a
//! WSDL without a service has bindings only, and the operator names the address.

use super::compile::Compiler;
use super::document::WSDL_NS;
use super::finding::{Findings, Location, Reported};
use super::node::Node;
use super::operation::SoapVersion;
use super::symbols::SymbolSpace;
use crate::xml::{Element, Name};

/// The SOAP 1.1 binding (WSDL 1.1, section 3).
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
/// The SOAP 1.2 binding (a W3C member submission of 2006).
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// The names of SOAP over HTTP as transport; a slash at the end makes no difference.
const HTTP: [&str; 2] = ["http://schemas.xmlsoap.org/soap/http", "http://www.w3.org/2003/05/soap/bindings/HTTP"];

/// The operation that the bindings want.
pub(super) struct Wanted<'b> {
    /// The operation's name.
    pub(super) name: &'b str,
    /// The WSDL's file.
    pub(super) file: &'b str,
    /// The service that offers the operation.
    pub(super) service: Option<&'b str>,
    /// The port of the service; of a WSDL without a service, the binding.
    pub(super) port: Option<&'b str>,
    /// The address, in place of the WSDL's.
    pub(super) address: Option<&'b str>,
    /// The place in the bindings.
    pub(super) location: Location,
}

/// A binding's operation in its port.
pub(super) struct Offer<'a> {
    /// `soap:address`; `None` if the WSDL has no service for the binding.
    pub(super) address: Option<Node<'a>>,
    pub(super) binding: Node<'a>,
    pub(super) operation: Node<'a>,
    /// The port, by service and name.
    pub(super) port: String,
    /// The namespace of the SOAP extension elements.
    pub(super) soap: &'static str,
}

impl Offer<'_> {
    pub(super) fn version(&self) -> SoapVersion {
        if self.soap == SOAP_11 { SoapVersion::V11 } else { SoapVersion::V12 }
    }

    fn is_http(&self) -> bool {
        transport(&self.binding, self.soap).is_none_or(|transport| HTTP.contains(&transport.trim_end_matches('/')))
    }
}

impl<'a> Compiler<'a, '_> {
    /// The offer that counts, and the ports that offer the operation too.
    pub(super) fn offer(&self, wanted: &Wanted<'_>) -> Result<(Offer<'a>, Vec<String>), Reported> {
        let (mut offers, mut others, faults) = (Vec::new(), Vec::new(), Findings::default());
        for service in &self.symbols.services {
            let service_name = service.attribute("name").unwrap_or_default();
            for port in service.children() {
                let Some(address) = port.children().find(|child| is_address(child.element)) else { continue };
                let port_name = port.attribute("name").unwrap_or_default();
                let is_wanted = wanted.service.is_none_or(|name| name == service_name)
                    && wanted.port.is_none_or(|name| name == port_name);
                if let (true, Ok(binding)) = (is_wanted, self.binding(&port, &faults)) {
                    let port = format!("{service_name}/{port_name}");
                    self.take_offers(wanted, binding, Some(address), port, (&mut offers, &mut others))?;
                }
            }
        }
        if offers.is_empty() && wanted.service.is_none() {
            for binding in self.symbols.all(SymbolSpace::Binding) {
                let name = binding.attribute("name").unwrap_or_default();
                if wanted.port.is_none_or(|wanted| wanted == name) {
                    let port = name.to_owned();
                    self.take_offers(wanted, binding.clone(), None, port, (&mut offers, &mut others))?;
                }
            }
        }
        // A port of another transport counts only where there is no other.
        offers.sort_by_key(|offer| !offer.is_http());
        let mut offers = offers.into_iter();
        let Some(offer) = offers.next() else {
            self.findings.absorb(faults.to_sorted());
            return Err(self.findings.report(&wanted.location, not_offered(wanted, others)));
        };
        if !offer.is_http() {
            let transport = transport(&offer.binding, offer.soap).unwrap_or_default();
            let message = format!("transport '{transport}' is not supported");
            return Err(offer.binding.report(&self.findings, message));
        }
        if offer.address.is_none() && wanted.address.is_none() {
            let Wanted { file, name, location, .. } = wanted;
            let message = format!(
                "{file} has no wsdl:service for the binding '{}', which offers operation '{name}': 'address' has to say where it is",
                offer.port
            );
            return Err(self.findings.report(location, message));
        }
        Ok((offer, offers.filter(Offer::is_http).map(|offer| offer.port).collect()))
    }

    fn take_offers(
        &self,
        wanted: &Wanted<'_>,
        binding: Node<'a>,
        address: Option<Node<'a>>,
        port: String,
        (offers, others): (&mut Vec<Offer<'a>>, &mut Vec<&'a str>),
    ) -> Result<(), Reported> {
        let written = [SOAP_11, SOAP_12].into_iter().find(|soap| binding.child(soap, "binding").is_some());
        let of_address = address.as_ref().map(|address| if address.is_in(SOAP_11) { SOAP_11 } else { SOAP_12 });
        let Some(soap) = written.or(of_address) else { return Ok(()) };
        let mut found = binding.children().filter(|child| is_operation(child, wanted.name));
        match (found.next(), found.next()) {
            (Some(_), Some(second)) => {
                Err(second.report(&self.findings, format!("operation '{}' is declared twice", wanted.name)))
            }
            (Some(operation), None) => {
                offers.push(Offer { address, binding, operation, port, soap });
                Ok(())
            }
            (None, _) => {
                let operations = binding.children().filter(|child| child.element.name.is(WSDL_NS, "operation"));
                others.extend(operations.filter_map(|operation| operation.attribute("name")));
                Ok(())
            }
        }
    }

    fn binding(&self, port: &Node<'a>, findings: &Findings) -> Result<Node<'a>, Reported> {
        let name = required_name(port, "binding", findings)?;
        self.symbols.find_declaration(SymbolSpace::Binding, &name, port, findings)
    }
}

fn transport<'a>(binding: &Node<'a>, soap: &str) -> Option<&'a str> {
    binding.child(soap, "binding")?.attribute("transport")
}

fn not_offered(wanted: &Wanted<'_>, offered: Vec<&str>) -> String {
    let mut others: Vec<&str> = Vec::new();
    for name in offered {
        if !others.contains(&name) {
            others.push(name);
        }
    }
    let others = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
    let place = match (wanted.service, wanted.port) {
        (None, None) => "no SOAP port".to_owned(),
        (Some(service), None) => format!("no SOAP port of service '{service}'"),
        (None, Some(port)) => format!("no SOAP port '{port}'"),
        (Some(service), Some(port)) => format!("no SOAP port '{port}' of service '{service}'"),
    };
    format!("{place} of {} offers operation '{}'; offered: {others}", wanted.file, wanted.name)
}

/// Is this `soap:address`, of either version?
pub(super) fn is_address(element: &Element) -> bool {
    element.name.is(SOAP_11, "address") || element.name.is(SOAP_12, "address")
}

pub(super) fn is_operation(node: &Node<'_>, name: &str) -> bool {
    node.element.name.is(WSDL_NS, "operation") && node.attribute("name") == Some(name)
}

pub(super) fn required_name(node: &Node<'_>, attribute: &str, findings: &Findings) -> Result<Name, Reported> {
    let missing = || node.report(findings, format!("'{}' has no '{attribute}'", node.local()));
    node.name(attribute, findings).ok_or_else(missing)?
}
