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
    /// The number of the part that was sent, counted from 1; `None` if the request has no parts.
    pub part: Option<u32>,
    /// The joint call, if the attempt was made for several requests.
    pub joint_call: Option<Arc<JointCall>>,
    /// When the attempt began.
    pub started_at: DateTime<Utc>,
    /// Duration of the attempt in milliseconds.
    pub duration_ms: i64,
    /// The timings of the call, if a call was made.
    pub timings: Option<Timings>,
    /// Was the body handed to a connection?
    pub sent: bool,
    /// HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The failure below SOAP.
    pub error: Option<String>,
    /// The answer's body as text; it may be large.
    pub response: Option<Arc<str>>,
    /// Content-Type of the answer.
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
    /// Conax refused the request because its session had ended; the request is sent again.
    SessionEnded,
    /// The doubt was not resolved in time, and is left to an operator; later requests for the cards went on.
    GaveUp,
    /// An operator ordered a resend.
    Retried,
    /// An operator cancelled the request.
    Cancelled,
    /// An operator resolved the doubt.
    Resolved,
    /// An operator had the content submitted as a new request.
    Resubmitted,
    /// The request repeats the content of an earlier request.
    Resubmission,
    /// An operator wrote a note.
    Noted,
}

/// An event other than an attempt.
#[derive(Clone, Debug)]
pub struct Event {
    /// When the event happened.
    pub at: DateTime<Utc>,
    /// Kind of the event.
    pub kind: EventKind,
    /// The operator, if an operator decided.
    pub user: Option<String>,
    /// The operator's reason, or the result of a verification.
    pub text: Option<String>,
    /// Duration of a query in milliseconds.
    pub duration_ms: Option<i64>,
    /// HTTP status of a query's answer.
    pub http_status: Option<u16>,
    /// The SOAP request of a query.
    pub request: Option<String>,
    /// The query's answer.
    pub response: Option<String>,
}

impl Event {
    /// An event without a query.
    pub fn new(at: DateTime<Utc>, kind: EventKind, user: Option<&str>, text: Option<&str>) -> Self {
        let (user, text) = (user.map(str::to_owned), text.map(str::to_owned));
        Self { at, kind, user, text, duration_ms: None, http_status: None, request: None, response: None }
    }
}
