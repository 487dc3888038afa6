//! A way to a server on which something can happen: nothing gets through any more, though nothing is closed, as when a
//! network or a machine fails; or all connections are cut.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where it listens, and what happens on it.
pub struct Relay {
    pub port: u16,
    is_open: Arc<watch::Sender<bool>>,
    connections: Arc<Mutex<JoinSet<()>>>,
    _listening: JoinSet<()>,
}

impl Relay {
    /// A way to a server that listens on a socket.
    pub async fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, socket) = (listener.local_addr().unwrap().port(), socket.to_owned());
        let (is_open, connections) = (Arc::new(watch::Sender::new(true)), Arc::<Mutex<JoinSet<()>>>::default());
        let mut listening = JoinSet::new();
        let (gate, open) = (Arc::clone(&connections), Arc::clone(&is_open));
        listening.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                gate.lock().unwrap().spawn(carry(client, socket.clone(), open.subscribe()));
            }
        });
        Self { port, is_open, connections, _listening: listening }
    }

    /// From now on nothing gets through, and nobody is told.
    pub fn block(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets the bytes through that were held up.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Ends all connections, whatever is being said.
    pub fn cut(&self) {
        self.connections.lock().unwrap().abort_all();
    }
}

async fn carry(client: tokio::net::TcpStream, socket: PathBuf, mut is_open: watch::Receiver<bool>) {
    drop(is_open.wait_for(|is_open| *is_open).await);
    let Ok(server) = UnixStream::connect(socket).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pass_on(from_client, to_server, is_open.clone()) => {}
        () = pass_on(from_server, to_client, is_open) => {}
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_open: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        drop(is_open.wait_for(|is_open| *is_open).await);
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
