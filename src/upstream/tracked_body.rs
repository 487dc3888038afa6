//! A request body that records whether a connection has taken it. Once it is asked and was not taken, no connection can
//! take it any more.
//!
//! hyper writes a request's head together with the first piece of its body. So before the body is taken, no byte of the
//! request was written; afterwards, some may have been.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::pass_through::{PassThroughError, PolledFrame};
use super::stopwatch::{Note, Stopwatch};

/// No connection has taken the body yet.
const UNTOUCHED: u8 = 0;
/// A connection has taken the body.
const TAKEN: u8 = 1;
/// The body was withdrawn before any connection took it.
const WITHDRAWN: u8 = 2;

/// Records whether the body was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct SentMarker(Arc<AtomicU8>);

impl SentMarker {
    /// Was the body taken? If not, the body is withdrawn.
    pub(super) fn is_taken(&self) -> bool {
        self.0.compare_exchange(UNTOUCHED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) == Err(TAKEN)
    }

    /// Takes the body, unless it was withdrawn.
    pub(super) fn take(&self) -> bool {
        self.0.compare_exchange(UNTOUCHED, TAKEN, Ordering::AcqRel, Ordering::Acquire) != Err(WITHDRAWN)
    }
}

/// The whole body in one piece.
pub(super) struct TrackedBody {
    data: Option<Bytes>,
    mark: SentMarker,
    stopwatch: Stopwatch,
}

impl TrackedBody {
    pub(super) fn new(data: Bytes, stopwatch: &Stopwatch) -> (Self, SentMarker) {
        let mark = SentMarker::default();
        (Self { data: Some(data), mark: mark.clone(), stopwatch: stopwatch.clone() }, mark)
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = PassThroughError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> PolledFrame {
        if !self.mark.take() {
            return Poll::Ready(Some(Err(io::Error::other("the request was withdrawn"))));
        }
        self.stopwatch.note(Note::Sent);
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |d| d.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_found_not_to_be_taken_is_taken_no_more() {
        let poll = |body: &mut TrackedBody| {
            Pin::new(body)
                .poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
                .map(|frame| frame.unwrap().is_ok())
        };
        let (mut body, mark) = TrackedBody::new(Bytes::from_static(b"x"), &Stopwatch::start());
        assert!(!mark.is_taken());
        assert_eq!(poll(&mut body), Poll::Ready(false));
        let (mut body, mark) = TrackedBody::new(Bytes::from_static(b"x"), &Stopwatch::start());
        assert_eq!(poll(&mut body), Poll::Ready(true));
        assert!(mark.is_taken() && mark.is_taken());
    }
}
