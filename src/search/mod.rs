//! The language in which a person searches the traffic: terms such as `type:create_pairing card:0145* -state:completed`
//! and free text, which must all hold. The meaning of each term is here; `read` reads a search, and the store carries the
//! search out.

mod moment;
mod pattern;
mod read;

use chrono::{DateTime, Utc};

use crate::request::State;
use crate::words::Word as _;

pub use self::moment::parse_moment;
pub use self::pattern::{Pattern, Patterns};
pub use self::read::SearchFault;

/// A search; the default finds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The terms, all of which must hold.
    pub terms: Vec<Term>,
    /// Not before this moment.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// A term of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Must the condition not hold?
    pub is_negated: bool,
    /// The condition.
    pub condition: Condition,
}

/// The condition of a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The request type, or the SOAP operation.
    Type(Patterns),
    /// The state of the request or exchange.
    State(Vec<Standing>),
    /// Any smartcard of the request or exchange.
    Card(Patterns),
    /// Any set-top box of the request or exchange.
    Stb(Patterns),
    /// A code of the failure, or a part of the failure's words.
    Fault(Patterns),
    /// The HTTP status of the last answer.
    Status(Patterns),
    /// Conax's reference number.
    Reference(Patterns),
    /// The number of the request or exchange.
    Number(i64),
    /// A text that a note of an operator contains.
    Note(Patterns),
    /// The last attempt took longer than so many milliseconds, or less.
    Duration {
        /// Longer.
        is_longer: bool,
        /// Than this.
        millis: i64,
    },
    /// A text that any of the record's texts contains.
    Text(Patterns),
}

/// The state of a request or an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The state of a request.
    Request(State),
    /// A request that was sent, and may have worked.
    InDoubt,
    /// A request in doubt that waits for an operator's decision.
    NeedsOperator,
    /// Passed through to its end.
    Passed,
    /// Passed through, and something went wrong below SOAP.
    Broken,
}

impl Standing {
    const ALL: [Self; 7] = [
        Self::Request(State::Pending),
        Self::Request(State::Completed),
        Self::Request(State::Rejected),
        Self::InDoubt,
        Self::NeedsOperator,
        Self::Passed,
        Self::Broken,
    ];

    /// A request in it was sent, and may have worked.
    pub fn is_doubt(self) -> bool {
        matches!(self, Self::InDoubt | Self::NeedsOperator)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request(state) => state.as_str(),
            Self::InDoubt => "IN_DOUBT",
            Self::NeedsOperator => "NEEDS_OPERATOR",
            Self::Passed => "PASSED",
            Self::Broken => "BROKEN",
        }
    }
}

impl Condition {
    /// May the condition hold for a request at one time, and not at another?
    fn can_change(&self) -> bool {
        !matches!(self, Self::Type(_) | Self::Card(_) | Self::Stb(_) | Self::Number(_))
    }
}

impl From<Condition> for Search {
    fn from(condition: Condition) -> Self {
        Self { terms: vec![Term { is_negated: false, condition }], ..Self::default() }
    }
}

impl Search {
    /// A further condition that must hold.
    pub fn require(&mut self, condition: Condition) {
        self.terms.push(Term { is_negated: false, condition });
    }

    /// The search without what a request may come to fulfil later, or no longer.
    #[must_use]
    pub fn without_changing_terms(mut self) -> Self {
        self.terms.retain(|term| !term.condition.can_change());
        self
    }

    /// The conditions that must hold, as opposed to those that must not.
    pub fn required(&self) -> impl Iterator<Item = &Condition> {
        self.terms.iter().filter(|term| !term.is_negated).map(|term| &term.condition)
    }
}
