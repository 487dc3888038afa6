//! What happened to a request, in order: every attempt at sending it, and whatever else was found or decided.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// One attempt at sending.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Counted from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: i64,
    /// Was the body handed to a connection?
    pub sent: bool,
    /// HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
    /// The answer's body as text; it may be large.
    pub response: Option<Arc<str>>,
    /// Its Content-Type.
    pub content_type: Option<String>,
}

/// What else can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum EventKind {
    /// A query looked into the doubt.
    Verified,
    /// The doubt was not resolved in time, and the cards were let go.
    GaveUp,
    /// An operator ordered a resend.
    Retried,
    /// An operator cancelled the request.
    Cancelled,
    /// An operator resolved the doubt.
    Resolved,
    /// An operator had the content submitted as a new request.
    Resubmitted,
    /// The request has the content of an earlier one.
    Resubmission,
}

/// Anything else than an attempt.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: EventKind,
    /// Which operator, where it was one.
    pub user: Option<String>,
    /// The operator's reason, or what was found.
    pub text: Option<String>,
    /// How long a query took.
    pub duration_ms: Option<i64>,
    /// HTTP status of a query's answer.
    pub http_status: Option<u16>,
    /// The query.
    pub request: Option<String>,
    /// Its answer.
    pub response: Option<String>,
}

impl Event {
    /// An event without a query.
    pub fn new(at: DateTime<Utc>, kind: EventKind, user: Option<&str>, text: Option<&str>) -> Self {
        let (user, text) = (user.map(str::to_owned), text.map(str::to_owned));
        Self { at, kind, user, text, duration_ms: None, http_status: None, request: None, response: None }
    }
}
