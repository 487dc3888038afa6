//! Sends spans to a receiver: OTLP over HTTP, many spans per call (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! Rule: each call is made once, and has a deadline. The log has a line when the receiver stops taking spans, and when it
//! takes spans again, but not for every call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::mpsc;

use super::{Span, otlp};
use crate::config::FileFault;
use crate::secret::Secret;
use crate::shutdown::Shutdown;
use crate::tls;

/// The largest number of spans in a call.
const BATCH: usize = 512;
/// How long spans are gathered for a call.
const GATHER: Duration = Duration::from_secs(1);
/// The longest time of a call.
const CALL_TIME: Duration = Duration::from_secs(10);
/// The longest time of the last call, at shutdown.
const END_TIME: Duration = Duration::from_secs(2);

/// The number of dropped spans since it was last read.
#[derive(Default)]
pub(super) struct Dropped(AtomicU64);

impl Dropped {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// Sends spans to the receiver.
pub struct Exporter {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    head: Request<()>,
    spans: mpsc::Receiver<Span>,
    dropped: Arc<Dropped>,
    is_refused: bool,
}

impl Exporter {
    pub(super) fn new(
        url: &str,
        authorization: Option<&Secret>,
        spans: mpsc::Receiver<Span>,
        dropped: Arc<Dropped>,
    ) -> Result<Self, FileFault> {
        let fault = |setting, message: String| FileFault { setting, message };
        let uri: Uri = format!("{url}/v1/traces").parse().map_err(|error| fault("otlp.url", format!("{error}")))?;
        let mut head = Request::post(uri).body(()).map_err(|error| fault("otlp.url", error.to_string()))?;
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("conax-gateway/", env!("CARGO_PKG_VERSION"))));
        if let Some(secret) = authorization {
            let value = HeaderValue::from_str(secret.expose());
            let message = "it has characters that no header can have".to_owned();
            let mut value = value.map_err(|_| fault("otlp.authorization", message))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CALL_TIME));
        let connector = HttpsConnector::from((tcp, tls::public_client_config("otlp.url", url)?));
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client, head, spans, dropped, is_refused: false })
    }

    /// Sends spans until shutdown, and then the remaining spans.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        let mut batch = Vec::with_capacity(BATCH);
        while !shutdown.is_set() {
            let received = tokio::select! {
                received = self.spans.recv_many(&mut batch, BATCH) => received,
                () = shutdown.wait() => break,
            };
            if received == 0 {
                break;
            }
            let gathered = tokio::time::sleep(GATHER);
            tokio::pin!(gathered);
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                tokio::select! {
                    received = self.spans.recv_many(&mut batch, room) => {
                        if received == 0 {
                            break;
                        }
                    }
                    () = &mut gathered => break,
                    () = shutdown.wait() => break,
                }
            }
            self.send(&mut batch).await;
        }
        self.spans.close();
        let rest = async {
            while self.spans.recv_many(&mut batch, BATCH).await > 0 || !batch.is_empty() {
                self.send(&mut batch).await;
            }
        };
        drop(tokio::time::timeout(END_TIME, rest).await);
    }

    async fn send(&mut self, batch: &mut Vec<Span>) {
        let body = Full::new(Bytes::from(otlp::export_request(batch)));
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        batch.clear();
        let call = self.client.request(self.head.clone().map(|()| body));
        let failure = match tokio::time::timeout(CALL_TIME, call).await {
            Ok(Ok(answer)) if answer.status().is_success() => None,
            Ok(Ok(answer)) => Some(format!("HTTP {}", answer.status())),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", CALL_TIME.as_secs())),
        };
        self.dropped.add(if failure.is_some() { count } else { 0 });
        match failure {
            Some(error) if !self.is_refused => {
                tracing::warn!(error, "the receiver of spans does not take them: they are dropped until it does");
                self.is_refused = true;
            }
            None => {
                let dropped = self.dropped.0.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    tracing::warn!(dropped, "spans were dropped");
                }
                self.is_refused = false;
            }
            Some(_) => {}
        }
    }
}
