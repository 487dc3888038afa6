//! Model groups of a plan: the order and the occurrences of the elements inside an element.

use std::sync::Arc;

use super::filling::{Filling, ValueSource};
use super::finding::{Finding, Location};
use super::piece::Piece;
use super::plan::{Content, ElementPlan};

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

impl Occurs {
    /// Exactly once.
    pub const ONCE: Self = Self { min: 1, max: Some(1) };

    /// Is more than a single occurrence allowed?
    pub fn is_many(self) -> bool {
        self.max.is_none_or(|max| max > 1)
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
