//! A client's own request on its way to upstream. Its body is handed to one connection at most.
//!
//! Rule: a body is handed over once at most, so that the request is sent once at most; until then another base URL may be
//! tried. Only headers that concern one connection are left out (RFC 9110, 7.6.1).

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

/// The error that ended a body early.
pub type PassThroughError = io::Error;
/// The result of polling a body.
pub type PolledFrame = Poll<Option<Result<Frame<Bytes>, PassThroughError>>>;
/// A body that is passed through.
pub type PassThroughBody = UnsyncBoxBody<Bytes, PassThroughError>;
/// Upstream's answer to a client's own request, streaming.
pub type PassThroughAnswer = Response<PassThroughBody>;

/// A client's own SOAP request, passed through unchanged.
#[derive(Clone, Debug)]
pub struct PassThroughRequest {
    /// HTTP verb.
    pub method: Method,
    /// Path below the base URL, and query, as the client wrote them.
    pub path: String,
    /// The client's headers, Host among them; a transport leaves out headers that concern one connection.
    pub headers: HeaderMap,
    /// hyper's extensions of the request: the spelling of each header's name.
    pub extensions: Extensions,
    /// The body; clones of the request share it.
    pub body: RequestBody,
    /// Measures the timings of the exchange.
    pub stopwatch: Stopwatch,
}

/// The body of a request: only the first connection that asks gets it.
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
    /// A body that was not taken yet.
    pub fn new(body: impl Body<Data = Bytes, Error = PassThroughError> + Send + 'static) -> Self {
        let (is_empty, size_hint) = (body.is_end_stream(), body.size_hint());
        let body = Some(body.boxed_unsync());
        let state = State { body, moved_at: Instant::now(), waits_for_client: false };
        Self(Arc::new(Shared { is_empty, size_hint, state: Mutex::new(state) }))
    }

    /// Takes the body, for a transport that reads it directly; `None` if it was taken before.
    pub fn take(&self) -> Option<PassThroughBody> {
        self.state().body.take()
    }

    /// Was the body taken?
    pub(super) fn is_taken(&self) -> bool {
        self.state().body.is_none()
    }

    /// Is the body empty, so that no connection ever asks for it?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty
    }

    /// When upstream will have been silent for `limit`; the time in which the gateway waits for the client does not count.
    pub(super) fn deadline(&self, limit: Duration) -> Instant {
        let state = self.state();
        (if state.waits_for_client { Instant::now() } else { state.moved_at }) + limit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body as one connection sees it: taken when the connection first asks for it.
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
