//! Accepts connections, speaks TLS where configured, and lets those under way finish at shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::admission::Limits;
use super::guest::{Door, Guest};
use super::unparsed::ReplacingStream;
use super::watched::{WatchedBody, WatchedStream};
use super::{Face, Server};
use super::{reply, route};
use crate::config;
use crate::shutdown::Shutdown;

/// How long accepting pauses when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of request line and headers, at most.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// Connections for health checks, beside those that `server.max_connections` allows.
const RESERVE: usize = 128;
/// Files that are open beside those of connections: database, log, what is recorded, and calls under way.
const OTHER_FILES: usize = 256;

/// Serves until shutdown; returns the connections that are then still open, to be finished or cut off.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    face: Face,
    mut shutdown: Shutdown,
) -> Connections {
    let connections = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
    let door = Door::new(limits(&server.config.server), face);
    let mut tasks = JoinSet::new();
    while let Some((stream, address)) = accept(&listener, &mut shutdown).await {
        let guest = door.admit(address.ip().into());
        let (server, tls, connections) = (Arc::clone(&server), tls.clone(), Arc::clone(&connections));
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            tokio::select! {
                // First, so that it is gone before it is heard.
                biased;
                () = guest.has_to_go() => {}
                () = receive(server, stream, tls, &guest, &connections, shutdown) => {}
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    let open = connections.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    Connections { open, tasks }
}

/// How many connections may be open: as many as the settings and the system allow. One that is passed through needs
/// another one to upstream.
fn limits(config: &config::Server) -> Limits {
    let files = usize::try_from(open_files()).unwrap_or(usize::MAX);
    let allowed = files.saturating_sub(OTHER_FILES + RESERVE) / 2;
    let places = config.max_connections.min(allowed.max(1));
    if places < config.max_connections {
        let (setting, files) = (config.max_connections, files);
        tracing::warn!(
            places,
            setting,
            files,
            "fewer connections than server.max_connections: raise the limit of files"
        );
    }
    let per_peer = match usize::try_from(config.max_connections_per_address) {
        Ok(0) => places - places / 8,
        Ok(share) => share,
        Err(_) => usize::MAX,
    };
    Limits { places, per_peer, reserve: RESERVE }
}

/// The files that may be open, after asking the system for as many as it gives.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if raised.is_ok() { limit.maximum } else { limit.current }.unwrap_or(u64::MAX)
}

/// Serves one connection, once it says something.
async fn receive(
    server: Arc<Server>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    guest: &Arc<Guest>,
    connections: &Mutex<Option<GracefulShutdown>>,
    mut shutdown: Shutdown,
) {
    drop(stream.set_nodelay(true));
    let config = &server.config.server;
    let speaks = tokio::select! {
        speaks = tokio::time::timeout(config.first_byte_timeout_s, stream.readable()) => speaks,
        () = shutdown.wait() => return,
    };
    if !matches!(speaks, Ok(Ok(()))) {
        return tracing::debug!("a connection said nothing");
    }
    guest.speaks();
    let Some(tls) = tls else { return talk(server, stream, guest, connections).await };
    let handshake = tokio::time::timeout(config.header_timeout_s, tls.accept(stream));
    tokio::select! {
        shaken = handshake => match shaken {
            Ok(Ok(stream)) => talk(server, stream, guest, connections).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
        () = shutdown.wait() => {}
    }
}

/// The connections still open at shutdown; dropping it cuts them off.
pub struct Connections {
    open: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Connections {
    /// Lets each one finish the request that it is at.
    pub async fn finish(self) {
        self.open.shutdown().await;
        drop(self.tasks);
    }
}

async fn accept(listener: &TcpListener, shutdown: &mut Shutdown) -> Option<(TcpStream, SocketAddr)> {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = shutdown.wait() => return None,
        }
    }
}

async fn talk<S>(server: Arc<Server>, stream: S, guest: &Arc<Guest>, connections: &Mutex<Option<GracefulShutdown>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let header_timeout = server.config.server.header_timeout_s;
    let stream = WatchedStream::new(stream, Arc::clone(guest), server.config.server.write_timeout_s);
    let (clock, mode) = (Arc::clone(&server.api.clock), server.config.server.http_status);
    let unparsed = move |status| reply::unparsed(status, mode, clock.now());
    let stream = ReplacingStream::new(stream, Arc::clone(guest), unparsed);
    let asking = Arc::clone(guest);
    let service = service_fn(move |request| {
        let (server, guest) = (Arc::clone(&server), Arc::clone(&asking));
        async move {
            let answer = route::respond(&server, &guest, request).await;
            Ok::<_, Infallible>(answer.map(|body| WatchedBody::new(body, guest)))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        // What is passed through keeps the names of its headers as they are written, and gets no Date.
        .preserve_header_case(true)
        .auto_date_header(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // Taken only now: a client that never speaks must not hold up a shutdown.
    let watcher = connections.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(GracefulShutdown::watcher);
    let Some(watcher) = watcher else { return };
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
