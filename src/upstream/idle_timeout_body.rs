//! A body that breaks off if its sender takes too long for a piece.
//!
//! The time runs only while the reader waits for a piece: a slow reader costs the sender nothing.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, SizeHint};
use tokio::time::{Duration, Sleep};

use super::pass_through::{PassThroughError, PolledFrame};

/// A body whose every piece comes within the limit, or that breaks off with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub struct IdleTimeoutBody<B> {
    body: B,
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<B> IdleTimeoutBody<B> {
    /// Wraps a body; `limit` is the time for each piece.
    pub fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, sleep: None }
    }
}

impl<B> Body for IdleTimeoutBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = PassThroughError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.sleep = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let limit = this.limit;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| {
            let words = format!("nothing came for {} s", limit.as_secs_f64());
            Some(Err(io::Error::new(io::ErrorKind::TimedOut, words)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
