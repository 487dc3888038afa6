//! The conversation on a connection: hyper reads the requests, and writes the router's answers. Between two requests the
//! connection rests, without hyper's buffers.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Server;
use super::guest::Guest;
use super::resting::RestingStream;
use super::unparsed::ReplacingStream;
use super::watched::{WatchedBody, WatchedStream};
use super::{reply, route};

/// Most bytes of request line and headers.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// A connection rests when no request has come for this time, or up to twice as long.
const REST_AFTER: Duration = Duration::from_secs(1);

/// All conversations under way. A connection without any byte from its client has no conversation, and does not delay a
/// shutdown.
#[derive(Clone, Default)]
pub(super) struct Conversations {
    closing: CancellationToken,
    open: TaskTracker,
}

impl Conversations {
    /// Lets each connection finish its present request.
    pub(super) async fn end(&self) {
        self.closing.cancel();
        self.open.close();
        self.open.wait().await;
    }
}

/// Converses with a client until either side closes the connection.
pub(super) async fn converse<S>(server: &Arc<Server>, stream: S, guest: &Arc<Guest>, conversations: &Conversations)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _open = conversations.open.token();
    let config = &server.config.server;
    let (clock, mode) = (Arc::clone(&server.api.clock), config.http_status);
    let unparsed = move |status| reply::unparsed(status, mode, clock.now());
    let stream = WatchedStream::new(stream, Arc::clone(guest), config.write_timeout_s);
    let mut stream = RestingStream::new(ReplacingStream::new(stream, Arc::clone(guest), unparsed));
    loop {
        let (is_resting, ended) = serve(server, &mut stream, guest, &conversations.closing).await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        if !is_resting {
            break;
        }
        tracing::debug!("a connection rests");
        let patience = config.header_timeout_s.saturating_sub(REST_AFTER);
        let next = tokio::select! {
            next = tokio::time::timeout(patience, stream.rest()) => next,
            () = conversations.closing.cancelled() => break,
        };
        if !matches!(next, Ok(Ok(true))) {
            break;
        }
    }
    // The client may have gone.
    drop(stream.shutdown().await);
}

/// Serves requests until the connection ends or has to rest; returns true if it has to rest.
async fn serve<S>(
    server: &Arc<Server>,
    stream: &mut RestingStream<S>,
    guest: &Arc<Guest>,
    closing: &CancellationToken,
) -> (bool, hyper::Result<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let service = service_fn(|request| {
        let (server, guest) = (Arc::clone(server), Arc::clone(guest));
        let answering = async move {
            let answer = route::respond(&server, &guest, request).await;
            Ok::<_, Infallible>(answer.map(|body| WatchedBody::new(body, guest)))
        };
        // Boxed, since hyper keeps room for the future in each connection: this saves 8 KB per connection.
        Box::pin(answering)
    });
    let mut connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.config.server.header_timeout_s)
        // Answers of upstream keep the spelling of their header names, and no Date is added.
        .preserve_header_case(true)
        .auto_date_header(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(&mut *stream), service);
    let first = guest.requests();
    let (mut is_closing, mut is_resting) = (false, false);
    let ended = loop {
        let seen = guest.requests();
        is_resting = tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = closing.cancelled(), if !is_closing => false,
            () = tokio::time::sleep(REST_AFTER), if !is_closing => {
                if seen == first || seen != guest.requests() || guest.is_asking() {
                    continue;
                }
                true
            }
        };
        // Between two requests hyper ends at once, and writes nothing.
        is_closing = true;
        Pin::new(&mut connection).graceful_shutdown();
    };
    let unused = connection.into_parts().read_buf;
    stream.rewind(&unused);
    (is_resting && ended.is_ok(), ended)
}
