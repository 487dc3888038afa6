//! The compiled plan of a message: the whole tree of elements it may hold, each knowing which parameter fills it.
//!
//! Types are expanded in place (a recursive type is refused when compiling), so encoding, decoding and validating are
//! each one walk over this tree. Nothing here knows an operation or an element by name.

use std::sync::Arc;

use super::simple::SimpleType;
use crate::xml::Name;

/// Where something is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File, relative to the contract's folder.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
}

/// How often something may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurs {
    /// At least.
    pub min: u32,
    /// At most; `None` is unbounded.
    pub max: Option<u32>,
}

impl Occurs {
    /// Exactly once.
    pub const ONCE: Self = Self { min: 1, max: Some(1) };

    /// May it occur more than once?
    pub fn is_many(self) -> bool {
        self.max != Some(1) && self.max != Some(0)
    }
}

/// What fills a simple value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A parameter, by name.
    Field(String),
    /// Always the same text, from the bindings or fixed by the schema.
    Constant(String),
}

/// One element of a message.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Expanded name; no namespace when the schema leaves it unqualified.
    pub name: Name,
    /// The name as written: prefix (of [`Message::prefixes`]) and local name.
    pub tag: String,
    /// How often, inside its parent.
    pub occurs: Occurs,
    /// May it carry `xsi:nil`?
    pub nillable: bool,
    /// Attributes it may carry.
    pub attributes: Vec<AttributeShape>,
    /// What it holds.
    pub content: Content,
    /// For a repeatable element: the parameters whose n-th value goes into its n-th occurrence.
    pub steps: Vec<String>,
    /// Where it is declared.
    pub place: Place,
}

/// What an element holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text of a simple type.
    Simple {
        /// The type.
        simple: Arc<SimpleType>,
        /// What fills it; `None` where nothing is bound.
        source: Option<Source>,
    },
    /// Elements; an empty group for an element without content.
    Complex(Group),
}

/// An attribute of an element.
#[derive(Clone, Debug)]
pub struct AttributeShape {
    /// Expanded name; no namespace when unqualified.
    pub name: Name,
    /// The name as written.
    pub tag: String,
    /// Must it be there?
    pub required: bool,
    /// The type of its value.
    pub simple: Arc<SimpleType>,
    /// What fills it.
    pub source: Option<Source>,
}

/// How the members of a group stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// One after the other.
    Sequence,
    /// One of them.
    Choice,
    /// Each, in any order.
    All,
}

/// A model group.
#[derive(Clone, Debug)]
pub struct Group {
    /// How its members stand to each other.
    pub kind: GroupKind,
    /// How often, inside its parent.
    pub occurs: Occurs,
    /// Its members, in the order of the schema.
    pub members: Vec<Particle>,
    /// For a repeatable group: as [`Shape::steps`].
    pub steps: Vec<String>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub enum Particle {
    /// An element.
    Element(Shape),
    /// A nested group.
    Group(Group),
}

/// A whole message: the child of the SOAP body.
#[derive(Clone, Debug)]
pub struct Message {
    /// The body's child: the global element (document style) or the operation's wrapper (rpc style).
    pub root: Shape,
    /// Prefix and namespace of every namespace used, to be declared on the root.
    pub prefixes: Vec<(String, Arc<str>)>,
}
