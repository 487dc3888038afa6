//! Connections to Conax, and the HTTP clients that use them.
//!
//! Rule: only a connection knows that its server processed nothing of a written request. With TLS 1.3 a server checks the
//! client's certificate after the client's side of the handshake has ended, so that its alert comes with the first read.
//! The alert proves that only if the server asked for a certificate, and has sent nothing since the handshake: no byte of
//! an answer, and no session ticket, which it sends to an accepted client. Any other alert proves nothing.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::Body;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::{self, Connected, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ProtocolVersion, SignatureScheme};
use tokio::net::TcpStream;
use tower_service::Service;

use super::failure::{CertificateRefused, is_about_our_certificate};
use super::stopwatch::{Note, Stopwatch};
use crate::config::Upstream;

/// The largest number of headers in an answer.
const MOST_HEADERS: usize = 1000;

/// An HTTP client that keeps up to `idle` idle connections. It follows no redirects, uses no proxy of the environment,
/// and sends nothing twice: only a request that no connection took goes to another connection.
pub(super) fn client<B>(connector: &Connector, config: &Upstream, idle: usize) -> Client<Connector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout_s)
        .pool_max_idle_per_host(idle)
        .http1_preserve_header_case(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_max_headers(MOST_HEADERS)
        .build(connector.clone())
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects, with TLS, within the configured time.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Noting<HttpConnector<Noting<GaiResolver>>>>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(config: &Upstream, tls: &ClientConfig) -> Self {
        let resolver = Noting { inner: GaiResolver::new(), before: Some(Note::Resolving), after: Note::Resolved };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tcp = Noting { inner: tcp, before: None, after: Note::Connected };
        let mut tls = tls.clone();
        tls.client_auth_cert_resolver = Arc::new(NotingResolver(tls.client_auth_cert_resolver));
        Self { https: HttpsConnector::from((tcp, tls)), timeout: config.connect_timeout_s }
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let is_tls = uri.scheme_str() == Some("https");
        let (connecting, timeout) = (self.https.call(uri), self.timeout);
        let connecting = WAS_ASKED.scope(Cell::new(false), async move {
            let late = |_| BoxError::from(format!("no connection within {} s", timeout.as_secs_f64()));
            let stream = tokio::time::timeout(timeout, connecting).await.map_err(late)??;
            Ok(Connection::new(stream, WAS_ASKED.with(Cell::get)))
        });
        let Some(stopwatch) = Stopwatch::current() else { return Box::pin(connecting) };
        // A connection that is not needed any more is finished by another task, without a stopwatch.
        Box::pin(async move {
            stopwatch.note(Note::Connecting { is_tls });
            let made = stopwatch.measure(connecting).await;
            if made.is_ok() {
                stopwatch.note(Note::Ready);
            }
            made
        })
    }
}

/// A layer of the connector that notes when it was called, and when it was done.
#[derive(Clone)]
struct Noting<S> {
    inner: S,
    before: Option<Note>,
    after: Note,
}

impl<S, R> Service<R> for Noting<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: Send,
    S::Error: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (asked, before, after) = (self.inner.call(request), self.before, self.after);
        Box::pin(async move {
            let stopwatch = Stopwatch::current();
            let note = |note| stopwatch.iter().for_each(|stopwatch| stopwatch.note(note));
            before.into_iter().for_each(note);
            let done = asked.await;
            if done.is_ok() {
                note(after);
            }
            done
        })
    }
}

tokio::task_local! {
    // rustls calls its resolver during a handshake, and does not say for which connection: the connecting task's flag tells.
    static WAS_ASKED: Cell<bool>;
}

/// Notes that a server asked for a certificate.
#[derive(Debug)]
struct NotingResolver(Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for NotingResolver {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Outside of a connector there is no flag to set.
        let _no_connector = WAS_ASKED.try_with(|was_asked| was_asked.set(true));
        self.0.resolve(issuers, schemes)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// A connection that knows whether its server may still refuse the client's certificate.
pub(super) struct Connection {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// The server asked for a certificate with TLS 1.3, and no byte of an answer was read.
    is_judging: bool,
}

impl Connection {
    fn new(stream: MaybeHttpsStream<TokioIo<TcpStream>>, was_asked: bool) -> Self {
        let version = tls_of(&stream).and_then(|tls| tls.protocol_version());
        Self { stream, is_judging: was_asked && version == Some(ProtocolVersion::TLSv1_3) }
    }

    /// The result of a read, with a refused certificate as [`CertificateRefused`].
    fn judged(&mut self, read: io::Result<()>) -> io::Result<()> {
        let is_accepted = tls_of(&self.stream).is_none_or(|tls| tls.tls13_tickets_received() > 0);
        let may_refuse = std::mem::take(&mut self.is_judging) && !is_accepted;
        read.map_err(|error| match may_refuse && is_about_our_certificate(&error) {
            true => io::Error::new(error.kind(), CertificateRefused(error)),
            false => error,
        })
    }
}

fn tls_of(stream: &MaybeHttpsStream<TokioIo<TcpStream>>) -> Option<&rustls::ClientConnection> {
    match stream {
        MaybeHttpsStream::Http(_) => None,
        MaybeHttpsStream::Https(stream) => Some(stream.inner().get_ref().1),
    }
}

impl connect::Connection for Connection {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        Poll::Ready(self.judged(read))
    }
}

impl Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
