//! Which prefix Axis writes for a namespace (`NSStack` and `SerializationContext.getPrefixForURI`).
//!
//! Only declarations inside the entry are known to it: a prefix declared further out is lost, and a preferred or a
//! numbered one is written instead. Of several prefixes for one namespace the one declared last is taken.

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
    /// XML Schema as Axis knows it, newest last.
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

/// A prefix and what it stands for.
type Mapping = (Arc<str>, Arc<str>);

/// The declarations written so far, a frame for each open element, innermost last.
pub(super) struct Prefixes {
    frames: Vec<Vec<Mapping>>,
    /// What each prefix stands for, innermost last.
    bound: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// True when the element about to be written has no frame yet.
    fresh: bool,
    numbered: u32,
    preferred: Preferred,
}

impl Prefixes {
    pub(super) fn new(preferred: Preferred) -> Self {
        Self { frames: Vec::new(), bound: HashMap::new(), fresh: true, numbered: 0, preferred }
    }

    /// Notes a declaration for the element about to be written, unless it would be chosen without it.
    pub(super) fn declare(&mut self, prefix: &Arc<str>, uri: &Arc<str>) {
        if std::mem::take(&mut self.fresh) {
            self.frames.push(Vec::new());
        }
        if self.find(uri, false).as_ref() == Some(prefix) {
            return;
        }
        let Some(frame) = self.frames.last_mut() else { return };
        let bound = self.bound.entry(prefix.clone()).or_default();
        if let Some(mapping) = frame.iter_mut().find(|(declared, _)| declared == prefix) {
            // What was chosen by the old meaning gets the new one.
            mapping.1 = uri.clone();
            bound.pop();
        } else {
            frame.push((prefix.clone(), uri.clone()));
        }
        bound.push(uri.clone());
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
        for (prefix, _) in self.frames.pop().unwrap_or_default() {
            self.bound.entry(prefix).or_default().pop();
        }
    }

    /// What `prefix` stands for.
    pub(super) fn uri_of(&self, prefix: &str) -> Option<&Arc<str>> {
        self.bound.get(prefix)?.last()
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
        let mut inner_first = self.frames.iter().rev().flat_map(|frame| frame.iter().rev());
        let (prefix, _) = inner_first.find(|(prefix, bound)| {
            bound == uri && (with_default || !prefix.is_empty()) && self.uri_of(prefix) == Some(uri)
        })?;
        (!uri.is_empty()).then(|| prefix.clone())
    }
}
