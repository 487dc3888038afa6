//! The body of a request that is passed through, with limits on size and time. If the connection to upstream drops the
//! body, its rest is returned, and can be read to the end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use tokio::sync::oneshot;

use crate::upstream::{IdleTimeoutBody, PassThroughError, PolledFrame};

/// Why a body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body is larger than the limit.
    TooLarge,
    /// The next piece did not come in time.
    TooSlow,
    /// The client ended the body early, or its framing is wrong.
    Gone,
}

/// A request body with limits.
pub(super) struct LimitedBody {
    body: Option<IdleTimeoutBody<Incoming>>,
    left: usize,
    broken: Arc<OnceLock<BodyError>>,
    give_back: Option<oneshot::Sender<IdleTimeoutBody<Incoming>>>,
}

/// The other end of a [`LimitedBody`].
pub(super) struct BodyOutcome {
    broken: Arc<OnceLock<BodyError>>,
    given_back: oneshot::Receiver<IdleTimeoutBody<Incoming>>,
}

impl LimitedBody {
    /// A body of at most `limit` bytes, that waits at most `pace` for each piece.
    pub(super) fn new(body: Incoming, limit: usize, pace: Duration) -> (Self, BodyOutcome) {
        let broken = Arc::new(OnceLock::new());
        let (give_back, given_back) = oneshot::channel();
        let outcome_of_body = BodyOutcome { broken: Arc::clone(&broken), given_back };
        (
            Self { body: Some(IdleTimeoutBody::new(body, pace)), left: limit, broken, give_back: Some(give_back) },
            outcome_of_body,
        )
    }

    fn check(&mut self, frame: Result<Frame<Bytes>, PassThroughError>) -> Result<Frame<Bytes>, PassThroughError> {
        let (broken, error) = match frame {
            Ok(frame) => match self.left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => {
                    self.left = left;
                    return Ok(frame);
                }
                None => (BodyError::TooLarge, io::Error::other("the body is too large")),
            },
            Err(error) if error.kind() == io::ErrorKind::TimedOut => (BodyError::TooSlow, error),
            Err(error) => (BodyError::Gone, error),
        };
        self.broken.get_or_init(|| broken);
        Err(error)
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = PassThroughError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| self.check(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for LimitedBody {
    fn drop(&mut self) {
        if let (Some(body), Some(give_back)) = (self.body.take(), self.give_back.take()) {
            // Without a receiver the rest is dropped with the connection.
            drop(give_back.send(body));
        }
    }
}

impl BodyOutcome {
    /// Why the body broke off, if it did.
    pub(super) fn broken(&self) -> Option<BodyError> {
        self.broken.get().copied()
    }

    /// Waits for the rest of the body, until the connection drops the body.
    pub(super) async fn rest(self) -> Option<IdleTimeoutBody<Incoming>> {
        self.given_back.await.ok()
    }
}
