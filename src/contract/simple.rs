//! Simple types: compiled conditions on a value, and their description in words.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::facet::{Facet, FacetSet};
use super::value::Primitive;

/// The type of a value: a built-in type, a restriction of another type, a list, or a union.
#[derive(Clone, Debug)]
pub struct SimpleType {
    name: Option<&'static str>,
    base: Option<Arc<SimpleType>>,
    item: Option<Arc<SimpleType>>,
    /// The types of a union; empty for all else.
    members: Vec<Arc<SimpleType>>,
    primitive: Primitive,
    white_space: WhiteSpace,
    facets: Vec<Facet>,
}

/// The type whose values may also be elements; every text is a value.
pub(super) const ANY_TYPE: &str = "anyType";

/// The treatment of white space before a value is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub(super) enum WhiteSpace {
    Preserve,
    Replace,
    Collapse,
}

impl SimpleType {
    /// A type with a lexical form and no facets.
    pub(super) fn of_primitive(name: &'static str, primitive: Primitive) -> Self {
        let white_space = if primitive == Primitive::Text { WhiteSpace::Preserve } else { WhiteSpace::Collapse };
        Self {
            name: Some(name),
            base: None,
            item: None,
            members: Vec::new(),
            primitive,
            white_space,
            facets: Vec::new(),
        }
    }

    /// A built-in type derived from another.
    pub(super) fn named(name: &'static str, base: Arc<SimpleType>, facets: FacetSet) -> Self {
        Self { name: Some(name), ..Self::restriction(base, facets) }
    }

    /// A restriction of another type.
    pub(super) fn restriction(base: Arc<SimpleType>, set: FacetSet) -> Self {
        Self {
            name: None,
            item: base.item.clone(),
            members: base.members.clone(),
            primitive: base.primitive,
            white_space: set.white_space.unwrap_or(base.white_space),
            facets: set.facets,
            base: Some(base),
        }
    }

    /// A list of values, separated by white space.
    pub(super) fn list(item: Arc<SimpleType>) -> Self {
        let (primitive, white_space) = (Primitive::Text, WhiteSpace::Collapse);
        let (item, members) = (Some(item), Vec::new());
        Self { name: None, base: None, item, members, primitive, white_space, facets: Vec::new() }
    }

    /// A union of types; each member treats white space itself.
    pub(super) fn union(members: Vec<Arc<SimpleType>>) -> Self {
        let (primitive, white_space) = (Primitive::Text, WhiteSpace::Preserve);
        Self { name: None, base: None, item: None, members, primitive, white_space, facets: Vec::new() }
    }

    /// Is the type `xs:anyType`, whose values may be elements?
    pub fn is_any_type(&self) -> bool {
        self.name == Some(ANY_TYPE)
    }

    /// The type of a list's items.
    pub fn item(&self) -> Option<&SimpleType> {
        self.item.as_deref()
    }

    /// The values of an enumeration; empty for any other type.
    pub(super) fn enumerated(&self) -> &[String] {
        let own = self.facets.iter().find_map(|facet| match facet {
            Facet::Enumeration(values) => Some(values.as_slice()),
            _ => None,
        });
        let others = self.base.iter().chain(&self.members);
        own.unwrap_or_else(|| {
            others.map(|other| other.enumerated()).find(|values| !values.is_empty()).unwrap_or_default()
        })
    }

    /// Are the values listed?
    pub(super) fn is_enumerated(&self) -> bool {
        !self.enumerated().is_empty()
    }

    /// Checks a value as it stands in a document.
    ///
    /// # Errors
    /// The requirement that the value does not meet: "must be …".
    pub fn check(&self, text: &str) -> Result<(), String> {
        self.check_normalised(&self.normalise(text))
    }

    /// The text to be written: as given, or with normalised white space if only then valid, since not every reader
    /// normalises.
    ///
    /// # Errors
    /// As [`SimpleType::check`].
    pub fn accept<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, String> {
        let normalised = self.normalise(text);
        self.check_normalised(&normalised)?;
        match normalised {
            Cow::Owned(_) if self.check_normalised(text).is_ok() => Ok(Cow::Borrowed(text)),
            accepted => Ok(accepted),
        }
    }

    /// Can a text of so many characters be a value, as far as lengths tell?
    ///
    /// # Errors
    /// As [`SimpleType::check`].
    pub(super) fn check_lengths(&self, least: usize, most: usize) -> Result<(), String> {
        if self.primitive != Primitive::Text || self.item.is_some() || !self.members.is_empty() {
            return Ok(());
        }
        // Collapsed white space makes a text shorter.
        let least = if self.white_space == WhiteSpace::Collapse { 0 } else { least };
        self.base.as_ref().map_or(Ok(()), |base| base.check_lengths(least, most))?;
        match self.facets.iter().find(|facet| !facet.may_hold(least, most)) {
            Some(facet) => Err(format!("must be {}", facet.description(self))),
            None => Ok(()),
        }
    }

    fn check_normalised(&self, text: &str) -> Result<(), String> {
        match (&self.base, &self.item) {
            (Some(base), _) => base.check_normalised(text)?,
            (None, Some(item)) => text.split(' ').filter(|i| !i.is_empty()).try_for_each(|i| item.check(i))?,
            (None, None) if self.members.is_empty() => {
                self.primitive.check(text).map_err(|must| format!("must be {must}"))?;
            }
            (None, None) if self.members.iter().any(|member| member.check(text).is_ok()) => {}
            (None, None) => return Err(format!("must be {self}")),
        }
        match self.facets.iter().find(|facet| !facet.holds(self, text)) {
            Some(facet) => Err(format!("must be {}", facet.description(self))),
            None => Ok(()),
        }
    }

    /// The truth of a value of xs:boolean; `None` for every other type.
    pub fn truth(&self, normalised: &str) -> Option<bool> {
        match normalised {
            "true" | "1" if self.primitive == Primitive::Boolean => Some(true),
            "false" | "0" if self.primitive == Primitive::Boolean => Some(false),
            _ => None,
        }
    }

    /// The value without the white space that makes no difference.
    pub fn normalise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_other_space = |c: char| matches!(c, '\t' | '\n' | '\r');
        match self.white_space {
            WhiteSpace::Preserve => Cow::Borrowed(text),
            WhiteSpace::Replace if text.contains(is_other_space) => Cow::Owned(text.replace(is_other_space, " ")),
            WhiteSpace::Collapse
                if text.contains(is_other_space)
                    || text.starts_with(' ')
                    || text.ends_with(' ')
                    || text.contains("  ") =>
            {
                let words = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
                Cow::Owned(words.collect::<Vec<_>>().join(" "))
            }
            WhiteSpace::Replace | WhiteSpace::Collapse => Cow::Borrowed(text),
        }
    }

    pub(super) fn primitive(&self) -> Primitive {
        self.primitive
    }

    /// The length of a value: in items, bytes or characters.
    pub(super) fn length(&self, text: &str) -> usize {
        match self.item {
            Some(_) => text.split(' ').filter(|item| !item.is_empty()).count(),
            None => self.primitive.length(text),
        }
    }

    /// The unit of lengths.
    pub(super) fn unit(&self) -> &'static str {
        match self.primitive {
            _ if self.item.is_some() => "item",
            Primitive::Hex | Primitive::Base64 => "byte",
            _ => "character",
        }
    }

    /// Are two normalised texts the same value?
    pub(super) fn is_same(&self, a: &str, b: &str) -> bool {
        let is_same_of =
            |member: &Arc<Self>| member.check(a).is_ok() && member.check(b).is_ok() && member.is_same(a, b);
        match self.members.as_slice() {
            [] => a == b || (self.item.is_none() && self.primitive.is_same(a, b)),
            members => a == b || members.iter().any(is_same_of),
        }
    }
}

/// The type in words: `string, at least 1 character, at most 64 characters`.
impl fmt::Display for SimpleType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            return f.write_str(name);
        }
        match (&self.base, &self.item) {
            (Some(base), _) => write!(f, "{base}")?,
            (None, Some(item)) => write!(f, "list of {item}")?,
            (None, None) => {
                let members: Vec<String> = self.members.iter().map(|member| format!("({member})")).collect();
                f.write_str(&members.join(" or "))?;
            }
        }
        self.facets.iter().try_for_each(|facet| write!(f, ", {}", facet.description(self)))
    }
}
