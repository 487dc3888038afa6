//! Axis's choice of a prefix for a namespace (`NSStack` and `SerializationContext.getPrefixForURI`).
//!
//! Axis knows only declarations inside the entry: a prefix declared further out is lost, and a preferred or a numbered
//! prefix is written instead. Of several prefixes for a namespace Axis takes the one declared last.

use std::collections::HashMap;
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
    /// The versions of XML Schema that Axis knows, newest last.
    const SCHEMAS: [&str; 3] = ["http://www.w3.org/1999/XMLSchema", "http://www.w3.org/2000/10/XMLSchema", XSD_NS];

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

/// A declaration that has been written.
pub(super) struct Mapping {
    pub(super) prefix: Arc<str>,
    pub(super) uri: Arc<str>,
    /// True while an inner element gives the prefix another meaning.
    is_hidden: bool,
}

/// The declarations of the open elements.
pub(super) struct Prefixes {
    /// All mappings, innermost last.
    mappings: Vec<Mapping>,
    /// Index of the first mapping of each open element.
    frames: Vec<usize>,
    /// Indexes of the mappings of each prefix, innermost last.
    bound: HashMap<Arc<str>, Vec<usize>>,
    /// True if the element that is written next has no frame yet.
    fresh: bool,
    numbered: u32,
    preferred: Preferred,
}

impl Prefixes {
    pub(super) fn new(preferred: Preferred) -> Self {
        let (mappings, frames, bound) = (Vec::new(), Vec::new(), HashMap::new());
        Self { mappings, frames, bound, fresh: true, numbered: 0, preferred }
    }

    /// Notes a declaration for the element that is written next, unless the prefix would be chosen without it.
    pub(super) fn declare(&mut self, prefix: &Arc<str>, uri: &Arc<str>) {
        self.open_frame();
        if self.find_prefix(uri, false).as_ref() != Some(prefix) {
            self.bind(prefix.clone(), uri.clone());
        }
    }

    /// The prefix for an element in `uri`; empty for the default namespace.
    pub(super) fn of_element(&mut self, uri: &Arc<str>) -> Arc<str> {
        if uri.is_empty() {
            if self.uri_of("").is_some_and(|default| !default.is_empty()) {
                self.open_frame();
                self.bind(uri.clone(), uri.clone());
            }
            return uri.clone();
        }
        self.find_prefix(uri, true).unwrap_or_else(|| self.invent(uri, None))
    }

    /// The prefix for an attribute in `uri`; `prefix` is the one in the message.
    pub(super) fn of_attribute(&mut self, uri: &Arc<str>, prefix: &Arc<str>) -> Arc<str> {
        self.find_prefix(uri, false).unwrap_or_else(|| self.invent(uri, Some(prefix)))
    }

    /// Opens the element; returns the declarations for its start tag.
    pub(super) fn open(&mut self) -> &[Mapping] {
        self.open_frame();
        self.fresh = true;
        self.mappings.get(self.frame()..).unwrap_or_default()
    }

    /// Closes the element.
    pub(super) fn close(&mut self) {
        for Mapping { prefix, .. } in self.mappings.split_off(self.frame()) {
            self.bound.entry(prefix.clone()).or_default().pop();
            if let Some(uncovered) = self.mapping_of(&prefix) {
                uncovered.is_hidden = false;
            }
        }
        self.frames.pop();
    }

    /// The namespace that `prefix` means here.
    pub(super) fn uri_of(&self, prefix: &str) -> Option<&Arc<str>> {
        let at = self.bound.get(prefix)?.last()?;
        self.mappings.get(*at).map(|mapping| &mapping.uri)
    }

    /// The innermost prefix for `uri`; the default namespace only if `with_default`.
    fn find_prefix(&self, uri: &Arc<str>, with_default: bool) -> Option<Arc<str>> {
        let mut inner_first = self.mappings.iter().rev();
        let found = inner_first.find(|m| !m.is_hidden && m.uri == *uri && (with_default || !m.prefix.is_empty()))?;
        (!uri.is_empty()).then(|| found.prefix.clone())
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
        self.open_frame();
        self.bind(prefix.clone(), uri.clone());
        prefix
    }

    /// Declares a prefix in the current frame; a prefix that the frame already declares gets the new meaning.
    fn bind(&mut self, prefix: Arc<str>, uri: Arc<str>) {
        let (start, end) = (self.frame(), self.mappings.len());
        if let Some(covered) = self.mapping_of(&prefix) {
            covered.is_hidden = true;
        }
        let bound = self.bound.entry(prefix.clone()).or_default();
        match bound.last().filter(|at| **at >= start).and_then(|at| self.mappings.get_mut(*at)) {
            Some(mapping) => (mapping.uri, mapping.is_hidden) = (uri, false),
            None => {
                bound.push(end);
                self.mappings.push(Mapping { prefix, uri, is_hidden: false });
            }
        }
    }

    fn mapping_of(&mut self, prefix: &str) -> Option<&mut Mapping> {
        let at = self.bound.get(prefix)?.last()?;
        self.mappings.get_mut(*at)
    }

    fn open_frame(&mut self) {
        if std::mem::take(&mut self.fresh) {
            self.frames.push(self.mappings.len());
        }
    }

    /// Index of the innermost element's first mapping.
    fn frame(&self) -> usize {
        self.frames.last().copied().unwrap_or_default()
    }
}
