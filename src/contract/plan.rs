//! The compiled plan of a message: the whole tree of elements it may hold, each knowing what stands in it.
//!
//! Types are expanded in place, a recursive one as deep as the bindings lead, so encoding, decoding and validating are
//! each one walk over this tree. Nothing here knows an operation or an element by name.

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
    /// Is it encoded (SOAP 1.1, section 5), and not as its schema has it?
    pub is_encoded: bool,
    /// The namespaces that can be written, as the attributes that declare them: `xmlns:ns1` and the URI.
    pub declarations: Vec<(String, Arc<str>)>,
}

/// One element of a message.
#[derive(Clone, Debug)]
pub struct ElementPlan {
    /// Expanded name; no namespace when the schema leaves it unqualified.
    pub name: Name,
    /// The name as written: the prefix declared in [`Message::declarations`], and the local name.
    pub tag: String,
    /// How often, inside its parent.
    pub occurs: Occurs,
    /// May it carry `xsi:nil`?
    pub nillable: bool,
    /// The type that `xsi:type` names, where that is written.
    pub xsi_type: Option<Box<TypeName>>,
    /// For an array of an encoded message, the type of its items.
    pub array: Option<Box<TypeName>>,
    /// Is it a part of an encoded message? It is nil where it has no value, but not for want of a binding.
    pub is_part: bool,
    /// Attributes it may carry.
    pub attributes: Vec<AttributePlan>,
    /// May it carry others, too (`xs:anyAttribute`)?
    pub takes_any_attribute: bool,
    /// May text stand between its elements?
    pub is_mixed: bool,
    /// What it holds.
    pub content: Content,
    /// The value that it has when it is empty, from the schema (`default` or `fixed`).
    pub default: Option<String>,
    /// How it is filled.
    pub filling: Filling,
    /// Where it is declared.
    pub location: Location,
}

/// A type as `xsi:type` names it.
#[derive(Clone, Debug)]
pub struct TypeName {
    /// Its name.
    pub name: Name,
    /// For items of an array: how many arrays of arrays hold them (SOAP 1.1, 5.4.2: `[]` behind the name).
    pub ranks: usize,
    /// The name as written.
    pub tag: String,
}

/// What an element holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text of a simple type, and what stands in it.
    Simple(Arc<SimpleType>, Option<ValueSource>),
    /// Elements; an empty group for an element without content.
    Complex(Group),
    /// Nobody needs to know, so it is no fault that it is not understood: why it is not.
    Unread(Vec<Finding>),
}

/// An attribute of an element.
#[derive(Clone, Debug)]
pub struct AttributePlan {
    /// Expanded name; no namespace when unqualified.
    pub name: Name,
    /// The name as written.
    pub tag: String,
    /// Must it be there?
    pub required: bool,
    /// The type of its value; any text, if that is not understood.
    pub simple: Arc<SimpleType>,
    /// Why its type is not understood; nothing if it is.
    pub unread: Vec<Finding>,
    /// What stands in it.
    pub source: Option<ValueSource>,
    /// Where it is declared.
    pub location: Location,
}

/// What stands in a simple value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// A parameter of the request or a result of the answer, by name.
    Field(String),
    /// The same text always, from the bindings.
    Constant(String),
    /// A text with values in it, from the bindings.
    Template(Arc<Template>),
    /// A piece of XML, from the bindings.
    Piece(Arc<Piece>),
    /// The same text wherever its element is, from the schema (`fixed`).
    Fixed(String),
    /// The status code of an answer.
    Status,
    /// The reference number of an answer.
    Reference,
    /// The message of an answer.
    Message,
}

impl ValueSource {
    /// The texts with values in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Template(template) => vec![template],
            Self::Piece(piece) => piece.templates().collect(),
            _ => Vec::new(),
        }
    }

    /// The parameters or results that stand in it.
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
    /// How its members stand to each other.
    pub compositor: Compositor,
    /// How often, inside its parent.
    pub occurs: Occurs,
    /// Its members, in the order of the schema.
    pub members: Vec<Particle>,
    /// How it is filled.
    pub filling: Filling,
    /// Where it is declared.
    pub location: Location,
}

/// How the members of a group stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compositor {
    /// One after the other.
    Sequence,
    /// One of them.
    Choice,
    /// Each, in any order.
    All,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub enum Particle {
    /// An element.
    Element(ElementPlan),
    /// A nested group.
    Group(Group),
    /// A place for elements that are not known.
    Open(OpenPlan),
}

/// A place for elements that are not known: the schema leaves them open (`xs:any`), or they are not understood.
#[derive(Clone, Debug)]
pub struct OpenPlan {
    /// How often, inside its parent.
    pub occurs: Occurs,
    /// Namespaces that the elements may be in.
    pub namespaces: Namespaces,
    /// Must the elements be declared (`processContents="strict"`, the default)?
    pub is_strict: bool,
    /// Why it is not understood; nothing for `xs:any`.
    pub unread: Vec<Finding>,
    /// What is always written there, from the bindings.
    pub literal: Option<Arc<Piece>>,
    /// How it is filled.
    pub filling: Filling,
    /// Where it is declared.
    pub location: Location,
}

/// Namespaces that the elements of an `xs:any` may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Any, or none.
    Any,
    /// Any but this one, and not none.
    Other(Arc<str>),
    /// These; an empty one is none.
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

/// How often something may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurs {
    /// At least.
    pub min: u32,
    /// At most; `None` is unbounded.
    pub max: Option<u32>,
}

/// How an element or group is filled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filling {
    /// If it may repeat: the parameters whose n-th value goes into its n-th occurrence.
    pub repeat_by: Vec<String>,
    /// Do the bindings put anything in it or beneath it?
    pub is_bound: bool,
    /// What becomes of it where no parameter has a value.
    pub when_empty: WhenEmpty,
}

/// What becomes of an element or group where no parameter beneath it has a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhenEmpty {
    /// It cannot be written: it needs a parameter.
    #[default]
    NeedsValue,
    /// It can be written, and is where it is mandatory.
    IfRequired,
    /// It is written, mandatory or not: it holds a constant of the bindings.
    Write,
}

impl Occurs {
    /// Exactly once.
    pub const ONCE: Self = Self { min: 1, max: Some(1) };

    /// May it occur more than once?
    pub fn is_many(self) -> bool {
        self.max.is_none_or(|max| max > 1)
    }
}

impl TypeName {
    /// A name that is not written yet.
    pub(super) fn new(name: Name) -> Self {
        Self { name, ranks: 0, tag: String::new() }
    }
}

impl Message {
    /// Can it hold nothing?
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
    /// An element with a content and nothing else, once.
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

    /// The text of such an element: its own, or what an empty one stands for.
    pub fn text(&self, element: &Element) -> String {
        let text = element.text();
        match &self.default {
            Some(default) if text.is_empty() => default.clone(),
            _ => text,
        }
    }
}

impl Particle {
    /// How often it may occur.
    pub fn occurs(&self) -> Occurs {
        match self {
            Self::Element(plan) => plan.occurs,
            Self::Group(group) => group.occurs,
            Self::Open(open) => open.occurs,
        }
    }

    /// The parameters that stand in it or beneath it.
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

    /// How it is filled.
    pub fn filling(&self) -> &Filling {
        match self {
            Self::Element(plan) => &plan.filling,
            Self::Group(group) => &group.filling,
            Self::Open(open) => &open.filling,
        }
    }
}

impl Group {
    /// The elements it may hold, those of nested groups included.
    pub fn elements(&self) -> Box<dyn Iterator<Item = &ElementPlan> + '_> {
        Box::new(self.members.iter().flat_map(|member| match member {
            Particle::Element(plan) => Box::new(std::iter::once(plan)) as Box<dyn Iterator<Item = &ElementPlan>>,
            Particle::Group(group) => group.elements(),
            Particle::Open(_) => Box::new(std::iter::empty()),
        }))
    }

    /// May an element stand in it that no plan names?
    pub fn is_open(&self) -> bool {
        self.members.iter().any(|member| match member {
            Particle::Element(_) => false,
            Particle::Group(group) => group.is_open(),
            Particle::Open(_) => true,
        })
    }
}
