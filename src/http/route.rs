//! The router: answers a request by its path, and calls a method of the JSON API in a single match.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode, Version};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::admission::Access;
use super::guest::Guest;
use super::inspector;
use super::methods::{PREFIX, Route, find_route, method_of, shown};
use super::packing;
use super::pass_through::{self, Answered};
use super::reply::{self, Reply};
use super::{Face, Server};
use super::{auth, body, correlation, health, metrics, openapi};
use crate::account::Role;
use crate::api::{Answer, ApiError, Code, Params, Session, authentication, create, list, query_object, show};
use crate::config::MetricsListen;
use crate::observer::ApiAnswer;
use crate::request::{Correlation, TraceContext};
use crate::upstream::PassThroughAnswer;
use crate::words::Word as _;

/// The header of draft-ietf-httpapi-idempotency-key-header.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header of an answer that repeats the record of an earlier call, under its common name.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Most characters of an Idempotency-Key.
pub(super) const KEY_LENGTH: usize = 255;
/// Answers a request. Every error becomes a reply, and a line in the log, here.
pub(super) async fn respond(server: &Server, guest: &Guest, request: Request<Incoming>) -> PassThroughAnswer {
    let (correlation, began) = (correlation::of(request.headers()), Instant::now());
    let request_id = correlation.request_id.clone();
    // The span goes on in the processor, so that every log line about the request has its id; it is an error span so that
    // no log level disables it.
    let span = tracing::error_span!("http", request_id, peer = %guest.address(), user = Empty);
    let has_place = guest.asks() == Access::All;
    let is_gzip_understood = packing::is_understood(request.headers());
    let path = request.uri().path();
    let mut reply = if health::is_check(path) {
        guest.begins();
        health::respond(server, request.method(), path).await
    } else if let Some(reply) = scraped(server, guest, &request).await {
        reply
    } else if guest.face() == Face::Watching {
        body::discard(request.into_body()).await;
        reply::not_found()
    } else if openapi::is_here(path) {
        guest.begins();
        server.openapi.respond(request.method(), path)
    } else if inspector::is_below(server, path) {
        let busy = || (!has_place).then(|| ApiError::busy(guest.retry_after()));
        let refusal = check_framing(&request).err().or_else(busy);
        // Boxed, so that other requests need no memory for it.
        match Box::pin(inspector::respond(server, guest, request, refusal)).instrument(span).await {
            inspector::Answered::Events(mut answer) => {
                reply::sign(&mut answer, &request_id, server.api.clock.now());
                return answer;
            }
            inspector::Answered::Reply(reply) => reply,
        }
    } else if let Some(provider) = pass_through::provider_of(server, path).filter(|_| !path.starts_with(PREFIX)) {
        if has_place && guest.begins() {
            let framing = check_framing(&request).err().map(|error| error.message);
            match pass_through::respond(server, provider, request, framing).instrument(span).await {
                Answered::Passed(answer) => {
                    passed_through(server, answer.status(), began);
                    return answer;
                }
                Answered::Own(reply) => {
                    passed_through(server, reply.status(), began);
                    reply
                }
            }
        } else {
            pass_through::turn_away(request, guest.retry_after()).await
        }
    } else {
        answer(server, guest, has_place, request, correlation).instrument(span).await
    };
    if !has_place {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if is_gzip_understood {
        reply = packing::pack(reply).await;
    }
    reply::sign(&mut reply, &request_id, server.api.clock.now());
    reply.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

/// Answers a scrape, if the path is `/metrics` and the address has metrics.
async fn scraped(server: &Server, guest: &Guest, request: &Request<Incoming>) -> Option<Reply> {
    let is_here = (server.config.metrics.listen == MetricsListen::Server) == (guest.face() == Face::Whole);
    if request.uri().path() != metrics::PATH || !is_here {
        return None;
    }
    guest.begins();
    metrics::respond(server, request.method()).await
}

fn passed_through(server: &Server, status: StatusCode, began: Instant) {
    server.observers().tell(|observer| observer.passed_through(status.as_u16(), began.elapsed()));
}

async fn answer(
    server: &Server,
    guest: &Guest,
    has_place: bool,
    request: Request<Incoming>,
    mut correlation: Correlation,
) -> Reply {
    let began = Instant::now();
    let mut parent = None;
    if server.observers().want_spans() {
        parent = correlation.trace.take();
        correlation.trace = Some(parent.as_ref().map_or_else(TraceContext::root, TraceContext::child));
    }
    let method = request.method().clone();
    // Only the path is logged: the query of a GET has the token.
    let path = shown(request.uri().path()).to_owned();
    let found = find_route(&method, request.uri().path());
    let refusal = match (check_framing(&request), &found) {
        (Err(error), _) => Err(error),
        (Ok(()), Err((error, _))) => Err(error.clone()),
        (Ok(()), Ok(_)) if !has_place => Err(ApiError::busy(guest.retry_after())),
        (Ok(()), Ok(route)) => Ok(*route),
    };
    let result = match refusal {
        Ok(route) => dispatch(server, guest, route, request, &correlation).await,
        Err(error) => {
            body::discard(request.into_body()).await;
            Err(error)
        }
    };
    let took = began.elapsed();
    let code = result.as_ref().map_or_else(|error| error.code.as_str(), |_| "OK");
    let told = ApiAnswer {
        method: found.as_ref().ok().and_then(|_| method_of(&path)),
        code,
        took,
        correlation: &correlation,
        parent_span_id: parent.as_ref().map(|parent| parent.traceparent.span_id.as_str()),
        number: result.as_ref().ok().and_then(|answer| answer.number),
        is_failure: result.as_ref().is_err_and(|error| matches!(error.code, Code::InternalError | Code::Unavailable)),
    };
    server.observers().tell(|observer| observer.api_answered(&told));
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(Answer { data, number, is_repeat }) => {
            tracing::info!(%method, path, duration_ms, code, number, "request");
            let mut reply = reply::success(data);
            if is_repeat {
                reply.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            let has_token = matches!(found, Ok(Route::Token | Route::KeyToken));
            if has_token { reply } else { packing::allow(reply) }
        }
        Err(error) => {
            match &error.private {
                Some(private) => tracing::error!(%method, path, duration_ms, code, private, "request failed"),
                None => tracing::info!(%method, path, duration_ms, code, "request"),
            }
            let challenge = auth::challenge(error.code, found.as_ref() == Ok(&Route::KeyToken));
            let allow = found.err().and_then(|(_, allow)| allow);
            let mut reply = reply::error(&error, server.config.server.http_status, allow);
            if reply.status() == StatusCode::UNAUTHORIZED {
                reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            reply
        }
    }
}

/// Refuses requests that hyper accepts wrongly: without Host or with several (RFC 9112, 3.2), and with transfer codings
/// that hyper does not decode (6.1).
fn check_framing(request: &Request<Incoming>) -> Result<(), ApiError> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(ApiError::new(Code::BadRequest, "The request must have exactly one Host header."));
    }
    if headers.get_all(TRANSFER_ENCODING).iter().any(|v| !v.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(ApiError::new(Code::BadRequest, "The only Transfer-Encoding understood is chunked."));
    }
    Ok(())
}

async fn dispatch(
    server: &Server,
    guest: &Guest,
    route: Route,
    request: Request<Incoming>,
    correlation: &Correlation,
) -> Result<Answer, ApiError> {
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    let mut params = match head.method {
        Method::GET | Method::HEAD => Params::new(query_object(head.uri.query().unwrap_or_default())?),
        _ if head.uri.query().is_some_and(|query| !query.is_empty()) => {
            body::discard(body).await;
            return Err(ApiError::invalid("$", "POST takes its parameters in the body, not in the query."));
        }
        _ => body::read_body(&server.config.server, headers, body, route == Route::KeyToken).await?,
    };
    if !guest.begins() {
        return Err(ApiError::busy(guest.retry_after()));
    }
    let data = match route {
        Route::Token => authentication::token(&server.api, guest.peer(), params).await,
        Route::KeyToken => authentication::web_api_key(&server.api, guest.peer(), auth::api_key(headers), params).await,
        Route::ReleaseToken => {
            let token = auth::token(headers, &mut params)?;
            authentication::release(&server.api, &token, params).await
        }
        Route::Show(family) => {
            let session = sign_in(server, headers, &mut params, Role::Read).await?;
            show::call(&server.api, &session, family, params).await
        }
        Route::List(family) => {
            let session = sign_in(server, headers, &mut params, Role::Read).await?;
            list::call(&server.api, &session, family, params).await
        }
        Route::Create(family, request_type) => {
            let session = sign_in(server, headers, &mut params, Role::Provision).await?;
            let key = idempotency_key(headers)?;
            return create::call(&server.api, &session, (family, request_type), key, Some(correlation.clone()), params)
                .await;
        }
    };
    data.map(Answer::from)
}

/// Reads the Idempotency-Key header: a text that the client chooses for each new request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_LENGTH).contains(&key.len()) && values.next().is_none());
    match key {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            let message = format!("The header must occur once, with 1 to {KEY_LENGTH} visible ASCII characters.");
            Err(ApiError::invalid("Idempotency-Key", message))
        }
    }
}

async fn sign_in(server: &Server, headers: &HeaderMap, params: &mut Params, role: Role) -> Result<Session, ApiError> {
    let token = auth::token(headers, params)?;
    let session = server.api.sessions.find(&token).await?;
    Span::current().record("user", &session.user.username);
    session.require(role)?;
    server.api.rates.take(&session.user.id, server.api.clock.now())?;
    Ok(session)
}
