//! The tree a document is read into: elements with resolved names, and every node kind that fault text shows.

use std::fmt;
use std::sync::Arc;

/// An expanded name: namespace URI (empty for none) and local name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Namespace URI; empty when the name is in no namespace.
    pub namespace: Arc<str>,
    /// Local part, without prefix.
    pub local: Arc<str>,
}

impl Name {
    /// A name from its two parts.
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), local: local.into() }
    }

    /// True when both parts are equal to those given.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        &*self.local == local && &*self.namespace == namespace
    }
}

/// `{namespace}local`, or the local name alone when there is no namespace.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.local)
        } else {
            write!(f, "{{{}}}{}", self.namespace, self.local)
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An attribute other than a namespace declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Expanded name; no namespace unless the attribute carries a prefix.
    pub name: Name,
    /// The prefix as written, empty for none.
    pub prefix: Arc<str>,
    /// The value after references are resolved and white space is normalised.
    pub value: String,
}

/// An element: its meaning, and its prefixes and declarations as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Expanded name.
    pub name: Name,
    /// The prefix as written, empty for none.
    pub prefix: Arc<str>,
    /// Attributes in document order.
    pub attributes: Vec<Attribute>,
    /// Namespace declarations of this very element, (prefix, URI), in document order.
    pub declarations: Vec<(Arc<str>, Arc<str>)>,
    /// Children in document order; neighbouring text is one node.
    pub children: Vec<Node>,
    /// Line of the start tag, counted from 1.
    pub line: u32,
}

/// A child of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A nested element.
    Element(Element),
    /// Character data, references resolved.
    Text(String),
    /// A CDATA section's content.
    CData(String),
    /// A comment's content.
    Comment(String),
    /// A processing instruction: target and data.
    Instruction(String, String),
}

impl Element {
    /// An element with nothing but a name.
    pub fn empty(name: Name) -> Self {
        let (attributes, declarations, children) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, prefix: Arc::from(""), attributes, declarations, children, line: 1 }
    }

    /// The element without its children.
    pub fn clone_head(&self) -> Self {
        Self {
            name: self.name.clone(),
            prefix: self.prefix.clone(),
            attributes: self.attributes.clone(),
            declarations: self.declarations.clone(),
            children: Vec::new(),
            line: self.line,
        }
    }

    /// Child elements in document order.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The first child element of that name.
    pub fn child(&self, namespace: &str, local: &str) -> Option<&Element> {
        self.elements().find(|e| e.name.is(namespace, local))
    }

    /// The value of an attribute; `namespace` is empty for an unprefixed one.
    pub fn attribute(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name.is(namespace, local)).map(|a| a.value.as_str())
    }

    /// Text and CDATA directly inside, joined.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for node in &self.children {
            if let Node::Text(text) | Node::CData(text) = node {
                out.push_str(text);
            }
        }
        out
    }
}
