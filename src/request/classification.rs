//! What an answer of Conax says became of a request.

use super::record::word_enum;

word_enum! {
    /// The class of an answer. The bindings give one of the first three to each status and fault code; the others come from
    /// HTTP answers without a SOAP message.
    Classification {
        /// Conax did it.
        Completed = "completed",
        /// Conax did not do it, and will not.
        Rejected = "rejected",
        /// Conax did not do it, but may later.
        RetryLater = "retry_later",
        /// Something before Conax refused it, by its HTTP status.
        HttpRejected = "http_rejected",
        /// Something before Conax is too busy, by its HTTP status.
        Overloaded = "overloaded",
        /// Nothing that can be relied on.
        Unknown = "unknown",
    }
}
