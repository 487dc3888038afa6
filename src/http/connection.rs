//! Accepts connections, speaks TLS where configured, and lets those under way finish at shutdown.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::route;
use crate::app::App;
use crate::shutdown::Shutdown;

/// How long accepting pauses when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of request line and headers, at most.
const HEAD_BYTES: usize = 64 * 1024;

/// Serves until shutdown; returns the connections that are then still open, to be finished or cut off.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut shutdown: Shutdown,
) -> Connections {
    let connections = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
    let places = Arc::new(Semaphore::new(app.config.server.max_connections));
    let mut tasks = JoinSet::new();
    loop {
        let stream = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => match (place, accept(&listener, &mut shutdown).await) {
                (Ok(place), Some(stream)) => (place, stream),
                _ => break,
            },
            () = shutdown.wait() => break,
        };
        let (place, stream) = stream;
        let (app, tls, connections) = (Arc::clone(&app), tls.clone(), Arc::clone(&connections));
        let mut shutdown = shutdown.clone();
        tasks.spawn(async move {
            let _place = place;
            drop(stream.set_nodelay(true));
            let Some(tls) = tls else { return talk(app, stream, &connections).await };
            let handshake = tokio::time::timeout(app.config.server.header_timeout_s, tls.accept(stream));
            tokio::select! {
                shaken = handshake => match shaken {
                    Ok(Ok(stream)) => talk(app, stream, &connections).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                },
                () = shutdown.wait() => {}
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    let open = connections.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    Connections { open, tasks }
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

async fn accept(listener: &TcpListener, shutdown: &mut Shutdown) -> Option<TcpStream> {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => return Some(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = shutdown.wait() => return None,
        }
    }
}

async fn talk<S>(app: Arc<App>, stream: S, connections: &Mutex<Option<GracefulShutdown>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let header_timeout = app.config.server.header_timeout_s;
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(route::respond(&app, request).await) }
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
