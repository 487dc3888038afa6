//! A client's own request, as it is carried on: its parts, and its body, which is handed to a connection once at most.
//!
//! Rule: a body that was handed over is never handed over again, so the request is sent once at most; while it was not,
//! another base URL may be tried. Only headers that concern one connection are left out (RFC 9110, 7.6.1).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::http::Extensions;
use hyper::{HeaderMap, Method, Response};
use tokio::time::{Duration, Instant};

use super::stopwatch::{Note, Stopwatch};
use super::tracked_body::SentMarker;

/// The error with which a body broke off.
pub type PassThroughError = io::Error;
/// The result of polling a body.
pub type PolledFrame = Poll<Option<Result<Frame<Bytes>, PassThroughError>>>;
/// A body on its way.
pub type PassThroughBody = UnsyncBoxBody<Bytes, PassThroughError>;
/// Upstream's answer to a client's own request, as it comes.
pub type PassThroughAnswer = Response<PassThroughBody>;

/// A client's own SOAP request on its way, unchanged.
#[derive(Clone, Debug)]
pub struct PassThroughRequest {
    /// HTTP verb.
    pub method: Method,
    /// Path below the base URL, and query, as the client wrote them.
    pub path: String,
    /// Headers as they came, Host among them; a transport leaves out what concerns one connection only.
    pub headers: HeaderMap,
    /// The server's notes on the headers: how each name was written.
    pub extensions: Extensions,
    /// The body; clones share it.
    pub body: RequestBody,
    /// Measures how the time of the exchange goes by.
    pub stopwatch: Stopwatch,
}

/// The body of a request: whoever takes it first has it.
#[derive(Clone, Debug)]
pub struct RequestBody(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    is_empty: bool,
    size_hint: SizeHint,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    body: Option<PassThroughBody>,
    moved_at: Instant,
    waits_for_client: bool,
}

impl RequestBody {
    /// A body that nobody has taken yet.
    pub fn new(body: impl Body<Data = Bytes, Error = PassThroughError> + Send + 'static) -> Self {
        let (is_empty, size_hint) = (body.is_end_stream(), body.size_hint());
        let body = Some(body.boxed_unsync());
        let state = State { body, moved_at: Instant::now(), waits_for_client: false };
        Self(Arc::new(Shared { is_empty, size_hint, state: Mutex::new(state) }))
    }

    /// Takes it, for a transport that reads it by itself; `None` if it was taken.
    pub fn take(&self) -> Option<PassThroughBody> {
        self.state().body.take()
    }

    /// Was it handed over?
    pub(super) fn is_taken(&self) -> bool {
        self.state().body.is_none()
    }

    /// Has it nothing in it, so that no connection ever asks for it?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty
    }

    /// When upstream has been silent for `limit`: while we wait for the client, it is not upstream that is silent.
    pub(super) fn deadline(&self, limit: Duration) -> Instant {
        let state = self.state();
        (if state.waits_for_client { Instant::now() } else { state.moved_at }) + limit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body as one connection has it: taken when the connection first asks for it.
pub(super) struct OnceBody {
    source: RequestBody,
    mark: SentMarker,
    stopwatch: Stopwatch,
    taken: Option<PassThroughBody>,
}

impl OnceBody {
    pub(super) fn new(source: &RequestBody, stopwatch: &Stopwatch) -> (Self, SentMarker) {
        let mark = SentMarker::default();
        source.state().moved_at = Instant::now();
        (Self { source: source.clone(), mark: mark.clone(), stopwatch: stopwatch.clone(), taken: None }, mark)
    }
}

impl Body for OnceBody {
    type Data = Bytes;
    type Error = PassThroughError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        if this.taken.is_none() {
            this.taken = if this.mark.take() { this.source.take() } else { None };
        }
        let Some(body) = &mut this.taken else {
            return Poll::Ready(Some(Err(io::Error::other("the request was withdrawn"))));
        };
        let polled = Pin::new(body).poll_frame(cx);
        let mut state = this.source.state();
        state.waits_for_client = polled.is_pending();
        state.moved_at = Instant::now();
        drop(state);
        let frame = ready!(polled);
        this.stopwatch.note(Note::Sent);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.taken.as_ref().map_or(self.source.0.is_empty, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.taken.as_ref().map_or(self.source.0.size_hint, Body::size_hint)
    }
}
