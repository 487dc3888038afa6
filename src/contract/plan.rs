//! The compiled plan of a message: the whole tree of elements that the message may hold, each with the source of its value.
//!
//! Types are expanded in place, recursive types as deep as the bindings lead, so encoding, decoding and validating are each
//! a single walk over the tree. Nothing here knows an operation or an element by name.

use std::sync::Arc;

use super::finding::{Finding, Location};
use super::piece::Piece;
use super::simple::SimpleType;
use super::template::Template;
use crate::xml::{Element, Name};

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

/// The source of a simple value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// A parameter of the request or a result of the answer, by name.
    Field(String),
    /// A constant text, from the bindings.
    Constant(String),
    /// A template, from the bindings.
    Template(Arc<Template>),
    /// A piece of XML, from the bindings.
    Piece(Arc<Piece>),
    /// A constant text, from the schema (`fixed`).
    Fixed(String),
    /// The status code of an answer.
    Status,
    /// The reference number of an answer.
    Reference,
    /// The message of an answer.
    Message,
}

impl ValueSource {
    /// The templates of the source.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Template(template) => vec![template],
            Self::Piece(piece) => piece.templates().collect(),
            _ => Vec::new(),
        }
    }

    /// The parameters or results of the source.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::Field(name) => vec![name],
            Self::Template(template) => template.parameters().collect(),
            Self::Piece(piece) => piece.templates().flat_map(Template::parameters).collect(),
            Self::Constant(_) | Self::Fixed(_) | Self::Status | Self::Reference | Self::Message => Vec::new(),
        }
    }
}

/// A model group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The order of the members.
    pub compositor: Compositor,
    /// Occurrences inside the parent.
    pub occurs: Occurs,
    /// The members, in the order of the schema.
    pub members: Vec<Particle>,
    /// The filling by the bindings.
    pub filling: Filling,
    /// The schema's declaration.
    pub location: Location,
}

/// The order of the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compositor {
    /// All, in this order.
    Sequence,
    /// A single member.
    Choice,
    /// All, in any order.
    All,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub enum Particle {
    /// An element.
    Element(ElementPlan),
    /// A nested group.
    Group(Group),
    /// An open place.
    Open(OpenPlan),
}

/// An open place: the schema leaves the elements open (`xs:any`), or the elements are not understood.
#[derive(Clone, Debug)]
pub struct OpenPlan {
    /// Occurrences inside the parent.
    pub occurs: Occurs,
    /// Namespaces that the elements may be in.
    pub namespaces: Namespaces,
    /// Must the elements be declared (`processContents="strict"`, the default)?
    pub is_strict: bool,
    /// The reasons why the particle is not understood; none for `xs:any`.
    pub unread: Vec<Finding>,
    /// The piece of XML to be written there, from the bindings.
    pub literal: Option<Arc<Piece>>,
    /// The filling by the bindings.
    pub filling: Filling,
    /// The schema's declaration.
    pub location: Location,
}

/// Namespaces that the elements of an `xs:any` may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Any, or none.
    Any,
    /// Any namespace except this and except none.
    Other(Arc<str>),
    /// These namespaces; an empty text stands for none.
    Listed(Vec<Arc<str>>),
}

impl Namespaces {
    /// May an element be in that namespace?
    pub fn has(&self, namespace: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Other(own) => !namespace.is_empty() && *namespace != **own,
            Self::Listed(listed) => listed.iter().any(|listed| **listed == *namespace),
        }
    }
}

/// The occurrences of a particle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurs {
    /// The least number.
    pub min: u32,
    /// The greatest number; `None` is unbounded.
    pub max: Option<u32>,
}

/// The filling of an element or group by the bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filling {
    /// For a repeatable particle: the parameters whose n-th value goes into the n-th occurrence.
    pub repeat_by: Vec<String>,
    /// Do the bindings fill the particle or a descendant?
    pub is_bound: bool,
    /// The rule if no parameter has a value.
    pub when_empty: WhenEmpty,
}

/// The rule for an element or group in which no parameter has a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhenEmpty {
    /// The particle cannot be written without a parameter's value.
    #[default]
    NeedsValue,
    /// The particle is written where the schema requires it.
    IfRequired,
    /// The particle is always written, since a constant of the bindings stands inside.
    Write,
}

impl Occurs {
    /// Exactly once.
    pub const ONCE: Self = Self { min: 1, max: Some(1) };

    /// Is more than a single occurrence allowed?
    pub fn is_many(self) -> bool {
        self.max.is_none_or(|max| max > 1)
    }
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

impl Particle {
    /// Occurrences inside the parent.
    pub fn occurs(&self) -> Occurs {
        match self {
            Self::Element(plan) => plan.occurs,
            Self::Group(group) => group.occurs,
            Self::Open(open) => open.occurs,
        }
    }

    /// The parameters of the particle and its descendants.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        self.collect_fields(&mut fields);
        fields
    }

    fn collect_fields<'s>(&'s self, fields: &mut Vec<&'s str>) {
        let mut take = |source: Option<&'s ValueSource>| {
            fields.extend(source.into_iter().flat_map(ValueSource::fields));
        };
        let group = match self {
            Self::Group(group) => group,
            Self::Open(_) => return,
            Self::Element(plan) => {
                plan.attributes.iter().for_each(|attribute| take(attribute.source.as_ref()));
                match &plan.content {
                    Content::Simple(_, source) => return take(source.as_ref()),
                    Content::Complex(group) => group,
                    Content::Unread(_) => return,
                }
            }
        };
        group.members.iter().for_each(|member| member.collect_fields(fields));
    }

    /// The filling by the bindings.
    pub fn filling(&self) -> &Filling {
        match self {
            Self::Element(plan) => &plan.filling,
            Self::Group(group) => &group.filling,
            Self::Open(open) => &open.filling,
        }
    }
}

impl Group {
    /// The elements of the group and of nested groups.
    pub fn elements(&self) -> Box<dyn Iterator<Item = &ElementPlan> + '_> {
        Box::new(self.members.iter().flat_map(|member| match member {
            Particle::Element(plan) => Box::new(std::iter::once(plan)) as Box<dyn Iterator<Item = &ElementPlan>>,
            Particle::Group(group) => group.elements(),
            Particle::Open(_) => Box::new(std::iter::empty()),
        }))
    }

    /// Does the group have an open place?
    pub fn is_open(&self) -> bool {
        self.members.iter().any(|member| match member {
            Particle::Element(_) => false,
            Particle::Group(group) => group.is_open(),
            Particle::Open(_) => true,
        })
    }
}
