//! The classification of an answer: whether Conax did the request.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// The class of an answer. The bindings map each status and fault code to one of the first four classes; the other
/// classes come from HTTP answers without a SOAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Classification {
    /// Conax did the request.
    Completed,
    /// Conax did not do the request, and will not.
    Rejected,
    /// Conax did not do the request, but may do it later.
    RetryLater,
    /// Conax did not do the request, because its session has ended.
    SessionEnded,
    /// A server in front of Conax refused the request, by its HTTP status.
    HttpRejected,
    /// A server in front of Conax is overloaded, by its HTTP status.
    Overloaded,
    /// The answer does not tell the outcome.
    Unknown,
}
