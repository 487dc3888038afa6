//! Passes clients' own SOAP requests through to upstream, and upstream's answers back, byte for byte.
//!
//! Rule: the gateway answers by itself only if upstream does not: it describes the services (`?wsdl`), and answers a
//! request that cannot be passed on with a SOAP fault. Upstream decides who may call: the client's own credentials pass
//! through, and the gateway's credentials are not added.

mod capture;
mod capture_end;
mod limited_body;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::Server;
use super::body::discard;
use super::forwarded;
use super::packing;
use super::reply::{self, Reply};
use crate::contract::SoapVersion;
use crate::exchange::bare_path;
use crate::provider::Provider;
use crate::request::RecordId;
use crate::upstream::proxy_status::{self, PROXY_STATUS};
use crate::upstream::{CallFailure, PassThroughAnswer, PassThroughRequest, RequestBody, Stopwatch, reason_of, tee};
use capture_end::{CaptureStart, Outcome};
use limited_body::{BodyError, BodyOutcome, LimitedBody};

pub use capture::Captures;

/// How long to wait for the rest of a body after its connection failed.
const GIVE_BACK_TIME: Duration = Duration::from_secs(1);
/// The longest path with query, in bytes.
const LONGEST_PATH: usize = 8192;

/// An answer below a contract's base path.
pub(super) enum Answered {
    /// The answer of upstream.
    Passed(PassThroughAnswer),
    /// The gateway's own answer.
    Own(Reply),
}

/// The provider whose base path a path is below, if pass-through is enabled.
pub(super) fn provider_of<'s>(server: &'s Server, path: &str) -> Option<&'s Arc<Provider>> {
    let (provider, _) = server.api.providers.of_path(path)?;
    server.config.pass_through.enabled.then_some(provider)
}

/// Answers a request below a provider's base path; `framing` is the fault of its head, if any.
pub(super) async fn respond(
    server: &Server,
    provider: &Arc<Provider>,
    request: Request<Incoming>,
    framing: Option<String>,
) -> Answered {
    let refusal = match *request.method() {
        Method::GET | Method::HEAD => Some(describe(server, provider, &request)),
        Method::POST => refusal(server, provider, &request, framing),
        _ => Some(reply::not_allowed("GET, HEAD, POST")),
    };
    match refusal {
        Some(reply) => {
            tracing::info!(
                path = bare_path(request.uri().path()),
                status = reply.status().as_u16(),
                "pass-through refused"
            );
            discard(request.into_body()).await;
            Answered::Own(reply)
        }
        None => pass(server, provider, request).await,
    }
}

/// Rejects a request for lack of room.
pub(super) async fn turn_away(request: Request<Incoming>, retry_after: Duration) -> Reply {
    let words = "The gateway cannot take requests now.";
    let mut reply = soap_fault(spoken(request.headers()), StatusCode::SERVICE_UNAVAILABLE, words);
    reply::set_retry_after(&mut reply, retry_after);
    discard(request.into_body()).await;
    reply
}

/// Serves WSDL and XSD with the address that the client used.
fn describe(server: &Server, provider: &Provider, request: &Request<Incoming>) -> Reply {
    let scheme = forwarded::scheme(server, request.headers());
    let first = |name| forwarded::first(request.headers(), name);
    let host = first("x-forwarded-host").or_else(|| first(HOST.as_str())).unwrap_or("localhost");
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    match provider.contract.load().served(path, query, &format!("{scheme}://{host}")) {
        Some(document) => packing::allow(own(StatusCode::OK, "text/xml; charset=utf-8", document.into_bytes())),
        None => own(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", b"No service here; try PATH?wsdl.".to_vec()),
    }
}

/// The answer to a request that is not passed on; `None` if the request may pass.
fn refusal(
    server: &Server,
    provider: &Provider,
    request: &Request<Incoming>,
    framing: Option<String>,
) -> Option<Reply> {
    let soap = spoken(request.headers());
    if let Some(words) = framing {
        return Some(soap_fault(soap, StatusCode::BAD_REQUEST, &words));
    }
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > LONGEST_PATH) {
        let words = format!("The path is longer than {LONGEST_PATH} bytes.");
        return Some(soap_fault(soap, StatusCode::URI_TOO_LONG, &words));
    }
    if leaves_its_folder(request.uri().path()) {
        let words = "The path must not have the segments . and .. in it.";
        return Some(soap_fault(soap, StatusCode::BAD_REQUEST, words));
    }
    if !provider.config.upstream.effective {
        let words = "Nothing is sent to Conax (upstream.effective).";
        return Some(soap_fault(soap, StatusCode::SERVICE_UNAVAILABLE, words));
    }
    let limit = server.config.pass_through.max_body_bytes;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.filter(|length| usize::try_from(*length).map_or(true, |n| n > limit)).map(|_| too_large(soap, limit))
}

/// The SOAP version that a client uses, for the gateway's own faults.
fn spoken(headers: &HeaderMap) -> SoapVersion {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    SoapVersion::of_content_type(value.unwrap_or_default())
}

/// Does a path have a segment `.` or `..`, in any encoding, which could lead a server outside the base URL?
fn leaves_its_folder(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    // Java servlets treat the text behind a semicolon as a parameter, not as part of the segment.
    decoded.split(['/', '\\']).filter_map(|segment| segment.split(';').next()).any(|s| s == "." || s == "..")
}

async fn pass(server: &Server, provider: &Arc<Provider>, request: Request<Incoming>) -> Answered {
    let (head, body) = request.into_parts();
    let Parts { method, uri, headers, extensions, .. } = head;
    let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str()).to_owned();
    let soap = spoken(&headers);
    let config = &server.config.pass_through;
    let (inbound, outcome_of_body) = LimitedBody::new(body, config.max_body_bytes, server.config.server.body_timeout_s);
    // A dropped exchange needs no copy of its bodies.
    let slot = server.captures.slot(&path, &headers);
    let capture_bytes = if slot.is_some() { config.capture_bytes } else { 0 };
    let (inbound, copy) = tee(inbound, capture_bytes, &server.captures.budget);
    let body = RequestBody::new(inbound);
    let at = server.api.clock.now();
    let stopwatch = Stopwatch::start();
    let tell = slot.map(|slot| {
        let (id, path, headers) = (RecordId::new(at), path.clone(), headers.clone());
        let (provider, began, stopwatch) = (Arc::clone(provider), Instant::now(), stopwatch.clone());
        server.captures.begin(CaptureStart { provider, id, at, began, stopwatch, path, headers, body: copy, slot })
    });
    let tell = |outcome| {
        if let Some(tell) = tell {
            drop(tell.send(outcome));
        }
    };
    let below = path.strip_prefix(provider.contract.load().base_path()).unwrap_or_default().to_owned();
    let forward = PassThroughRequest { method, path: below, headers, extensions, body: body.clone(), stopwatch };
    match provider.transport.pass_through(forward).await {
        Ok(answer) => {
            let (head, answer_body) = answer.into_parts();
            let (answer_body, copy) = tee(answer_body, capture_bytes, &server.captures.budget);
            let reason = reason_of(head.status, &head.extensions);
            let (status, headers) = (head.status.as_u16(), head.headers.clone());
            tell(Outcome::Answered { status, reason, headers, body: copy });
            Answered::Passed(Response::from_parts(head, answer_body.boxed_unsync()))
        }
        Err(failure) => {
            let reply = failed(server, soap, &failure, outcome_of_body.broken());
            tell(Outcome::Failed(Some(failure)));
            // No byte of the body was sent: the rest of the client's body is read here, so that it is captured.
            if let Some(mut unsent) = body.take() {
                let read = async { while let Some(Ok(_)) = unsent.frame().await {} };
                drop(tokio::time::timeout(GIVE_BACK_TIME, read).await);
            }
            drop(body);
            read_away(outcome_of_body).await;
            Answered::Own(reply)
        }
    }
}

/// The answer to a client if upstream gave no answer.
fn failed(server: &Server, soap: SoapVersion, failure: &CallFailure, broken: Option<BodyError>) -> Reply {
    let (status, words) = match broken {
        Some(BodyError::TooLarge) => return too_large(soap, server.config.pass_through.max_body_bytes),
        Some(BodyError::TooSlow) => (StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time.".into()),
        Some(BodyError::Gone) => (StatusCode::BAD_REQUEST, "The request body broke off.".into()),
        None => proxy_status::answer_of(failure),
    };
    let mut reply = soap_fault(soap, status, &words);
    if broken.is_none() {
        set_proxy_status(&mut reply, &proxy_status::of_failure(failure));
    }
    reply
}

/// Reads the rest of a body: some clients read the answer only after they have sent everything.
async fn read_away(outcome_of_body: BodyOutcome) {
    if matches!(outcome_of_body.broken(), None | Some(BodyError::TooLarge))
        && let Ok(Some(rest)) = tokio::time::timeout(GIVE_BACK_TIME, outcome_of_body.rest()).await
    {
        discard(rest).await;
    }
}

fn too_large(soap: SoapVersion, limit: usize) -> Reply {
    soap_fault(soap, StatusCode::PAYLOAD_TOO_LARGE, &format!("The request body is larger than {limit} bytes."))
}

fn soap_fault(soap: SoapVersion, status: StatusCode, text: &str) -> Reply {
    let mut reply = own(status, soap.content_type(), proxy_status::fault(status, text, soap));
    set_proxy_status(&mut reply, &proxy_status::untried(status));
    reply
}

fn set_proxy_status(reply: &mut Reply, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(PROXY_STATUS, value);
    }
}

fn own(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_base_url() {
        for path in ["/a/../b", "/a/%2e%2E/b", "/a/..;x=1/b", "/a/.%2e", "/a%2f..%2fb", "/a\\..\\b", "/./a"] {
            assert!(leaves_its_folder(path), "{path}");
        }
        for path in ["/a/b..c/d", "/a/...", "/caclient/pairing", "/a;v=1..2/b", "//a"] {
            assert!(!leaves_its_folder(path), "{path}");
        }
    }
}
