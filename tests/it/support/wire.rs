//! HTTP/1.1 by hand, on either side: what is written is written byte by byte, and what comes is seen as it comes.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long anything may take.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(20);

/// A server that answers only what the test writes.
pub struct Upstream {
    pub url: String,
    listener: TcpListener,
}

/// A connection.
pub struct Wire {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// A request or an answer as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub first: String,
    /// Lines as they came, in their order.
    pub headers: Vec<String>,
    /// Without chunks.
    pub body: Vec<u8>,
    /// Did the body come to the end that its head announced?
    pub is_whole: bool,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { url: format!("http://{}", listener.local_addr().unwrap()), listener }
    }

    pub async fn accept(&self) -> Wire {
        let (stream, _) = in_time(self.listener.accept()).await.unwrap();
        Wire { stream, bytes: Vec::new() }
    }
}

impl Wire {
    /// Connects to a gateway.
    pub async fn connect(url: &str) -> Self {
        let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
        Self { stream, bytes: Vec::new() }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        in_time(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Everything up to and with the empty line.
    pub async fn read_head(&mut self) -> (String, Vec<String>) {
        let end = loop {
            match self.bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(self.more().await, "closed: {:?}", String::from_utf8_lossy(&self.bytes)),
            }
        };
        let head = String::from_utf8(self.take(end + 4)).unwrap();
        let mut lines = head.trim_end().split("\r\n").map(str::to_owned);
        (lines.next().unwrap(), lines.collect())
    }

    /// So many bytes.
    pub async fn read(&mut self, length: usize) -> Vec<u8> {
        while self.bytes.len() < length {
            assert!(self.more().await, "closed after {} of {length} bytes", self.bytes.len());
        }
        self.take(length)
    }

    /// A whole message, or what came of it.
    pub async fn read_message(&mut self) -> Message {
        let (first, headers) = self.read_head().await;
        let value = |name: &str| {
            let found =
                headers.iter().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_owned())
        };
        let mut body = Vec::new();
        let is_whole = if value("transfer-encoding").is_some() {
            self.read_chunks(&mut body).await
        } else {
            let length = value("content-length").map_or(0, |length| length.parse().unwrap());
            while self.bytes.len() < length && self.more().await {}
            body = self.take(length.min(self.bytes.len()));
            body.len() == length
        };
        Message { first, headers, body, is_whole }
    }

    async fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(end) = self.bytes.windows(2).position(|w| w == b"\r\n") else {
                if !self.more().await {
                    return false;
                }
                continue;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.bytes[..end]).unwrap(), 16).unwrap();
            while self.bytes.len() < end + 2 + size + 2 {
                if !self.more().await {
                    return false;
                }
            }
            self.take(end + 2);
            body.extend(self.take(size));
            self.take(2);
            if size == 0 {
                return true;
            }
        }
    }

    /// Waits until the other side has closed.
    pub async fn closed(&mut self) {
        while self.more().await {}
    }

    /// False when the other side has closed.
    async fn more(&mut self) -> bool {
        in_time(self.stream.read_buf(&mut self.bytes)).await.is_ok_and(|read| read > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(length);
        std::mem::replace(&mut self.bytes, rest)
    }
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(ADMIT_TIMEOUT, future).await.expect("it did not come in time")
}
