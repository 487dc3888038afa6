//! Passes clients' own requests through to Conax, over connections that the gateway's own calls do not use.
//!
//! Rule: nothing is added. Host names upstream, and headers that concern one connection are left out; everything else
//! passes unchanged, even the spelling of header names. A connection that a client may have signed in on is not used for
//! other requests.

use std::pin::pin;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;

use super::connection::{Connector, client};
use super::failure::{of_error, of_silence};
use super::idle_timeout_body::IdleTimeoutBody;
use super::pass_through::{OnceBody, PassThroughAnswer, PassThroughRequest, RequestBody};
use super::proxy_status::PROXY_STATUS;
use super::stopwatch::Note;
use super::{CallFailure, FailureKind};
use crate::config::{FileFault, Upstream};

/// Headers that concern one connection (RFC 9110, 7.6.1), and Expect, which the gateway's own server answers. Also left
/// out: Proxy-… except Proxy-Status, and headers named by Connection.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Schemes that sign in a single request. Any other scheme (NTLM, Negotiate: RFC 4559, 6) may sign in the connection,
/// with all requests that follow on it.
const SCHEMES_OF_A_REQUEST: [&str; 3] = ["basic", "bearer", "digest"];

/// Carries clients' own requests to one base URL.
pub(super) struct PassThroughClient {
    client: Client<Connector, OnceBody>,
    /// The client for requests that may sign in their connection.
    fresh_client: Client<Connector, OnceBody>,
    base_url: String,
    authority: HeaderValue,
    answer_timeout: Duration,
}

impl PassThroughClient {
    pub(super) fn new(base_url: &str, config: &Upstream, connector: &Connector) -> Result<Self, FileFault> {
        let fault = |message: String| FileFault { setting: "upstream.url", message };
        let base: Uri = base_url.parse().map_err(|e| fault(format!("{base_url} is not an URL: {e}")))?;
        let authority = base.authority().ok_or_else(|| fault(format!("{base_url} names no host")))?;
        // User name and password of a URL do not belong into Host (RFC 9110, 7.2).
        let authority = authority.as_str().rsplit('@').next().unwrap_or_default();
        let authority = HeaderValue::from_str(authority).map_err(|e| fault(e.to_string()))?;
        Ok(Self {
            // All that were in use at the same time are kept until `upstream.idle_timeout_s`, as many as the clients' own.
            client: client(connector, config, usize::MAX),
            fresh_client: client(connector, config, 0),
            base_url: base_url.trim_end_matches('/').to_owned(),
            authority,
            answer_timeout: config.answer_timeout_s,
        })
    }

    pub(super) async fn pass_through(&self, forward: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure> {
        let source = forward.body.clone();
        let client = if may_sign_in_connection(&forward.headers) { &self.fresh_client } else { &self.client };
        let stopwatch = forward.stopwatch.clone();
        let (body, mark) = OnceBody::new(&source, &stopwatch);
        let request = self.request(forward, body)?;
        // A connection asks for a body before it writes anything; without a body only a failure to connect proves that
        // nothing was sent.
        let was_taken = |is_connect: bool| if source.is_empty() { !is_connect } else { mark.is_taken() };
        match within(stopwatch.measure(client.request(request)), &source, self.answer_timeout).await {
            Some(Ok(answer)) => {
                stopwatch.note(Note::Answered);
                Ok(self.answer(answer))
            }
            // Only the client knows whether its request may be sent twice, so that it is treated as `once`.
            Some(Err(error)) => Err(of_error(&error, was_taken(error.is_connect()), true)),
            None => Err(of_silence(self.answer_timeout, was_taken(false))),
        }
    }

    fn request(&self, forward: PassThroughRequest, body: OnceBody) -> Result<Request<OnceBody>, CallFailure> {
        let url = format!("{}{}", self.base_url, forward.path);
        let not_sent = |e: hyper::http::uri::InvalidUri| CallFailure::NotSent {
            kind: FailureKind::Connect,
            message: format!("its path makes no URL: {e}"),
        };
        let mut request = Request::new(body);
        *request.uri_mut() = url.parse().map_err(not_sent)?;
        *request.method_mut() = forward.method;
        *request.extensions_mut() = forward.extensions;
        *request.headers_mut() = passed_on(&forward.headers, |name| (name == header::HOST).then_some(&self.authority));
        Ok(request)
    }

    /// Turns upstream's answer into an HTTP/1.1 answer for the client.
    fn answer(&self, answer: hyper::Response<hyper::body::Incoming>) -> PassThroughAnswer {
        let (head, body) = answer.into_parts();
        let mut passed = hyper::Response::new(IdleTimeoutBody::new(body, self.answer_timeout).boxed_unsync());
        *passed.status_mut() = head.status;
        *passed.extensions_mut() = head.extensions;
        *passed.headers_mut() = passed_on(&head.headers, |_| None);
        passed
    }
}

/// May a request with these headers leave its connection signed in?
fn may_sign_in_connection(headers: &HeaderMap) -> bool {
    let scheme = |value: &HeaderValue| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        value.split_ascii_whitespace().next().is_none_or(|scheme| SCHEMES_OF_A_REQUEST.contains(&scheme))
    };
    !headers.get_all(header::AUTHORIZATION).iter().all(scheme)
}

/// The headers that are passed on, in order; `replaced` may change a value.
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
            // RFC 9112, 6.3: beside Transfer-Encoding, Content-Length has no meaning.
            || (is_framed && *name == header::CONTENT_LENGTH)
    };
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !stays(name)) {
        passed.append(name, replaced(name).unwrap_or(value).clone());
    }
    passed
}

/// Waits for the head of the answer, as long as upstream is not silent for more than `limit`.
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
