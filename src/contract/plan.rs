//! The compiled plan of a message: the whole tree of elements that the message may hold, each with the source of its value.
//!
//! Types are expanded in place, recursive types as deep as the bindings lead, so encoding, decoding and validating are each
//! a single walk over the tree. Nothing here knows an operation or an element by name.

use std::sync::Arc;

use super::finding::{Finding, Location};
use super::simple::SimpleType;
use crate::xml::{Element, Name};

pub use super::filling::{Filling, ValueSource, WhenEmpty};
pub use super::group::{Compositor, Group, Namespaces, Occurs, OpenPlan, Particle};

/// A whole message: the child of the SOAP body.
#[derive(Clone, Debug)]
pub struct Message {
    /// The body's child: the global element (document style) or the operation's wrapper (rpc style).
    pub root: ElementPlan,
    /// Does an element stand in the body? A document without parts has an empty body; then `root` has no name.
    pub has_element: bool,
    /// Is the message encoded (SOAP 1.1, section 5) rather than literal?
    pub is_encoded: bool,
    /// The declarations of all namespaces that can be written: `xmlns:ns1` and the URI.
    pub declarations: Vec<(String, Arc<str>)>,
}

/// An element of a message.
#[derive(Clone, Debug)]
pub struct ElementPlan {
    /// Expanded name; without a namespace if the schema has unqualified elements.
    pub name: Name,
    /// The name as written: the prefix declared in [`Message::declarations`], and the local name.
    pub tag: String,
    /// Occurrences inside the parent.
    pub occurs: Occurs,
    /// Is `xsi:nil` allowed?
    pub nillable: bool,
    /// The type to be named by `xsi:type`, if any.
    pub xsi_type: Option<Box<TypeName>>,
    /// For an array of an encoded message, the type of the items.
    pub array: Option<Box<TypeName>>,
    /// Is the element a part of an encoded message? A part without a value is nil, but a part without a binding is a fault.
    pub is_part: bool,
    /// Declared attributes.
    pub attributes: Vec<AttributePlan>,
    /// Are other attributes allowed (`xs:anyAttribute`)?
    pub takes_any_attribute: bool,
    /// Is text allowed between elements?
    pub is_mixed: bool,
    /// The content.
    pub content: Content,
    /// The value of an empty element, from the schema (`default` or `fixed`).
    pub default: Option<String>,
    /// The filling by the bindings.
    pub filling: Filling,
    /// The schema's declaration.
    pub location: Location,
}

/// A type as `xsi:type` names it.
#[derive(Clone, Debug)]
pub struct TypeName {
    /// Expanded name.
    pub name: Name,
    /// For items of an array: the number of arrays between item and array (SOAP 1.1, 5.4.2: `[]` behind the name).
    pub ranks: usize,
    /// The name as written.
    pub tag: String,
}

/// The content of an element.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text of a simple type, with the source of the value.
    Simple(Arc<SimpleType>, Option<ValueSource>),
    /// Elements; an empty group for an element without content.
    Complex(Group),
    /// Content that is not understood, with the reasons, which are no fault since nothing needs the content.
    Unread(Vec<Finding>),
}

/// An attribute of an element.
#[derive(Clone, Debug)]
pub struct AttributePlan {
    /// Expanded name; without a namespace if unqualified.
    pub name: Name,
    /// The name as written.
    pub tag: String,
    /// Is the attribute required?
    pub required: bool,
    /// The type of the value; any text if the type is not understood.
    pub simple: Arc<SimpleType>,
    /// The reasons why the type is not understood, if any.
    pub unread: Vec<Finding>,
    /// The source of the value.
    pub source: Option<ValueSource>,
    /// The schema's declaration.
    pub location: Location,
}

impl TypeName {
    /// A type name without a prefix yet.
    pub(super) fn new(name: Name) -> Self {
        Self { name, ranks: 0, tag: String::new() }
    }
}

impl Message {
    /// The message of an empty body.
    pub(super) fn without_element(location: Location) -> Self {
        let (compositor, occurs, filling) = (Compositor::Sequence, Occurs::ONCE, Filling::default());
        let group = Group { compositor, occurs, members: Vec::new(), filling, location: location.clone() };
        let root = ElementPlan::new(Name::new("", ""), Content::Complex(group), location);
        Self { root, has_element: false, is_encoded: false, declarations: Vec::new() }
    }

    /// Can the message hold nothing?
    pub fn is_void(&self) -> bool {
        match &self.root.content {
            Content::Complex(group) => {
                self.root.attributes.is_empty() && group.elements().next().is_none() && !group.is_open()
            }
            Content::Simple(..) | Content::Unread(_) => false,
        }
    }
}

impl ElementPlan {
    /// A single element with nothing but a content.
    pub(super) fn new(name: Name, content: Content, location: Location) -> Self {
        Self {
            name,
            tag: String::new(),
            occurs: Occurs::ONCE,
            nillable: false,
            xsi_type: None,
            array: None,
            is_part: false,
            attributes: Vec::new(),
            takes_any_attribute: false,
            is_mixed: false,
            content,
            default: None,
            filling: Filling::default(),
            location,
        }
    }

    /// The text of an element, or the default for an empty element.
    pub fn text(&self, element: &Element) -> String {
        let text = element.text();
        match &self.default {
            Some(default) if text.is_empty() => default.clone(),
            _ => text,
        }
    }
}
