//! The body of a request that is passed through: within its limits of size and time, and given back when it is not
//! wanted any more, so that the rest of it can be read away.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use tokio::sync::oneshot;

use crate::upstream::{ForwardError, Paced};

/// Why a body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is over the limit.
    TooLarge,
    /// The next piece did not come in time.
    TooSlow,
    /// The client broke it off, or wrote it wrong.
    Gone,
}

/// A request body with limits.
pub(super) struct Inbound {
    body: Option<Paced<Incoming>>,
    left: usize,
    broken: Arc<OnceLock<Broken>>,
    give_back: Option<oneshot::Sender<Paced<Incoming>>>,
}

/// The other end of an [`Inbound`].
pub(super) struct Fate {
    broken: Arc<OnceLock<Broken>>,
    given_back: oneshot::Receiver<Paced<Incoming>>,
}

impl Inbound {
    /// At most `limit` bytes, and `pace` for each piece.
    pub(super) fn new(body: Incoming, limit: usize, pace: Duration) -> (Self, Fate) {
        let broken = Arc::new(OnceLock::new());
        let (give_back, given_back) = oneshot::channel();
        let fate = Fate { broken: Arc::clone(&broken), given_back };
        (Self { body: Some(Paced::new(body, pace)), left: limit, broken, give_back: Some(give_back) }, fate)
    }

    fn check(&mut self, frame: Result<Frame<Bytes>, ForwardError>) -> Result<Frame<Bytes>, ForwardError> {
        let (broken, error) = match frame {
            Ok(frame) => match self.left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => {
                    self.left = left;
                    return Ok(frame);
                }
                None => (Broken::TooLarge, io::Error::other("the body is too large")),
            },
            Err(error) if error.kind() == io::ErrorKind::TimedOut => (Broken::TooSlow, error),
            Err(error) => (Broken::Gone, error),
        };
        self.broken.get_or_init(|| broken);
        Err(error)
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = ForwardError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ForwardError>>> {
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

impl Drop for Inbound {
    fn drop(&mut self) {
        if let (Some(body), Some(give_back)) = (self.body.take(), self.give_back.take()) {
            // Where nobody wants it, it goes with the connection.
            drop(give_back.send(body));
        }
    }
}

impl Fate {
    /// Why it broke off, if it did.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken.get().copied()
    }

    /// What is left of the body, once nobody reads it any more.
    pub(super) async fn rest(self) -> Option<Paced<Incoming>> {
        self.given_back.await.ok()
    }
}
