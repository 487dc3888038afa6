//! Which prefix Axis writes for a namespace (`NSStack` and `SerializationContext.getPrefixForURI`).
//!
//! Only declarations inside the entry are known to it: a prefix declared further out is lost, and a preferred or a
//! numbered one is written instead. With several prefixes for one namespace the default one wins for elements, then
//! the one declared last.

use std::sync::Arc;

use super::SOAP11_NS;
use crate::xml::{XML_NS, XSD_NS};

/// The namespaces that have a prefix of Axis's own; the first schema that the message declares decides two of them.
#[derive(Clone, Copy)]
pub(super) struct Preferred {
    /// Namespace of the envelope.
    pub(super) envelope: &'static str,
    /// Namespace of the XML Schema in use.
    pub(super) schema: &'static str,
}

impl Preferred {
    /// XML Schema as Axis knows it, newest last.
    const SCHEMAS: [&str; 3] =
        ["http://www.w3.org/1999/XMLSchema", "http://www.w3.org/2000/10/XMLSchema", XSD_NS];

    /// The schema version that a declaration of `uri` selects: that of the schema itself or of its instance namespace.
    pub(super) fn schema_of(uri: &str) -> Option<&'static str> {
        let schema = uri.strip_suffix("-instance").unwrap_or(uri);
        Self::SCHEMAS.into_iter().find(|known| *known == schema)
    }

    fn prefix(self, uri: &str) -> Option<&'static str> {
        let encoding = if self.envelope == SOAP11_NS {
            "http://schemas.xmlsoap.org/soap/encoding/"
        } else {
            "http://www.w3.org/2003/05/soap-encoding"
        };
        match uri {
            XML_NS => Some("xml"),
            _ if uri == self.envelope => Some("soapenv"),
            _ if uri == encoding => Some("soapenc"),
            _ if uri == self.schema => Some("xsd"),
            _ if uri.strip_suffix("-instance") == Some(self.schema) => Some("xsi"),
            _ => None,
        }
    }
}

/// A prefix and what it stands for.
type Mapping = (Arc<str>, Arc<str>);

/// The declarations written so far, a frame for each open element, innermost last.
pub(super) struct Prefixes {
    frames: Vec<Vec<Mapping>>,
    /// True when the element about to be written has no frame yet.
    fresh: bool,
    numbered: u32,
    preferred: Preferred,
}

impl Prefixes {
    pub(super) fn new(preferred: Preferred) -> Self {
        Self { frames: Vec::new(), fresh: true, numbered: 0, preferred }
    }

    /// Notes a declaration for the element about to be written, unless it would be chosen without it.
    pub(super) fn declare(&mut self, prefix: &Arc<str>, uri: &Arc<str>) {
        if std::mem::take(&mut self.fresh) {
            self.frames.push(Vec::new());
        }
        if self.find(uri, false).as_ref() == Some(prefix) {
            return;
        }
        if let Some(frame) = self.frames.last_mut() {
            match frame.iter_mut().rev().find(|(p, _)| p == prefix) {
                Some(mapping) => mapping.1 = uri.clone(),
                None => frame.push((prefix.clone(), uri.clone())),
            }
        }
    }

    /// The prefix for an element in `uri`, empty for the default namespace.
    pub(super) fn of_element(&mut self, uri: &Arc<str>) -> Arc<str> {
        if uri.is_empty() {
            if self.uri_of("").is_some_and(|default| !default.is_empty()) {
                self.declare(&Arc::from(""), uri);
            }
            return uri.clone();
        }
        self.find(uri, true).unwrap_or_else(|| self.invent(uri, None))
    }

    /// The prefix for an attribute in `uri` that was written with `prefix`.
    pub(super) fn of_attribute(&mut self, uri: &Arc<str>, prefix: &Arc<str>) -> Arc<str> {
        self.find(uri, false).unwrap_or_else(|| self.invent(uri, Some(prefix)))
    }

    /// Opens the element: the declarations that its start tag needs.
    pub(super) fn open(&mut self) -> &[Mapping] {
        if !std::mem::replace(&mut self.fresh, true) {
            return self.frames.last().map_or(&[], Vec::as_slice);
        }
        self.frames.push(Vec::new());
        &[]
    }

    /// Closes the element.
    pub(super) fn close(&mut self) {
        self.frames.pop();
    }

    fn invent(&mut self, uri: &Arc<str>, written: Option<&Arc<str>>) -> Arc<str> {
        let prefix = match (self.preferred.prefix(uri), written) {
            (Some(preferred), _) => Arc::from(preferred),
            (None, Some(written)) => written.clone(),
            (None, None) => loop {
                self.numbered += 1;
                let prefix: Arc<str> = Arc::from(format!("ns{}", self.numbered));
                if self.uri_of(&prefix).is_none() {
                    break prefix;
                }
            },
        };
        self.declare(&prefix, uri);
        prefix
    }

    /// The prefix in force for `uri`, the default one only if asked for.
    fn find(&self, uri: &Arc<str>, with_default: bool) -> Option<Arc<str>> {
        if uri.is_empty() {
            return None;
        }
        if with_default && self.uri_of("") == Some(uri) {
            return Some(Arc::from(""));
        }
        let mut inner = self.mappings();
        let (prefix, _) = inner.find(|(prefix, bound)| {
            bound == uri && (with_default || !prefix.is_empty()) && self.uri_of(prefix) == Some(uri)
        })?;
        Some(prefix.clone())
    }

    /// What `prefix` stands for.
    fn uri_of(&self, prefix: &str) -> Option<&Arc<str>> {
        self.mappings().find(|(p, _)| &**p == prefix).map(|(_, uri)| uri)
    }

    /// Innermost first.
    fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.frames.iter().rev().flat_map(|frame| frame.iter().rev())
    }
}
