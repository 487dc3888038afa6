//! The live transport: HTTP to the Conax services, with HTTP Basic, a client certificate and a private CA as configured.
//!
//! Redirects are not followed (a POST would become a GET, and credentials would go elsewhere), proxies of the environment
//! are not used, and HTTP/2 is not used: a connection has one request at a time.

use std::borrow::Cow;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::{Client, Error};
use rustls::ClientConfig;
use tokio::time::{Duration, Instant, timeout_at};

use super::connection::{Connector, client};
use super::failure::{in_words, of_error, of_silence};
use super::pass_through::{PassThroughAnswer, PassThroughRequest};
use super::pass_through_client::PassThroughClient;
use super::proxy_status::{self, PROXY_STATUS};
use super::reason::reason_of;
use super::stopwatch::Note;
use super::tracked_body::TrackedBody;
use super::{Call, CallFailure, FailureKind, HttpAnswer, KEPT_BYTES, Recorded, SERVER_TIMING, Transport, cut_note};
use crate::coding::{CodingFault, Unpacked, unpacked};
use crate::config::{FileFault, Upstream};
use crate::secret::Secret;

/// Headers of W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
/// Header that names the operation in SOAP 1.1.
const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

type HttpClient = Client<Connector, TrackedBody>;

/// HTTP to one base URL.
pub struct LiveTransport {
    client: HttpClient,
    /// The client for calls that need a connection of their own.
    fresh_client: HttpClient,
    base_url: String,
    /// Headers of every request: accepted types and codings, and HTTP Basic if configured.
    headers: HeaderMap,
    answer_timeout: Duration,
    max_response_bytes: usize,
    pass_through_client: PassThroughClient,
}

/// The failure of a call without an answer.
struct Unanswered {
    /// `None` if the time was over.
    error: Option<Error>,
    /// Did a connection take the request?
    is_taken: bool,
}

impl LiveTransport {
    /// A transport to `base_url` with this configuration; `tls` is made from the same configuration.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn new(base_url: &str, config: &Upstream, tls: &ClientConfig) -> Result<Self, FileFault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/xml, application/soap+xml, multipart/related"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("conax-gateway/", env!("CARGO_PKG_VERSION"))));
        if let (Some(username), Some(password)) = (&config.username, &config.password) {
            headers.insert(AUTHORIZATION, basic(username, password)?);
        }
        let connector = Connector::new(config, tls);
        Ok(Self {
            client: client(&connector, config, config.max_concurrency),
            fresh_client: client(&connector, config, 0),
            base_url: base_url.trim_end_matches('/').to_owned(),
            headers,
            answer_timeout: config.answer_timeout_s,
            max_response_bytes: config.max_response_bytes,
            pass_through_client: PassThroughClient::new(base_url, config, &connector)?,
        })
    }

    /// The head of a call's request.
    fn request(&self, call: &Call) -> Result<Request<()>, CallFailure> {
        let not_sent = |message| CallFailure::NotSent { kind: FailureKind::Connect, message };
        let url = format!("{}{}", self.base_url, call.path);
        let uri: Uri = url.parse().map_err(|e| not_sent(format!("{url} is not an URL: {e}")))?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        let trace_parent = call.trace.as_ref().map(|trace| trace.traceparent.to_string());
        let trace_state = call.trace.as_ref().and_then(|trace| trace.tracestate.as_ref());
        for (name, value) in [
            (CONTENT_TYPE, Some(&call.content_type)),
            (SOAP_ACTION, call.soap_action.as_ref()),
            (TRACE_PARENT, trace_parent.as_ref()),
            (TRACE_STATE, trace_state),
        ] {
            let Some(value) = value else { continue };
            let value =
                HeaderValue::from_str(value).map_err(|_| not_sent(format!("{value:?} cannot be sent as {name}")))?;
            headers.insert(name, value);
        }
        Ok(request)
    }

    /// Sends a request once, and waits for the head of its answer.
    async fn ask(
        &self,
        client: &HttpClient,
        request: &Request<()>,
        call: &Call,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Unanswered> {
        let (body, mark) = TrackedBody::new(call.body.clone(), &call.stopwatch);
        let asked = call.stopwatch.measure(client.request(request.clone().map(|()| body)));
        let error = match timeout_at(deadline, asked).await {
            Ok(Ok(response)) => {
                call.stopwatch.note(Note::Answered);
                return Ok(response);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        Err(Unanswered { error, is_taken: mark.is_taken() })
    }

    async fn receive(&self, response: Response<Incoming>, deadline: Instant) -> Result<HttpAnswer, CallFailure> {
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let header = |name: &str| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let content_type = header(CONTENT_TYPE.as_str()).map(Cow::into_owned);
        let limit = self.max_response_bytes;
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let mut packed = Vec::with_capacity(length.unwrap_or_default().min(limit));
        let broken = loop {
            match timeout_at(deadline, body.frame()).await {
                Ok(None) => break None,
                Ok(Some(Ok(frame))) => {
                    let piece = frame.into_data().unwrap_or_default();
                    let room = limit - packed.len();
                    packed.extend_from_slice(&piece.slice(..room.min(piece.len())));
                    if piece.len() > room {
                        break Some(CodingFault::TooLarge(limit).to_string());
                    }
                }
                Ok(Some(Err(error))) => break Some(format!("the answer broke off: {}", in_words(&error))),
                Err(_) => {
                    let seconds = self.answer_timeout.as_secs_f64();
                    break Some(format!("the answer was not whole within {seconds} s"));
                }
            }
        };
        let Unpacked { mut body, fault } = unpacked(packed, &head.headers, limit);
        // An unknown coding may be a mistake of the server: the text shows whether the body is coded.
        let fault = fault.filter(|fault| !matches!(fault, CodingFault::Unknown(_)));
        if let Some(message) = broken.or_else(|| fault.map(|fault| fault.to_string())) {
            let message = message + &cut_note(body.len(), body.len());
            body.truncate(KEPT_BYTES);
            body.shrink_to_fit();
            return Err(CallFailure::InDoubt {
                message,
                status: Some(status),
                partial: body,
                content_type,
                is_late: false,
            });
        }
        // The answer may come from another gateway, which names the failure of the call.
        if let Some(failure) = header(PROXY_STATUS).and_then(|value| proxy_status::told_by(&value, status, &body)) {
            return Err(failure);
        }
        Ok(HttpAnswer {
            status,
            reason: reason_of(head.status, &head.extensions),
            retry_after: header(RETRY_AFTER.as_str()).map(Cow::into_owned),
            recorded: header(SERVER_TIMING).and_then(|value| Recorded::from_server_timing(&value)),
            content_type,
            body,
        })
    }
}

#[async_trait]
impl Transport for LiveTransport {
    async fn call(&self, call: Call) -> Result<HttpAnswer, CallFailure> {
        let request = self.request(&call)?;
        let deadline = Instant::now() + self.answer_timeout;
        let client = if call.once { &self.fresh_client } else { &self.client };
        let mut answered = self.ask(client, &request, &call, deadline).await;
        if let Err(Unanswered { error: Some(error), is_taken: false }) = &answered
            && !call.once
            && !error.is_connect()
        {
            // An idle connection was closed before it took the request: a new connection may work.
            answered = self.ask(&self.fresh_client, &request, &call, deadline).await;
        }
        let result = match answered {
            Ok(response) => self.receive(response, deadline).await,
            Err(Unanswered { error: Some(error), is_taken }) => Err(of_error(&error, is_taken, call.once)),
            Err(Unanswered { error: None, is_taken }) => Err(of_silence(self.answer_timeout, is_taken)),
        };
        call.stopwatch.note(Note::Ended);
        result
    }

    async fn pass_through(&self, request: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure> {
        self.pass_through_client.pass_through(request).await
    }

    fn is_down(&self) -> bool {
        false
    }
}

/// HTTP Basic (RFC 7617), marked as sensitive so that no log shows it.
fn basic(username: &str, password: &Secret) -> Result<HeaderValue, FileFault> {
    let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| fault("upstream.username", "cannot be sent as HTTP Basic".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn fault(setting: &'static str, message: String) -> FileFault {
    FileFault { setting, message }
}
