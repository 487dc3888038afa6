//! The way to Conax: one call, one exchange, and above all how far the bytes got.
//!
//! Rule: a transport never sends anything twice. Whether a request may be sent again is decided from what it reports:
//! a call that failed either was not sent, or there is doubt.

mod breaker;
mod connection;
mod fail_over;
mod failure;
mod idle_timeout_body;
mod live;
mod pass_through;
mod pass_through_client;
pub mod proxy_status;
mod reason;
mod recorded;
mod stopwatch;
mod tee;
mod tracked_body;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::contract::{Operation, Resend, SoapVersion};
use crate::request::{NewRequest, ProvisioningRequest, TraceContext};
use crate::secret::Secret;

pub use breaker::{BreakerRule, BreakerState};
pub use fail_over::FailOver;
pub use idle_timeout_body::IdleTimeoutBody;
pub use live::LiveTransport;
pub use pass_through::{
    PassThroughAnswer, PassThroughBody, PassThroughError, PassThroughRequest, PolledFrame, RequestBody,
};
pub use reason::{reason_of, usual_reason};
pub use recorded::{Recorded, SERVER_TIMING};
pub use stopwatch::Stopwatch;
pub use tee::{Captured, End, Tee, tee};

/// A SOAP request on its way.
#[derive(Clone, Debug)]
pub struct Call {
    /// Path of the service below the base URL.
    pub path: String,
    /// Content-Type, with charset.
    pub content_type: String,
    /// SOAPAction, quoted, for SOAP 1.1.
    pub soap_action: Option<String>,
    /// The envelope, as it was committed.
    pub body: Bytes,
    /// Must not be sent twice: the call gets a new connection, since an idle connection may be closed at the very
    /// moment of its use; and once a connection took the call, nothing proves that it did not arrive.
    pub once: bool,
    /// The request was sent before and not answered, perhaps by its own fault: the breaker does not count it.
    pub is_suspect: bool,
    /// The trace that the call belongs to.
    pub trace: Option<TraceContext>,
    /// Values in the body that may not be shown.
    pub secrets: Vec<Secret>,
    /// Measures how its time goes by.
    pub stopwatch: Stopwatch,
    /// The request that the call carries out; `None` for a query of the gateway's own.
    pub about: Option<About>,
}

impl Call {
    /// Sends a body to an operation, for a request or for a query of the gateway's own.
    ///
    /// SOAP 1.1 names the action in a header (Note SOAP 1.1, 6.1.1), SOAP 1.2 in the media type (RFC 3902).
    pub fn new(operation: &Operation, body: &str, request: Option<&ProvisioningRequest>) -> Self {
        let action = &operation.action;
        let content_type = operation.soap.content_type().to_owned();
        let (content_type, soap_action) = match operation.soap {
            SoapVersion::V11 => (content_type, Some(format!("\"{action}\""))),
            SoapVersion::V12 if action.is_empty() => (content_type, None),
            SoapVersion::V12 => (format!("{content_type}; action=\"{action}\""), None),
        };
        Self {
            path: operation.path.clone(),
            content_type,
            soap_action,
            body: Bytes::copy_from_slice(body.as_bytes()),
            once: operation.resend == Resend::Never,
            is_suspect: request.is_some_and(|request| request.in_doubt.is_some()),
            trace: request.and_then(|request| request.content.correlation.as_ref()?.trace.clone()),
            secrets: Vec::new(),
            stopwatch: Stopwatch::start(),
            about: request.map(|request| About { number: request.number, content: Arc::clone(&request.content) }),
        }
    }
}

/// The reason for a call.
#[derive(Clone, Debug)]
pub struct About {
    /// Number of the record.
    pub number: i64,
    /// The content of the request.
    pub content: Arc<NewRequest>,
}

/// A whole HTTP answer.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Reason phrase as sent, else the standard one.
    pub reason: String,
    /// Content-Type, if any.
    pub content_type: Option<String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Retry-After as it came: seconds or a date (RFC 9110, 10.2.3).
    pub retry_after: Option<String>,
    /// The recording that the answer was replayed from, if any.
    pub recorded: Option<Recorded>,
}

/// The error of a call whose time is over, in the record and in the case.
pub const OUT_OF_TIME: &str = "no answer before the time to resolve the doubt was over";

/// Bytes that are kept of an answer that says nothing as SOAP, at most: such a one may be as large as it likes, as often
/// as it likes.
pub const KEPT_BYTES: usize = 64 << 10;

/// A note that an answer of `came` bytes is cut; empty if the `kept` bytes of its text are all kept.
pub fn cut_note(kept: usize, came: usize) -> String {
    match kept > KEPT_BYTES {
        true => format!("; only the beginning of the {came} bytes that came is kept"),
        false => String::new(),
    }
}

/// The reason for the lack of a whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// No byte of the request can have been processed: the request may be sent again.
    NotSent {
        /// The kind of obstacle.
        kind: FailureKind,
        /// In words, with the cause.
        message: String,
    },
    /// The request, or a part of it, may have arrived.
    InDoubt {
        /// In words, with the cause.
        message: String,
        /// The status, if the answer got that far.
        status: Option<u16>,
        /// The part of the body that came.
        partial: Vec<u8>,
        /// Content-Type of that part.
        content_type: Option<String>,
        /// Did the time run out, with no other fault?
        is_late: bool,
    },
    /// The gateway replays fixtures, and no case fits.
    NoFixture {
        /// The nearest case and its differences, in words.
        message: String,
    },
}

impl CallFailure {
    /// A doubt without any part of an answer.
    pub fn in_doubt(message: String, is_late: bool) -> Self {
        Self::InDoubt { message, status: None, partial: Vec::new(), content_type: None, is_late }
    }

    /// In words, with the cause.
    pub fn message(&self) -> &str {
        match self {
            Self::NotSent { message, .. } | Self::InDoubt { message, .. } | Self::NoFixture { message } => message,
        }
    }
}

/// The obstacle that keeps a request from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection: name, network, refusal, time-out.
    Connect,
    /// The TLS handshake failed: a certificate on one side, or no common version.
    Tls,
    /// There is no session, or something else that the request must carry.
    Login,
}

/// Carries calls to Conax, over HTTP or from recorded cases.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Makes one call; never repeats it by itself.
    async fn call(&self, call: Call) -> Result<HttpAnswer, CallFailure>;
    /// Carries a client's own request, body and answer streaming; never repeats it by itself.
    async fn pass_through(&self, request: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure>;
    /// Do the breakers of all base URLs pause calls now?
    fn is_down(&self) -> bool;
    /// The state of each base URL's breaker.
    fn breakers(&self) -> Vec<(String, BreakerState)> {
        Vec::new()
    }
}
