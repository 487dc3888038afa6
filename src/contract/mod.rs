//! The SOAP contract: WSDL 1.1 and XML Schema in, bindings in, a compiled plan out, every fault with file and line.
//!
//! Nothing about SOAP messages is fixed in Rust code. A folder (or the copy embedded in the program) holds the
//! operator's WSDLs, their schemas, and `bindings.toml`, which says which operation each request type calls and which
//! element each parameter fills. At start all of it becomes a [`Contract`], or a list of [`Finding`]s:
//!
//! ```text
//! source     a file's bytes, decoded             bindings   bindings.toml as it is written
//! document   a file parsed, and all it imports   load       the whole: bindings, then one request after the other
//! node       an element in its context           request    one request type: its operation; messages: its paths
//! symbols    what a WSDL declares, by name       demand     what the paths want of a message
//! port       where an operation is offered       bind       a path through a message, and what fills its end
//! wsdl       an operation and its two messages   template   a text with values in it; operator: what changes them;
//!                                                           piece: XML with values in it; pieces: those of a request
//!                                                sample     can it ever fit? possible: the texts that a template makes
//! compile    elements; attribute: theirs    ─┐   cover      is every mandatory element covered; prefixes
//! particle   groups, and open places         ├─► plan       the plan of a message; group: of groups;
//! complex    complex types; types: simple;   │               filling: the sources of the values
//! array      those of encoded messages      ─┘   answer     rules for answers; verdict: their meaning
//! operation  what the rest of the gateway sees   compiled   the loaded contract; serve: its files over HTTP
//! ```
//!
//! Simple types stand on their own: `simple` (a type), `facet`, `value`, `duration`, `pattern`, `builtin`. `validate` checks a
//! message against its plan. `draft` guesses bindings.
//!
//! Rules: compilation begins at the operations in use; a declaration that no path leads to and no request needs is never a
//! fault. A needed declaration that is not supported is refused by name. A function that returns `Reported` has reported why.

mod answer;
mod array;
mod attribute;
mod batch;
mod bind;
mod bindings;
mod builtin;
mod coalesce;
mod compile;
mod compiled;
mod complex;
mod cover;
mod demand;
mod document;
mod draft;
mod duration;
mod facet;
mod filling;
mod finding;
mod group;
mod load;
mod messages;
mod node;
mod operation;
mod operator;
mod particle;
mod path;
mod pattern;
mod piece;
mod pieces;
mod plan;
mod port;
mod possible;
mod request;
mod sample;
mod serve;
mod simple;
mod source;
mod symbols;
mod template;
mod types;
pub mod validate;
mod value;
mod verdict;
mod wsdl;

#[cfg(test)]
pub(crate) mod tests;

/// The contract in use. A replacement does not touch contracts that calls under way have loaded.
pub type CurrentContract = std::sync::Arc<arc_swap::ArcSwap<Contract>>;

pub use compiled::{Contract, Service};
pub use draft::{DraftOrder, draft};
pub use finding::{Finding, Location};
pub use operation::{BoundField, Operation, Resend, SoapVersion};
pub use path::header_steps;
pub use piece::Piece;
pub use plan::{
    AttributePlan, Compositor, Content, ElementPlan, Filling, Group, Message, Namespaces, Occurs, OpenPlan, Particle,
    TypeName, ValueSource, WhenEmpty,
};
pub use simple::SimpleType;
pub use source::ContractSource;
pub use template::{SENDING, SESSION, Template, is_of_sending, secret_name};
pub use verdict::{FaultParts, Verdicts};
