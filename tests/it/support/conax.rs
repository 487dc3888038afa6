//! A Conax that says what it is told to, byte by byte, and remembers what it received.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::tls::fatal_alert;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came over.
    pub connection: usize,
    pub head: String,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|l| l.split_once(':'))
            .find(|(k, _)| k.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }
}

/// The reaction to a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Writes these bytes and closes.
    Write(Vec<u8>),
    /// The same, and goes on reading.
    Keep(Vec<u8>),
    /// Writes them and closes, once [`Conax::release`] lets it.
    Hold(Vec<u8>),
    /// The same, and keeps the connection.
    HoldAndKeep(Vec<u8>),
    /// Writes them and closes, after a while.
    After(std::time::Duration, Vec<u8>),
    /// Closes without a word.
    Close,
    /// Writes these bytes, and resets the connection.
    Reset(Vec<u8>),
    /// Sends a fatal alert of TLS and closes.
    Alert(u8),
}

/// A connection that can be reset.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sized {
    fn reset(&self) {}

    fn alert(self, number: u8) -> impl Future<Output = ()> + Send {
        async move { panic!("no TLS, no alert {number}") }
    }
}

impl Stream for tokio::net::TcpStream {
    fn reset(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Stream for tokio_rustls::server::TlsStream<tokio::net::TcpStream> {
    async fn alert(mut self, number: u8) {
        self.flush().await.unwrap();
        let (mut stream, connection) = self.into_inner();
        drop(stream.write_all(&fatal_alert(connection, number)).await);
        drop(stream.shutdown().await);
        drop(stream.read_to_end(&mut Vec::new()).await);
    }
}

type Script = Box<dyn Fn(usize, &Received) -> Reaction + Send + Sync>;

pub struct Conax {
    pub url: String,
    pub received: Arc<Mutex<Vec<Received>>>,
    gate: Arc<Semaphore>,
}

impl Conax {
    /// Starts a Conax that answers the n-th request (from 0) by the script.
    pub async fn start(script: impl Fn(usize, &Received) -> Reaction + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// The same at an address.
    pub async fn start_at(
        address: &str,
        script: impl Fn(usize, &Received) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(address, None, Box::new(script)).await
    }

    /// The same behind TLS; its URL names `localhost`.
    pub async fn start_tls(
        config: rustls::ServerConfig,
        script: impl Fn(usize, &Received) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start_with("127.0.0.1:0", Some(acceptor), Box::new(script)).await
    }

    async fn start_with(address: &str, tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match tls {
            None => format!("http://127.0.0.1:{port}"),
            Some(_) => format!("https://localhost:{port}"),
        };
        let received = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let script = Arc::new(script);
        let conax = Self { url, received: Arc::clone(&received), gate: Arc::clone(&gate) };
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (received, gate, script, tls) = (received.clone(), gate.clone(), script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, connection, &received, &gate, &**script).await,
                        Some(tls) => match tls.accept(stream).into_fallible().await {
                            Ok(stream) => converse(stream, connection, &received, &gate, &**script).await,
                            // Closing with unread bytes would reset the connection, and the alert could be lost.
                            Err((_, mut stream)) => drop(stream.read_to_end(&mut Vec::new()).await),
                        },
                    }
                });
            }
        });
        conax
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Lets one held answer go.
    pub fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Lets all of them go, those to come, too.
    pub fn release_all(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

async fn converse<S: Stream>(
    mut stream: S,
    connection: usize,
    received: &Mutex<Vec<Received>>,
    gate: &Semaphore,
    script: &(dyn Fn(usize, &Received) -> Reaction + Send + Sync),
) {
    let mut bytes = Vec::new();
    loop {
        let request = loop {
            if let Some((request, length)) = whole(connection, &bytes) {
                bytes.drain(..length);
                break request;
            }
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let index = {
            let mut received = received.lock().unwrap();
            received.push(request.clone());
            received.len() - 1
        };
        let answer = match script(index, &request) {
            Reaction::Write(answer) => answer,
            Reaction::Keep(answer) => {
                stream.write_all(&answer).await.unwrap();
                continue;
            }
            Reaction::Hold(answer) => {
                gate.acquire().await.unwrap().forget();
                answer
            }
            Reaction::HoldAndKeep(answer) => {
                gate.acquire().await.unwrap().forget();
                stream.write_all(&answer).await.unwrap();
                continue;
            }
            Reaction::After(pause, answer) => {
                tokio::time::sleep(pause).await;
                answer
            }
            Reaction::Close => return,
            Reaction::Alert(number) => return stream.alert(number).await,
            Reaction::Reset(answer) => {
                drop(stream.write_all(&answer).await);
                return stream.reset();
            }
        };
        drop(stream.write_all(&answer).await);
        drop(stream.shutdown().await);
        return;
    }
}

/// The first whole request of these bytes, and its length.
fn whole(connection: usize, bytes: &[u8]) -> Option<(Received, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut request = Received { connection, head, body: String::new() };
    let length: usize = request.header("content-length").map_or(0, |v| v.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?;
    request.body = String::from_utf8(body.to_vec()).unwrap();
    Some((request, end + 4 + length))
}

/// An HTTP answer with an XML body.
pub fn xml_answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=utf-8\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .into()
}

/// Conax's answer to a pairing that worked.
pub fn ok_answer(reference: &str) -> Vec<u8> {
    xml_answer(
        "200 OK",
        &format!(
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
             <p:CreatePairingResponse xmlns:p=\"http://www.conax.com/cas/xsd/pairing/v1\" \
             xmlns=\"http://www.conax.com/cas/xsd/common-types/v1\"><p:TransactionStatus><StatusCode>OK</StatusCode>\
             <TransactionId>{reference}</TransactionId></p:TransactionStatus></p:CreatePairingResponse>\
             </soap:Body></soap:Envelope>"
        ),
    )
}

/// The operation that a request calls, and its namespace.
pub fn operation_of(request: &Received) -> (String, String) {
    let root = conax_gateway::xml::parse(&request.body, conax_gateway::xml::Limits::default()).unwrap();
    let body = root.elements().find(|e| &*e.name.local == "Body").unwrap();
    let child = body.elements().next().unwrap();
    (child.name.local.to_string(), child.name.namespace.to_string())
}

/// Every text in an element of that local name.
pub fn values_of(request: &Received, local: &str) -> Vec<String> {
    fn collect(element: &conax_gateway::xml::Element, local: &str, found: &mut Vec<String>) {
        if &*element.name.local == local {
            found.push(element.text());
        }
        element.elements().for_each(|child| collect(child, local, found));
    }
    let mut found = Vec::new();
    collect(
        &conax_gateway::xml::parse(&request.body, conax_gateway::xml::Limits::default()).unwrap(),
        local,
        &mut found,
    );
    found
}

/// An answer to any request: a status, and what else its operation answers (in the service's namespace).
pub fn answer_to(request: &Received, status: &str, payload: &str) -> Vec<u8> {
    let (operation, namespace) = operation_of(request);
    xml_answer(
        "200 OK",
        &format!(
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
             <{operation}Response xmlns=\"{namespace}\" xmlns:c=\"http://www.conax.com/cas/xsd/common-types/v1\">\
             <TransactionStatus><c:StatusCode>{status}</c:StatusCode><c:TransactionId>ref-7</c:TransactionId>\
             <c:Message>in words</c:Message></TransactionStatus>{payload}</{operation}Response>\
             </soap:Body></soap:Envelope>"
        ),
    )
}
