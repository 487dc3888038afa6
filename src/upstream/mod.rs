//! The way to Conax: one call is one exchange, and a failed call reports how far the request got.
//!
//! Rule: a transport never sends anything twice. The caller decides about another attempt by the report: a failed call
//! either was certainly not sent, or leaves the request in doubt.

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
    /// The SOAP request, as committed.
    pub body: Bytes,
    /// The call must not be sent twice. It gets a new connection, since an idle connection may be closed at the moment of
    /// its use; and once a connection took the call, nothing proves that the call did not arrive.
    pub once: bool,
    /// The request was sent before without an answer, perhaps because of its own content: the breaker does not count it.
    pub is_suspect: bool,
    /// The trace that the call belongs to.
    pub trace: Option<TraceContext>,
    /// Values in the body that must not be shown.
    pub secrets: Vec<Secret>,
    /// Measures the timings of the call.
    pub stopwatch: Stopwatch,
    /// The provisioning request of the call; `None` for a query of the gateway's own.
    pub about: Option<About>,
}

impl Call {
    /// A call of an operation with a body, for a request or for a query of the gateway's own.
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

/// The provisioning request of a call.
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
    /// Reason phrase as sent, or else the usual phrase.
    pub reason: String,
    /// Content-Type, if any.
    pub content_type: Option<String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Retry-After as sent: seconds or a date (RFC 9110, 10.2.3).
    pub retry_after: Option<String>,
    /// The recording that the answer was replayed from, if any.
    pub recorded: Option<Recorded>,
}

/// The error of a call that ran out of time, in the record and in the case.
pub const OUT_OF_TIME: &str = "no answer before the time to resolve the doubt was over";

/// The number of bytes that are kept of an answer that is not SOAP: such answers may be large and frequent.
pub const KEPT_BYTES: usize = 64 << 10;

/// A note that an answer of `came` bytes was cut; empty if all `kept` bytes of its text are kept.
pub fn cut_note(kept: usize, came: usize) -> String {
    match kept > KEPT_BYTES {
        true => format!("; only the beginning of the {came} bytes that came is kept"),
        false => String::new(),
    }
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// No byte of the request can have been processed: the request may be sent again.
    NotSent {
        /// The kind of failure.
        kind: FailureKind,
        /// The failure in words, with its cause.
        message: String,
    },
    /// The request, or a part of it, may have arrived.
    InDoubt {
        /// The failure in words, with its cause.
        message: String,
        /// The status, if the head of the answer came.
        status: Option<u16>,
        /// The part of the body that came.
        partial: Vec<u8>,
        /// Content-Type of the partial answer.
        content_type: Option<String>,
        /// Did the time run out, without any other fault?
        is_late: bool,
    },
    /// The gateway replays fixtures, and no case fits.
    NoFixture {
        /// The nearest case and its differences, in words.
        message: String,
    },
}

impl CallFailure {
    /// A request in doubt without any part of an answer.
    pub fn in_doubt(message: String, is_late: bool) -> Self {
        Self::InDoubt { message, status: None, partial: Vec::new(), content_type: None, is_late }
    }

    /// The failure in words, with its cause.
    pub fn message(&self) -> &str {
        match self {
            Self::NotSent { message, .. } | Self::InDoubt { message, .. } | Self::NoFixture { message } => message,
        }
    }
}

/// Why a request could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection: name, network, refusal, time-out.
    Connect,
    /// The TLS handshake failed: a certificate on one side, or no common version.
    Tls,
    /// There is no session, or no other value that the request must carry.
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
