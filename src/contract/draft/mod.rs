//! Drafts a `bindings.toml` from WSDLs alone: for each request type the operation of the likeliest name, for each parameter and
//! each result of a query the element of the likeliest name, and for every other mandatory element a text that fits. Every
//! line is a guess and says so; an operator corrects the draft.

mod guess;
mod leaves;
mod text;

use std::path::Path;
use std::rc::Rc;

use super::compile::Compiler;
use super::demand::Demand;
use super::document::{Documents, WSDL_NS};
use super::finding::{Finding, Location};
use super::port::Wanted;
use super::source::ContractSource;
use super::symbols::{SymbolSpace, Symbols};
use super::wsdl::{Demands, WsdlOperation};
use crate::request::RequestType;

/// The order for a draft.
pub struct DraftOrder<'o> {
    /// The folder of the contract.
    pub folder: &'o Path,
    /// WSDLs in the folder.
    pub wsdls: &'o [String],
    /// The operation for a single request type; without, each type has the likeliest operation.
    pub operation: Option<&'o str>,
    /// The request type for that operation.
    pub request_type: Option<RequestType>,
}

/// An operation that a WSDL offers.
struct Offered<'o> {
    wsdl: &'o str,
    name: String,
}

/// A `bindings.toml` to start from.
///
/// # Errors
/// The faults that prevent a draft, by file and line.
pub fn draft(order: &DraftOrder<'_>) -> Result<String, Vec<Finding>> {
    let source = ContractSource::Folder(order.folder.to_owned());
    let mut documents = Documents::new(Default::default());
    order.wsdls.iter().for_each(|wsdl| documents.read_document(&source, wsdl));
    let mut symbols = Vec::new();
    for wsdl in order.wsdls {
        let findings = super::finding::Findings::default();
        let location = Location { file: wsdl.as_str().into(), line: 1 };
        let collected = match documents.document(wsdl) {
            Ok(document) => Symbols::collect(&documents, document, &findings),
            Err(unread) => {
                let line = unread.line.unwrap_or(1);
                Err(findings.report(&Location { line, ..location }, unread.message))
            }
        };
        symbols.push((wsdl.as_str(), collected.map_err(|_| findings.to_sorted())?));
    }
    let offered: Vec<Offered<'_>> = symbols
        .iter()
        .flat_map(|(wsdl, symbols)| operations_of(symbols).into_iter().map(|name| Offered { wsdl, name }))
        .collect();
    if let Some(unknown) = order.operation.filter(|name| !offered.iter().any(|offered| offered.name == *name)) {
        let file = order.wsdls.first().map_or("", String::as_str).into();
        let names: Vec<&str> = offered.iter().map(|offered| offered.name.as_str()).collect();
        let message = format!("no SOAP port offers operation '{unknown}'; offered: {}", names.join(", "));
        return Err(vec![Finding { location: Location { file, line: 1 }, message }]);
    }
    // An order that names an operation needs no list.
    let listed = offered.iter().filter(|_| order.operation.is_none());
    let mut text = text::head(&listed.map(|offered| offered.name.as_str()).collect::<Vec<_>>());
    let types =
        RequestType::bindable().filter(|request_type| order.request_type.is_none_or(|only| only == *request_type));
    for request_type in types {
        let found = match order.operation {
            Some(name) => offered.iter().find(|offered| offered.name == name),
            None => guess::operation(request_type, &offered),
        };
        let Some(Offered { wsdl, name }) = found else { continue };
        let Some((_, symbols)) = symbols.iter().find(|(known, _)| known == wsdl) else { continue };
        let read = |address| read(symbols, wsdl, name, address);
        match read(None).map(|found| (found, None)).or_else(|_| read(Some(ADDRESS)).map(|found| (found, Some(ADDRESS))))
        {
            Ok((mut operation, address)) => {
                text.push_str(&text::section(request_type, (wsdl, name), address, &mut operation))
            }
            Err(findings) => text.push_str(&text::refused(request_type, name, &findings)),
        }
    }
    Ok(text)
}

/// Stands for the address that a WSDL without a service does not have.
const ADDRESS: &str = "http://localhost/";

fn read(symbols: &Symbols<'_>, wsdl: &str, name: &str, address: Option<&str>) -> Result<WsdlOperation, Vec<Finding>> {
    let location = Location { file: wsdl.into(), line: 1 };
    let wanted = Wanted { name, file: wsdl, service: None, port: None, address, location };
    let demands = Demands { input: Rc::new(Demand::default()), output: Rc::new(Demand::default()) };
    Compiler::new(symbols).attempt(|compiler| compiler.operation(&wanted, &demands))
}

/// The operations of all bindings, each once.
fn operations_of(symbols: &Symbols<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for binding in symbols.all(SymbolSpace::Binding) {
        for operation in binding.children().filter(|child| child.element.name.is(WSDL_NS, "operation")) {
            let name = operation.attribute("name").unwrap_or_default().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}
