//! Accepts connections, speaks TLS where configured, and lets connections finish their requests at shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
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

/// Pause in accepting while the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most bytes of request line and headers.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// Connections for health checks, on top of `server.max_connections`.
const RESERVE: usize = 128;
/// Open files that are no client connections: database, log, recordings, calls under way.
const OTHER_FILES: usize = 256;

/// The TLS configuration of new connections, if any; can be replaced.
pub type CurrentTls = Arc<ArcSwapOption<TlsAcceptor>>;

/// Serves until shutdown; returns the connections that are still open then, to be finished or cut off.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    tls: CurrentTls,
    face: Face,
    mut shutdown: Shutdown,
) -> Connections {
    let connections = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
    let door = Door::new(limits(&server.config.server), face);
    let mut tasks = JoinSet::new();
    while let Some((stream, address)) = accept(&listener, &mut shutdown).await {
        let guest = door.admit(address.ip());
        let (server, tls, connections) = (Arc::clone(&server), tls.load_full(), Arc::clone(&connections));
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            tokio::select! {
                // Leaving is checked first: a displaced connection must close before more of its requests are read.
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

/// Most connections that may be open, by settings and system. A connection that is passed through needs a second file,
/// for the connection to upstream.
fn limits(config: &config::Server) -> Limits {
    let files = usize::try_from(open_files()).unwrap_or(usize::MAX);
    let allowed = files.saturating_sub(OTHER_FILES + RESERVE) / 2;
    let slots = config.max_connections.min(allowed.max(1));
    if slots < config.max_connections {
        let (setting, files) = (config.max_connections, files);
        tracing::warn!(
            slots,
            setting,
            files,
            "fewer connections than server.max_connections are accepted: raise the limit of open files (ulimit -n)"
        );
    }
    let per_peer = match usize::try_from(config.max_connections_per_address) {
        Ok(0) => slots - slots / 8,
        Ok(share) => share,
        Err(_) => usize::MAX,
    };
    Limits { slots, per_peer, reserve: RESERVE }
}

/// Raises the limit of open files as far as the system allows, and returns it.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if raised.is_ok() { limit.maximum } else { limit.current }.unwrap_or(u64::MAX)
}

/// Serves a connection, once the client has sent the first byte.
async fn receive(
    server: Arc<Server>,
    stream: TcpStream,
    tls: Option<Arc<TlsAcceptor>>,
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

/// Connections that are still open at shutdown; dropping cuts them off.
pub struct Connections {
    open: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Connections {
    /// Lets each connection finish its present request.
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
        let answering = async move {
            let answer = route::respond(&server, &guest, request).await;
            Ok::<_, Infallible>(answer.map(|body| WatchedBody::new(body, guest)))
        };
        // hyper keeps room for the future of each connection: boxed, an idle connection costs 8 KB less.
        Box::pin(answering)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        // Answers of upstream keep the spelling of their header names, and get no Date.
        .preserve_header_case(true)
        .auto_date_header(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // The guard is taken only here: a client that never sends anything must not hold up a shutdown.
    let watcher = connections.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(GracefulShutdown::watcher);
    let Some(watcher) = watcher else { return };
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
