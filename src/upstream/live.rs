//! The real thing: HTTP to the Conax services, with HTTP Basic, a client certificate and an own CA as configured.
//!
//! Redirects are not followed (a POST would become a GET, and credentials would go elsewhere), proxies of the
//! environment are not used, and there is no HTTP/2: one request, one connection, one answer.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use rustls::ClientConfig;

use super::failure::{in_words, obstacle};
use super::forward::{Forward, ForwardAnswer};
use super::forwarding::Forwarding;
use super::marked_body::{Mark, MarkedBody};
use super::proxy_status::{self, PROXY_STATUS};
use super::reason::reason_of;
use super::{Call, CallFailure, HttpAnswer, Obstacle, Recorded, SERVER_TIMING, Transport};
use crate::config::{FileFault, Secret, Upstream};
use crate::exchange::{CodingFault, Unpacked, unpacked};

/// Header that names the operation in SOAP 1.1.
const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// HTTP to one base URL.
pub struct LiveTransport {
    client: reqwest::Client,
    /// For calls that want a connection of their own.
    fresh_client: reqwest::Client,
    base_url: String,
    /// The services called so far: reading an URL costs more than finding it.
    urls: RwLock<HashMap<String, reqwest::Url>>,
    /// Sent with every request: what is accepted, and HTTP Basic where configured.
    headers: HeaderMap,
    answer_timeout: Duration,
    max_response_bytes: usize,
    forwarding: Forwarding,
}

impl LiveTransport {
    /// A transport to `base_url`, with everything else from the configuration; `tls` is made of the same.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn new(base_url: &str, config: &Upstream, tls: &ClientConfig) -> Result<Self, FileFault> {
        let fresh_client = client(config, tls, 0)?;
        let client = client(config, tls, config.max_concurrency)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/xml, application/soap+xml, multipart/related"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let (Some(username), Some(password)) = (&config.username, &config.password) {
            headers.insert(AUTHORIZATION, basic(username, password)?);
        }
        Ok(Self {
            client,
            fresh_client,
            base_url: base_url.trim_end_matches('/').to_owned(),
            urls: RwLock::default(),
            headers,
            answer_timeout: config.answer_timeout_s,
            max_response_bytes: config.max_response_bytes,
            forwarding: Forwarding::new(base_url, config, tls)?,
        })
    }

    fn url_of(&self, path: &str) -> Result<reqwest::Url, CallFailure> {
        if let Some(url) = self.urls.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(url.clone());
        }
        let url = reqwest::Url::parse(&format!("{}{path}", self.base_url)).map_err(|e| CallFailure::NotSent {
            obstacle: Obstacle::Connect,
            what: format!("{}{path} is not an URL: {e}", self.base_url),
        })?;
        self.urls.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), url.clone());
        Ok(url)
    }

    fn request(&self, call: &Call) -> Result<(reqwest::Request, Mark), CallFailure> {
        let (body, mark) = MarkedBody::new(call.body.clone());
        let mut request = reqwest::Request::new(Method::POST, self.url_of(&call.path)?);
        *request.timeout_mut() = Some(self.answer_timeout);
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        for (name, value) in [(CONTENT_TYPE, Some(&call.content_type)), (SOAP_ACTION, call.soap_action.as_ref())] {
            let Some(value) = value else { continue };
            let value = HeaderValue::from_str(value).map_err(|_| CallFailure::NotSent {
                obstacle: Obstacle::Connect,
                what: format!("{value:?} cannot be sent as {name}"),
            })?;
            headers.insert(name, value);
        }
        Ok((request, mark))
    }

    async fn receive(&self, mut response: reqwest::Response) -> Result<HttpAnswer, CallFailure> {
        // Another gateway may say that the answer is its own, and what became of the call.
        let told = response.headers().get(PROXY_STATUS);
        if let Some(failure) = told.and_then(|value| proxy_status::to_failure(value.to_str().ok()?)) {
            return Err(failure);
        }
        let status = response.status();
        let reason = reason_of(status, response.extensions());
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let timing = response.headers().get(SERVER_TIMING);
        let recorded = timing.and_then(|value| Recorded::from_server_timing(value.to_str().ok()?));
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let limit = self.max_response_bytes;
        let mut packed = Vec::new();
        let broken = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if packed.len() + chunk.len() > limit => {
                    packed.extend(chunk.iter().take(limit - packed.len()));
                    break Some(CodingFault::TooLarge(limit).to_string());
                }
                Ok(Some(chunk)) => packed.extend_from_slice(&chunk),
                Ok(None) => break None,
                Err(error) => break Some(format!("the answer broke off: {}", in_words(error))),
            }
        };
        let Unpacked { body, fault } = unpacked(packed, response.headers(), limit);
        // A coding that nobody knows may be a slip of the server: the text says whether it is one.
        let fault = fault.filter(|fault| !matches!(fault, CodingFault::Unknown(_)));
        let status = status.as_u16();
        match broken.or_else(|| fault.map(|fault| fault.to_string())) {
            None => Ok(HttpAnswer { status, reason, content_type, body, retry_after, recorded }),
            Some(what) => {
                Err(CallFailure::Doubt { what, status: Some(status), partial: body, content_type, is_late: false })
            }
        }
    }
}

#[async_trait]
impl Transport for LiveTransport {
    async fn call(&self, call: Call) -> Result<HttpAnswer, CallFailure> {
        let (request, mark) = self.request(&call)?;
        let client = if call.fresh { &self.fresh_client } else { &self.client };
        let error = match client.execute(request).await {
            Ok(response) => return self.receive(response).await,
            Err(error) => error,
        };
        let is_taken = mark.is_taken();
        let was_stale = !call.fresh && !is_taken && !error.is_connect() && !error.is_timeout();
        if was_stale {
            // An idle connection was closed before it took anything: a new one may.
            return self.call(Call { fresh: true, ..call }).await;
        }
        Err(match obstacle(&error, is_taken) {
            Some(obstacle) => CallFailure::NotSent { obstacle, what: in_words(error) },
            None => {
                let is_late = error.is_timeout();
                let what = in_words(error);
                CallFailure::doubt(what, is_late)
            }
        })
    }

    async fn forward(&self, request: Forward) -> Result<ForwardAnswer, CallFailure> {
        self.forwarding.forward(request).await
    }

    fn is_down(&self) -> bool {
        false
    }
}

/// An HTTP client that keeps up to `idle` connections for further use.
fn client(config: &Upstream, tls: &ClientConfig, idle: usize) -> Result<reqwest::Client, FileFault> {
    let client = reqwest::Client::builder()
        .http1_only()
        .tls_backend_preconfigured(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("conax-gateway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout_s)
        .pool_idle_timeout(config.idle_timeout_s)
        .pool_max_idle_per_host(idle)
        .tcp_nodelay(true);
    client.build().map_err(|e| fault("upstream", in_words(e)))
}

/// HTTP Basic (RFC 7617), never shown in a log.
fn basic(username: &str, password: &Secret) -> Result<HeaderValue, FileFault> {
    let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| fault("upstream.username", "cannot be sent as HTTP Basic".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn fault(setting: &'static str, what: String) -> FileFault {
    FileFault { setting, what }
}
