//! The files of a contract, parsed: those that the bindings name and all that they import or include.
//!
//! A file that cannot be had is kept with the reason: it is a fault only when something in it is needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::source::{ContractSource, resolve};
use crate::xml::{Element, Limits, XSD_NS, parse};

/// WSDL 1.1 (its appendix A.4.1).
pub(super) const WSDL_NS: &str = "http://schemas.xmlsoap.org/wsdl/";

/// One file.
pub(super) struct Document {
    /// Its path, relative to the contract's folder.
    pub(super) file: Arc<str>,
    /// Its text.
    pub(super) text: String,
    /// What it says.
    pub(super) root: Element,
}

/// Why a file could not be had.
#[derive(Clone)]
pub(super) struct Unread {
    /// The line that is wrong, if the fault is in the file's text.
    pub(super) line: Option<u32>,
    /// What is wrong, as a clause.
    pub(super) message: String,
}

/// The files of a contract.
#[derive(Default)]
pub(super) struct Documents(BTreeMap<String, Result<Document, Unread>>);

impl Documents {
    /// Reads a file, and whatever it refers to.
    pub(super) fn read_document(&mut self, source: &ContractSource, file: &str) {
        let mut waiting = vec![file.to_owned()];
        while let Some(file) = waiting.pop() {
            if self.0.contains_key(&file) {
                continue;
            }
            let document = parse_document(source, &file);
            if let Ok(document) = &document {
                each_reference(&document.root, &mut |reference| waiting.extend(resolve(&file, reference.location)));
            }
            self.0.insert(file, document);
        }
    }

    /// A file that was read.
    ///
    /// # Errors
    /// Why it could not be.
    pub(super) fn document(&self, file: &str) -> Result<&Document, Unread> {
        match self.0.get(file) {
            Some(Ok(document)) => Ok(document),
            Some(Err(unread)) => Err(unread.clone()),
            None => Err(Unread { line: None, message: "was not read".to_owned() }),
        }
    }
}

fn parse_document(source: &ContractSource, file: &str) -> Result<Document, Unread> {
    let text = source.read_file(file).map_err(|message| Unread { line: None, message })?;
    match parse(&text, Limits { depth: 200, ..Limits::default() }) {
        Ok(root) => Ok(Document { file: Arc::from(file), text, root }),
        Err(error) => Err(Unread { line: Some(error.line), message: error.message }),
    }
}

/// One document's mention of another.
pub(super) struct Reference<'a> {
    /// The attribute that holds it.
    pub(super) attribute: &'static str,
    /// The other document, relative to the first.
    pub(super) location: &'a str,
}

/// What an element refers to, if it is one of those that refer to documents.
pub(super) fn reference(element: &Element) -> Option<Reference<'_>> {
    let attribute = match (&*element.name.namespace, &*element.name.local) {
        (WSDL_NS, "import") => "location",
        (XSD_NS, "import" | "include") => "schemaLocation",
        _ => return None,
    };
    Some(Reference { attribute, location: element.attribute("", attribute)? })
}

fn each_reference<'a>(element: &'a Element, take: &mut impl FnMut(Reference<'a>)) {
    if let Some(found) = reference(element) {
        take(found);
    }
    for child in element.elements() {
        each_reference(child, take);
    }
}
