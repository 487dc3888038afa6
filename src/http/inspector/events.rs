//! Server-sent events (HTML Living Standard, 9.2): an answer that goes on while a page shows the list.
//!
//! Rule: the number of streams is bounded, each stream has a task that ends with it, and shutdown waits for no stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::Server;
use super::Answered;
use crate::api::{ApiError, Code, Params};
use crate::inspector::{LivePage, follow};
use crate::secret::Secret;

/// The largest number of streams at the same time.
const MOST: usize = 32;
/// Retry-After when all streams are taken.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// All streams.
pub struct Streams {
    slots: Arc<Semaphore>,
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Default for Streams {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(MOST)), end: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

impl Streams {
    /// Ends all streams, and allows no new stream.
    pub async fn end(&self) {
        self.slots.close();
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Opens a stream for the owner of this token.
    pub(super) fn open(&self, server: &Server, token: Secret, params: Params) -> Result<Answered, ApiError> {
        let page = LivePage::new(&server.api, params)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            let message =
                format!("{MOST} pages of the inspector are followed already; the list can be read all the same.");
            ApiError::later(Code::Unavailable, message, RETRY_AFTER)
        })?;
        // One event at a time, so that a slow reader gets the newest state and not a queue.
        let (events, received) = mpsc::channel(1);
        let (end, api) = (self.end.clone(), Arc::clone(&server.api));
        self.tasks.spawn(async move {
            let _slot = slot;
            end.run_until_cancelled(follow(&api, &token, page, events)).await;
        });
        let frames = futures_util::stream::unfold(received, |mut received| async {
            received.recv().await.map(|event: String| (Ok::<_, Infallible>(Frame::data(Bytes::from(event))), received))
        });
        let body = StreamBody::new(frames.fuse());
        let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Ok(Answered::Events(answer))
    }
}
