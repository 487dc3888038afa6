//! Loads a contract: the bindings, the WSDLs that the bindings name, and all imports. Loading goes on after a fault, so that
//! all faults are reported at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::bindings::{BINDINGS, BindingsFile, Text};
use super::compile::Compiler;
use super::compiled::Contract;
use super::document::Documents;
use super::finding::{Finding, Findings, Location, Reported};
use super::operation::Operation;
use super::plan::ValueSource;
use super::request::RequestLoader;
use super::source::{ContractSource, resolve};
use super::symbols::Symbols;
use super::template::Maps;
use crate::request::RequestType;

/// Loads a contract; returns every fault if there is any.
pub(super) fn load(source: &ContractSource) -> Result<Contract, Vec<Finding>> {
    let findings = Findings::default();
    match load_files(source, &findings) {
        Ok(contract) if findings.is_empty() => Ok(contract),
        _ => Err(findings.to_sorted()),
    }
}

fn load_files(source: &ContractSource, findings: &Findings) -> Result<Contract, Reported> {
    let top = Location { file: BINDINGS.into(), line: 1 };
    let text = source.read_file(BINDINGS).map_err(|why| findings.report(&top, why))?;
    let file = BindingsFile::parse(&text, findings)?;
    let base_path = base_path(&file, findings);
    let mut documents = Documents::new(locations(&file, findings));
    let wsdls = file.bindings.request.values().filter_map(|request| request.wsdl.as_ref());
    for name in wsdls.clone().filter_map(|wsdl| resolve("", wsdl.get_ref()).ok()) {
        documents.read_document(source, &name);
    }
    let mut symbols = BTreeMap::new();
    for wsdl in wsdls {
        symbols.entry(wsdl.get_ref().as_str()).or_insert_with(|| collect(&file, wsdl, &documents, findings));
    }
    let usable = symbols.iter().filter_map(|(wsdl, symbols)| Some((*wsdl, symbols.as_ref().ok()?)));
    let compilers = usable.map(|(wsdl, symbols)| (wsdl, Compiler::new(symbols))).collect();
    let maps: Maps = file.bindings.maps.iter().map(|(name, map)| (name.clone(), Arc::new(map.clone()))).collect();
    let (secrets, secret_places) = (RefCell::default(), RefCell::default());
    let mut loader = RequestLoader { file: &file, base_path, findings, maps, secrets, secret_places, compilers };
    let operations = loader.operations();
    let operations = operations?;
    let (maps, secrets, secret_places) = (loader.maps, loader.secrets.into_inner(), loader.secret_places.into_inner());
    check_answer_paths(&file, &operations, findings);
    let base_path = base_path.to_owned();
    Ok(Contract { base_path, operations, maps, secrets, secret_places, documents })
}

/// The files that the bindings name for addresses and namespaces.
fn locations(file: &BindingsFile, findings: &Findings) -> BTreeMap<String, String> {
    let located = file.bindings.locations.iter().filter_map(|(address, name)| {
        let report = |why: String| findings.report(&file.location(name), format!("'{}' {why}", name.get_ref()));
        Some((address.clone(), resolve("", name.get_ref()).map_err(report).ok()?))
    });
    located.collect()
}

/// The base path, without a slash at its end.
fn base_path<'f>(file: &'f BindingsFile, findings: &Findings) -> &'f str {
    let format = &file.bindings.format;
    if *format.get_ref() != 1 {
        let message = format!("format {} is not known; this program reads format 1", format.get_ref());
        findings.report(&file.location(format), message);
    }
    let written = &file.bindings.base_path;
    let base_path = written.get_ref().trim_end_matches('/');
    if !base_path.is_empty() && !base_path.starts_with('/') {
        findings.report(&file.location(written), "base_path does not begin with '/'");
    }
    base_path
}

/// The declarations of a WSDL and its imports.
fn collect<'d>(
    file: &BindingsFile,
    wsdl: &Text,
    documents: &'d Documents,
    findings: &Findings,
) -> Result<Symbols<'d>, Reported> {
    let report = |why: &str| findings.report(&file.location(wsdl), format!("'{}' {why}", wsdl.get_ref()));
    let name = resolve("", wsdl.get_ref()).map_err(|why| report(&why))?;
    let document = documents.document(&name).map_err(|unread| match unread.line {
        Some(line) => findings.report(&Location { file: name.as_str().into(), line }, unread.message),
        None => report(&unread.message),
    })?;
    Symbols::collect(documents, document, findings)
}

/// Reports a default path of reference or message that leads nowhere in any answer.
fn check_answer_paths(file: &BindingsFile, operations: &BTreeMap<RequestType, Operation>, findings: &Findings) {
    let answer = &file.bindings.answer;
    for (path, source) in [(&answer.reference, ValueSource::Reference), (&answer.message, ValueSource::Message)] {
        let mut fields = operations.values().flat_map(|operation| &operation.output_fields);
        if let Some(path) = path
            && !fields.any(|field| field.source == source)
        {
            findings.report(&file.location(path), format!("'{}' leads nowhere in any answer", path.get_ref()));
        }
    }
}
