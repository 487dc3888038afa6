//! A connection between two requests: hyper's buffers, three quarters of the memory of an idle connection, are released
//! until the client sends again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// The bytes that end a rest are read here; hyper reads the others.
const FIRST_BYTES: usize = 64;

/// A stream that first returns bytes that were read from it before.
pub(super) struct RestingStream<S> {
    stream: S,
    ahead: Bytes,
}

impl<S: AsyncRead + Unpin> RestingStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ahead: Bytes::new() }
    }

    /// Takes back bytes that were read but not used.
    pub(super) fn rewind(&mut self, bytes: &[u8]) {
        // A copy, because even an empty slice would keep its whole buffer alive.
        self.ahead = Bytes::copy_from_slice(bytes);
    }

    /// Waits for the client's next bytes; false at the end of the stream.
    pub(super) async fn rest(&mut self) -> io::Result<bool> {
        if self.ahead.is_empty() {
            let mut bytes = [0; FIRST_BYTES];
            let count = self.stream.read(&mut bytes).await?;
            self.ahead = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
        }
        Ok(!self.ahead.is_empty())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RestingStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RestingStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
