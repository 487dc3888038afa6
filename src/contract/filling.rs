//! How the bindings fill a plan: the source of each value, and the rule for an element or group without values.

use std::sync::Arc;

use super::piece::Piece;
use super::template::Template;

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
