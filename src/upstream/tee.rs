//! A body that passes through, and leaves a copy of its beginning.
//!
//! Rule: the copy is handed over exactly once, whether the body is read to its end, breaks off or is dropped.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The copy of a body.
#[derive(Debug)]
pub struct Captured {
    /// The body's first bytes.
    pub bytes: Vec<u8>,
    /// How the body and its copy ended.
    pub end: End,
    /// The copy's share of the common budget, released when the copy is dropped.
    share: Share,
}

/// A share of a budget of bytes that many bodies have in common.
#[derive(Debug)]
struct Share {
    budget: Arc<Semaphore>,
    paid: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Takes `bytes` more from the budget; false if the budget does not have that many.
    fn pay(&mut self, bytes: usize) -> bool {
        let budget = Arc::clone(&self.budget);
        let Some(more) = u32::try_from(bytes).ok().and_then(|n| budget.try_acquire_many_owned(n).ok()) else {
            return false;
        };
        match &mut self.paid {
            Some(paid) => paid.merge(more),
            None => self.paid = Some(more),
        }
        true
    }
}

impl Captured {
    /// Enlarges the share, for data made from the copy; false if the budget does not have that many bytes.
    pub fn pay(&mut self, bytes: usize) -> bool {
        self.share.pay(bytes)
    }
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole body passed, and all of it was copied.
    Whole,
    /// The whole body passed, and only its beginning was copied.
    Truncated,
    /// The body ended early, with the cause in words; `None` if its reader simply left.
    BrokenOff(Option<String>),
}

/// A body with a copy made of it.
#[derive(Debug)]
pub struct Tee<B: Body> {
    body: B,
    copy: Option<Copy>,
}

#[derive(Debug)]
struct Copy {
    bytes: Vec<u8>,
    limit: usize,
    is_truncated: bool,
    share: Share,
    tell: oneshot::Sender<Captured>,
}

/// Copies up to `limit` bytes of a body that passes through, within a budget of bytes that many bodies share (one permit
/// per byte).
pub fn tee<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
    budget: &Arc<Semaphore>,
) -> (Tee<B>, oneshot::Receiver<Captured>) {
    let (tell, captured) = oneshot::channel();
    let share = Share { budget: Arc::clone(budget), paid: None };
    let copy = Copy { bytes: Vec::new(), limit, is_truncated: false, share, tell };
    (Tee { body, copy: Some(copy) }, captured)
}

impl Copy {
    fn keep(&mut self, data: &Bytes) {
        if self.is_truncated {
            return;
        }
        let fitting = data.get(..self.limit.saturating_sub(self.bytes.len())).unwrap_or(data);
        let is_paid = self.share.pay(fitting.len());
        self.is_truncated = !is_paid || fitting.len() < data.len();
        if is_paid {
            self.bytes.extend_from_slice(fitting);
        }
    }

    fn hand_over(self, end: End) {
        let end = if self.is_truncated && end == End::Whole { End::Truncated } else { end };
        // The receiver may have gone.
        drop(self.tell.send(Captured { bytes: self.bytes, end, share: self.share }));
    }
}

impl<B: Body> Tee<B> {
    fn end(&mut self, end: End) {
        if let Some(copy) = self.copy.take() {
            copy.hand_over(end);
        }
    }
}

impl<B> Body for Tee<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            None => this.end(End::Whole),
            Some(Err(error)) => this.end(End::BrokenOff(Some(error.to_string()))),
            Some(Ok(frame)) => {
                if let (Some(data), Some(copy)) = (frame.data_ref(), &mut this.copy) {
                    copy.keep(data);
                }
                // A reader that has all announced bytes, or the trailers, does not ask again.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.end(End::Whole);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> Drop for Tee<B> {
    fn drop(&mut self) {
        let end = if self.body.is_end_stream() { End::Whole } else { End::BrokenOff(None) };
        self.end(end);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn whatever_becomes_of_a_body_its_copy_is_handed_over() {
        let (body, ample) = (|| Full::new(Bytes::from_static(b"0123456789")), Arc::new(Semaphore::new(100)));
        let captured = |captured: oneshot::Receiver<Captured>| async {
            let captured = captured.await.unwrap();
            (captured.bytes, captured.end)
        };
        let (whole, copy) = tee(body(), 10, &ample);
        assert_eq!(whole.collect().await.unwrap().to_bytes().len(), 10);
        assert_eq!(captured(copy).await, (b"0123456789".to_vec(), End::Whole));
        let (whole, copy) = tee(body(), 4, &ample);
        assert_eq!(whole.collect().await.unwrap().to_bytes().len(), 10, "all of it passes");
        assert_eq!(captured(copy).await, (b"0123".to_vec(), End::Truncated));
        let (dropped, copy) = tee(body(), 4, &ample);
        drop(dropped);
        assert_eq!(captured(copy).await, (Vec::new(), End::BrokenOff(None)));
        let (empty, copy) = tee(Full::<Bytes>::default(), 4, &ample);
        drop(empty);
        assert_eq!(captured(copy).await, (Vec::new(), End::Whole), "nobody asks an empty body");
    }

    #[tokio::test]
    async fn copies_share_a_budget_and_give_it_back() {
        let budget = Arc::new(Semaphore::new(15));
        let body = || Full::new(Bytes::from_static(b"0123456789"));
        let (first, copy) = tee(body(), 100, &budget);
        assert!(first.collect().await.is_ok());
        let first = copy.await.unwrap();
        assert_eq!((first.end.clone(), budget.available_permits()), (End::Whole, 5));
        let (second, copy) = tee(body(), 100, &budget);
        assert!(second.collect().await.is_ok());
        assert_eq!(copy.await.unwrap().end, End::Truncated);
        drop(first);
        assert_eq!(budget.available_permits(), 15);
    }
}
