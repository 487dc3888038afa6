//! Accepts connections, does TLS if configured, and lets connections finish their requests at shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::admission::Limits;
use super::conversation::{Conversations, converse};
use super::guest::{Door, Guest};
use super::{Face, Server};
use crate::config;
use crate::shutdown::Shutdown;

/// How long to pause accepting when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections for health checks, on top of `server.max_connections`.
const RESERVE: usize = 128;
/// Open files other than client connections: database, log, recordings, calls under way.
const OTHER_FILES: usize = 256;

/// The TLS configuration of new connections, if there is one; can be replaced.
pub type CurrentTls = Arc<ArcSwapOption<TlsAcceptor>>;

/// Serves until shutdown; returns the connections that are still open then, to be finished or cut off.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    tls: CurrentTls,
    face: Face,
    mut shutdown: Shutdown,
) -> Connections {
    let conversations = Conversations::default();
    let door = Door::new(limits(&server.config.server), face);
    let mut tasks = JoinSet::new();
    while let Some((stream, address)) = accept(&listener, &mut shutdown).await {
        let guest = door.admit(address.ip());
        let (server, tls, conversations) = (Arc::clone(&server), tls.load_full(), conversations.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            tokio::select! {
                // Displacement is checked first: a displaced connection must close before more of its requests are read.
                biased;
                () = guest.has_to_go() => {}
                () = receive(server, stream, tls, &guest, &conversations, shutdown) => {}
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    Connections { conversations, tasks }
}

/// The limits on open connections, from settings and system. A connection that is passed through needs a second file, for
/// the connection to upstream.
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
    conversations: &Conversations,
    mut shutdown: Shutdown,
) {
    drop(stream.set_nodelay(true));
    let config = &server.config.server;
    // A stream that was just accepted counts as readable: only reading shows whether the client has sent anything.
    let mut first = [0];
    let speaks = tokio::select! {
        speaks = tokio::time::timeout(config.first_byte_timeout_s, stream.peek(&mut first)) => speaks,
        () = shutdown.wait() => return,
    };
    if !matches!(speaks, Ok(Ok(1..))) {
        return tracing::debug!("a connection said nothing");
    }
    guest.speaks();
    // Boxed, so that a silent connection needs no memory for it.
    let Some(tls) = tls else { return Box::pin(converse(&server, stream, guest, conversations)).await };
    let handshake = tokio::time::timeout(config.header_timeout_s, Box::pin(tls.accept(stream)));
    tokio::select! {
        shaken = handshake => match shaken {
            Ok(Ok(stream)) => Box::pin(converse(&server, stream, guest, conversations)).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
        () = shutdown.wait() => {}
    }
}

/// Connections that are still open at shutdown; dropping cuts them off.
pub struct Connections {
    conversations: Conversations,
    tasks: JoinSet<()>,
}

impl Connections {
    /// Lets each connection finish its present request.
    pub async fn finish(self) {
        self.conversations.end().await;
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
