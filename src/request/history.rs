//! The history of a request, in order: attempts, and events such as verifications and operators' decisions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::JointCall;
use crate::timings::Timings;

/// An attempt at sending a request.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Counted from 1.
    pub attempt: u32,
    /// The part that it was made at, counted from 1; `None` where the request has no parts.
    pub part: Option<u32>,
    /// The call, if it was made for other requests, too.
    pub joint_call: Option<Arc<JointCall>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Duration of the attempt in milliseconds.
    pub duration_ms: i64,
    /// How the time of its call went by, if one was made.
    pub timings: Option<Timings>,
    /// Was the body handed to a connection?
    pub sent: bool,
    /// HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The failure below SOAP.
    pub error: Option<String>,
    /// The answer's body as text; it may be large.
    pub response: Option<Arc<str>>,
    /// Its Content-Type.
    pub content_type: Option<String>,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum EventKind {
    /// A query asked Conax whether the request in doubt was done.
    Verified,
    /// A login went before the request.
    LoggedIn,
    /// The request was refused because its session had ended, and is sent again.
    SessionEnded,
    /// The doubt was not resolved in time, and later requests of the cards went on.
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
    /// An operator wrote something down.
    Noted,
}

/// An event other than an attempt.
#[derive(Clone, Debug)]
pub struct Event {
    /// When the event happened.
    pub at: DateTime<Utc>,
    /// Kind of the event.
    pub kind: EventKind,
    /// The operator, if one decided.
    pub user: Option<String>,
    /// The operator's reason, or the result of a verification.
    pub text: Option<String>,
    /// Duration of a query in milliseconds.
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
