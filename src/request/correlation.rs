//! The ids that link an API call to other systems' logs and traces: the client's X-Request-Id, and W3C Trace Context
//! (<https://www.w3.org/TR/trace-context/>).
//!
//! Rule: an id from outside is kept only if it is short, and has no character with a meaning in logs, headers or pages.
//! Any other id counts as absent, and is no error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest X-Request-Id that is kept, in characters.
pub const REQUEST_ID_LENGTH: usize = 128;
/// The longest tracestate that is kept, in characters (3.3.1.5: at least 512 should be passed on).
const STATE_LENGTH: usize = 512;
/// The flag of traceparent for a trace whose spans are kept.
const SAMPLED: u8 = 1;
/// The known flags of traceparent: spans are kept, and the trace id is random (level 2, 3.2.2.5).
const KNOWN: u8 = 3;

/// The ids of the API call that created a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The id in the reply and the log: the client's, or else the gateway's own.
    pub request_id: String,
    /// The trace that the call belongs to.
    #[serde(flatten)]
    pub trace: Option<TraceContext>,
}

/// A position in a trace: the values of `traceparent` and `tracestate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The trace, and the span that is the parent of following spans.
    pub traceparent: TraceParent,
    /// Data of other tracing systems, passed on unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

/// A `traceparent` (3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceParent {
    /// 32 lower-case hex digits.
    pub trace_id: String,
    /// 16 lower-case hex digits.
    pub span_id: String,
    flags: u8,
}

/// Is an X-Request-Id short and safe enough to be kept?
pub fn is_request_id(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    (1..=REQUEST_ID_LENGTH).contains(&text.len()) && text.bytes().all(is_safe)
}

/// The id of a new span: 16 lower-case hex digits, not all of them 0.
pub fn new_span_id() -> String {
    format!("{:016x}", rand::random::<u64>().max(1))
}

impl TraceContext {
    /// A new trace, at its first span.
    pub fn root() -> Self {
        let trace_id = format!("{:032x}", rand::random::<u128>().max(1));
        Self { traceparent: TraceParent { trace_id, span_id: new_span_id(), flags: KNOWN }, tracestate: None }
    }

    /// A new span below this span.
    pub fn child(&self) -> Self {
        let traceparent = TraceParent { span_id: new_span_id(), ..self.traceparent.clone() };
        Self { traceparent, ..self.clone() }
    }

    /// Reads the two headers; `None` if `traceparent` is invalid.
    pub fn parse(traceparent: &str, tracestate: Option<String>) -> Option<Self> {
        let is_kept = |state: &String| {
            (1..=STATE_LENGTH).contains(&state.len()) && state.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        Some(Self { traceparent: TraceParent::parse(traceparent)?, tracestate: tracestate.filter(is_kept) })
    }
}

impl TraceParent {
    /// Does the system that began the trace keep its spans?
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Reads a traceparent of version 00 or later; later versions as if they were 00 (3.2.4).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '-');
        let (version, trace_id, span_id, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (flags, further) = (rest.get(..2)?, rest.get(2..)?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = |text: &str, length: usize| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
        let is_version = is_hex(version, 2) && version != "ff" && is_hex(flags, 2);
        let has_end = further.is_empty() || (version != "00" && further.starts_with('-'));
        if !(is_version && has_end && is_id(trace_id, 32) && is_id(span_id, 16)) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags & KNOWN)
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

impl TryFrom<String> for TraceParent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no traceparent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_the_recommendation_says() {
        for (text, expected) in [
            (PARENT, true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-may-come", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-may-come", false),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false),
            ("", false),
        ] {
            assert_eq!(TraceParent::parse(text).is_some(), expected, "{text}");
        }
        assert_eq!(TraceParent::parse(PARENT).unwrap().to_string(), PARENT);
        let long = TraceContext::parse(PARENT, Some("a=1,".repeat(200))).unwrap();
        assert_eq!(long.tracestate, None);
    }

    #[test]
    fn correlations_are_kept_as_json() {
        let trace = TraceContext::parse(PARENT, Some("a=1".to_owned()));
        for trace in [trace, None] {
            let correlation = Correlation { request_id: "r".to_owned(), trace };
            let json = serde_json::to_string(&correlation).unwrap();
            assert_eq!(serde_json::from_str::<Correlation>(&json).unwrap(), correlation, "{json}");
        }
    }

    #[test]
    fn an_id_that_could_mean_something_elsewhere_is_not_kept() {
        for (id, expected) in [
            ("a", true),
            ("0A1b-2_3.4:5/6+7=8@9", true),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a\nb", false),
            ("<b>", false),
            ("%0a", false),
            ("ü", false),
        ] {
            assert_eq!(is_request_id(id), expected, "{id}");
        }
    }
}
