//! The parsed files of a contract: the files that the bindings name, and all imported and included files.
//!
//! An unreadable file is kept with the reason, which is a fault only if a declaration of that file is needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::source::{ContractSource, resolve};
use crate::xml::{Element, Limits, XSD_NS, parse};

/// WSDL 1.1 (appendix A.4.1).
pub(super) const WSDL_NS: &str = "http://schemas.xmlsoap.org/wsdl/";

/// A parsed file.
pub(super) struct Document {
    /// Path, relative to the contract's folder.
    pub(super) file: Arc<str>,
    /// Text of the file.
    pub(super) text: String,
    /// Root element.
    pub(super) root: Element,
}

/// The reason why a file could not be read or parsed.
#[derive(Clone)]
pub(super) struct Unread {
    /// Line of the fault, if the text is at fault.
    pub(super) line: Option<u32>,
    /// The fault, as a clause.
    pub(super) message: String,
}

/// The files of a contract.
pub(super) struct Documents {
    files: BTreeMap<String, Result<Document, Unread>>,
    /// Files by the address or namespace that a document may mention.
    locations: BTreeMap<String, String>,
}

impl Documents {
    /// No files yet; `locations` has the file for each address or namespace.
    pub(super) fn new(locations: BTreeMap<String, String>) -> Self {
        Self { files: BTreeMap::new(), locations }
    }

    /// The file that an import or include refers to.
    pub(super) fn locate(&self, file: &str, element: &Element) -> Option<Result<String, String>> {
        let attribute = reference_attribute(element)?;
        let mapped = |key: &str| self.locations.get(key).cloned();
        match element.attribute("", attribute) {
            Some(location) => Some(mapped(location).map_or_else(|| resolve(file, location), Ok)),
            None => mapped(element.attribute("", "namespace")?).map(Ok),
        }
    }

    /// Reads a file, and all files that it refers to, directly or not.
    pub(super) fn read_document(&mut self, source: &ContractSource, file: &str) {
        let mut waiting = vec![file.to_owned()];
        while let Some(file) = waiting.pop() {
            if self.files.contains_key(&file) {
                continue;
            }
            let document = parse_document(source, &file);
            if let Ok(document) = &document {
                each_element(&document.root, &mut |element| {
                    waiting.extend(self.locate(&file, element).and_then(Result::ok))
                });
            }
            self.files.insert(file, document);
        }
    }

    /// A file that was read.
    ///
    /// # Errors
    /// The reason why the file could not be read.
    pub(super) fn document(&self, file: &str) -> Result<&Document, Unread> {
        match self.files.get(file) {
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

/// The attribute of an import or include that refers to another document.
pub(super) fn reference_attribute(element: &Element) -> Option<&'static str> {
    match (&*element.name.namespace, &*element.name.local) {
        (WSDL_NS, "import") => Some("location"),
        (XSD_NS, "import" | "include") => Some("schemaLocation"),
        _ => None,
    }
}

fn each_element(element: &Element, take: &mut impl FnMut(&Element)) {
    take(element);
    for child in element.elements() {
        each_element(child, take);
    }
}
