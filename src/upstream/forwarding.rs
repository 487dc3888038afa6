//! The live way for a client's own requests. It has an HTTP client of its own: reqwest adds headers and follows rules
//! meant for requests that are ours.
//!
//! Rule: nothing is added. Host names upstream, and headers that concern one connection stay behind; all else, also how
//! names are written, goes as it came.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tower_service::Service;

use super::failure::{chain_in_words, obstacle};
use super::forward::{Forward, ForwardAnswer, HandedBody, RequestBody};
use super::paced::Paced;
use super::proxy_status::PROXY_STATUS;
use super::{CallFailure, Obstacle};
use crate::config::{FileFault, Upstream};

/// Headers that concern one connection (RFC 9110, 7.6.1), beside Proxy-… but Proxy-Status, and those that Connection
/// names; and Expect, which the gateway's own server answers.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers of an answer, at most.
const MOST_HEADERS: usize = 1000;

/// Carries clients' own requests to one base URL.
pub(super) struct Forwarding {
    client: Client<Connector, HandedBody>,
    base_url: String,
    authority: HeaderValue,
    answer_timeout: Duration,
}

impl Forwarding {
    pub(super) fn new(base_url: &str, config: &Upstream, tls: &ClientConfig) -> Result<Self, FileFault> {
        let fault = |what: String| FileFault { setting: "upstream.url", what };
        let base: Uri = base_url.parse().map_err(|e| fault(format!("{base_url} is not an URL: {e}")))?;
        let authority = base.authority().ok_or_else(|| fault(format!("{base_url} names no host")))?;
        // User name and password of an URL are no part of Host (RFC 9110, 7.2).
        let authority = authority.as_str().rsplit('@').next().unwrap_or_default();
        let authority = HeaderValue::from_str(authority).map_err(|e| fault(e.to_string()))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = HttpsConnector::from((tcp, tls.clone()));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout_s)
            .pool_max_idle_per_host(config.max_concurrency)
            .http1_preserve_header_case(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_max_headers(MOST_HEADERS)
            .build(Connector { https, timeout: config.connect_timeout_s });
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { client, base_url, authority, answer_timeout: config.answer_timeout_s })
    }

    pub(super) async fn forward(&self, forward: Forward) -> Result<ForwardAnswer, CallFailure> {
        let source = forward.body.clone();
        let (body, mark) = HandedBody::new(&source);
        let request = self.request(forward, body)?;
        // A connection asks for a body before it writes anything; where there is none, only a failure to connect is sure.
        let was_taken = |is_connect: bool| if source.is_empty() { !is_connect } else { mark.is_taken() };
        let failure = |obstacle: Option<Obstacle>, what, is_late| match obstacle {
            Some(obstacle) => CallFailure::NotSent { obstacle, what },
            None => CallFailure::doubt(what, is_late),
        };
        match within(self.client.request(request), &source, self.answer_timeout).await {
            Some(Ok(answer)) => Ok(self.answer(answer)),
            Some(Err(error)) => {
                let obstacle = obstacle(&error, was_taken(error.is_connect()));
                Err(failure(obstacle, chain_in_words(&error), false))
            }
            None => {
                let what = format!("there was no answer within {} s", self.answer_timeout.as_secs_f64());
                Err(failure((!was_taken(false)).then_some(Obstacle::Connect), what, true))
            }
        }
    }

    fn request(&self, forward: Forward, body: HandedBody) -> Result<Request<HandedBody>, CallFailure> {
        let url = format!("{}{}", self.base_url, forward.path);
        let not_sent = |e: hyper::http::uri::InvalidUri| CallFailure::NotSent {
            obstacle: Obstacle::Connect,
            what: format!("its path makes no URL: {e}"),
        };
        let mut request = Request::new(body);
        *request.uri_mut() = url.parse().map_err(not_sent)?;
        *request.method_mut() = forward.method;
        *request.extensions_mut() = forward.extensions;
        *request.headers_mut() = passed_on(&forward.headers, |name| (name == header::HOST).then_some(&self.authority));
        Ok(request)
    }

    /// HTTP/1.1 between the gateway and its client, whatever upstream speaks.
    fn answer(&self, answer: hyper::Response<hyper::body::Incoming>) -> ForwardAnswer {
        let (head, body) = answer.into_parts();
        let mut passed = hyper::Response::new(Paced::new(body, self.answer_timeout).boxed_unsync());
        *passed.status_mut() = head.status;
        *passed.extensions_mut() = head.extensions;
        *passed.headers_mut() = passed_on(&head.headers, |_| None);
        passed
    }
}

/// The headers that are passed on, in their order; one may get another value.
fn passed_on<'v>(headers: &HeaderMap, replaced: impl Fn(&HeaderName) -> Option<&'v HeaderValue>) -> HeaderMap {
    let mut named = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        named.extend(String::from_utf8_lossy(value.as_bytes()).split(',').map(|n| n.trim().to_ascii_lowercase()));
    }
    let is_framed = headers.contains_key(header::TRANSFER_ENCODING);
    let stays = |name: &HeaderName| {
        HOP_BY_HOP.contains(name)
            || (name.as_str().starts_with("proxy-") && name != PROXY_STATUS)
            || named.iter().any(|n| n == name.as_str())
            // RFC 9112, 6.3: where both are there, this one means nothing.
            || (is_framed && *name == header::CONTENT_LENGTH)
    };
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !stays(name)) {
        passed.append(name, replaced(name).unwrap_or(value).clone());
    }
    passed
}

/// Waits for the answer's head, for so long as upstream is not silent for longer than `limit`.
async fn within<F: Future>(future: F, body: &RequestBody, limit: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    loop {
        let deadline = body.deadline(limit);
        tokio::select! {
            biased;
            output = &mut future => return Some(output),
            () = tokio::time::sleep_until(deadline) => {}
        }
        if body.deadline(limit) <= tokio::time::Instant::now() {
            return None;
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects, TLS included, within the configured time.
#[derive(Clone)]
struct Connector {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, timeout) = (self.https.call(uri), self.timeout);
        Box::pin(async move {
            let late = |_| BoxError::from(format!("no connection within {} s", timeout.as_secs_f64()));
            tokio::time::timeout(timeout, connecting).await.map_err(late)?
        })
    }
}
