//! Answers requests that hyper cannot parse. hyper itself replies without a body and without telling the program; this
//! stream replaces that reply, on its way to the client, with an error in the gateway's envelope.
//!
//! hyper's own reply is recognized because hyper writes nothing else while no request is being answered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::guest::Guest;

/// Limits in bytes and time on reading after the reply: closing with unread bytes resets the connection, and the client
/// might never read the reply.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// A client's stream on which hyper's own replies are replaced.
pub(super) struct ReplacingStream<S, R> {
    stream: S,
    guest: Arc<Guest>,
    /// Makes the replacement for a reply of a given status.
    reply: R,
    /// The replacement, and the number of its bytes written so far.
    replaced: Option<(Vec<u8>, usize)>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S, R> ReplacingStream<S, R> {
    pub(super) fn new(stream: S, guest: Arc<Guest>, reply: R) -> Self {
        Self { stream, guest, reply, replaced: None, linger: None }
    }
}

impl<S: AsyncWrite + Unpin, R: Fn(StatusCode) -> Vec<u8> + Unpin> ReplacingStream<S, R> {
    /// Writes the replacement.
    fn poll_replace(&mut self, cx: &mut Context<'_>, head: &[u8]) -> Poll<io::Result<()>> {
        let reply = &self.reply;
        let (bytes, written) = self.replaced.get_or_insert_with(|| {
            let status = head.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
            (reply(status.unwrap_or(StatusCode::BAD_REQUEST)), 0)
        });
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin, R: Unpin> ReplacingStream<S, R> {
    /// Reads on until the client has closed the connection, or a limit is reached.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (time, left) = self.linger.get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER_TIME)), LINGER_BYTES));
        let mut bytes = [0; 4096];
        while *left > 0 && time.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin, R: Unpin> AsyncRead for ReplacingStream<S, R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S, R> AsyncWrite for ReplacingStream<S, R>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: Fn(StatusCode) -> Vec<u8> + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.guest.is_asking() {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        ready!(self.poll_replace(cx, bytes))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.guest.is_asking() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        ready!(self.poll_replace(cx, slices.first().map_or(&[][..], |slice| slice)))?;
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        if self.replaced.is_some() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
