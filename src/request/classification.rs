//! The classification of an answer: whether Conax did the request.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// The class of an answer. The bindings give one of the first four to each status and fault code; the others come from
/// HTTP answers without a SOAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Classification {
    /// Conax did it.
    Completed,
    /// Conax did not do it, and will not.
    Rejected,
    /// Conax did not do it, but may later.
    RetryLater,
    /// Conax did not do it, because the session that the request was sent in has ended.
    SessionEnded,
    /// A server in front of Conax refused the request, by its HTTP status.
    HttpRejected,
    /// A server in front of Conax is overloaded, by its HTTP status.
    Overloaded,
    /// The answer does not tell.
    Unknown,
}
