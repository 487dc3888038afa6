//! Serves the inspector below `/inspector/`: its pages, and the data for its pages.
//!
//! Rule: every session may read; changes need the role `operate`, and a proof that a page of the inspector made the
//! request (`session`). The headers of every answer forbid loading, running or embedding anything from elsewhere.

mod events;
mod export;
mod session;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::Server;
use super::auth;
use super::body;
use super::guest::Guest;
use super::metrics;
use super::packing;
use super::reply::{self, Reply};
use crate::account::Role;
use crate::api::{ApiError, Code, Data, Params, authentication, query_object};
use crate::config::HttpStatusMode;
use crate::inspector::{self, ExportForm};
use crate::secret::Secret;
use crate::upstream::PassThroughAnswer;
use crate::words::{Word as _, quoted};

pub use events::Streams;

/// The path of the inspector.
const ROOT: &str = "/inspector";
/// The Content-Security-Policy: only the gateway's own files, no inline script or style, and no text becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";
/// Headers that keep other sites from the inspector's window and files.
const ISOLATION: [(HeaderName, &str); 2] = [
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// An answer of the inspector.
pub(super) enum Answered {
    /// A complete answer.
    Reply(Reply),
    /// An answer that goes on: a stream of events.
    Events(PassThroughAnswer),
}

/// The resource of a path below `/inspector`.
enum Target<'p> {
    /// `/inspector` itself.
    Root,
    /// A page; its script finds out which page.
    Page,
    Asset(&'p str),
    Session,
    List,
    Stream,
    Detail(&'p str),
    Compare(&'p str, &'p str),
    Overview,
    Export(&'p str, ExportForm),
    Decide(&'p str, &'p str),
    Matches,
    Near,
    DecideAll(&'p str),
}

/// Is this a path of the inspector, and is the inspector enabled?
pub(super) fn is_below(server: &Server, path: &str) -> bool {
    server.config.inspector.enabled
        && path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn target(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix(ROOT)?;
    let Some(rest) = rest.strip_prefix('/') else { return Some(Target::Root) };
    let parts: Vec<&str> = rest.split('/').collect();
    Some(match parts.as_slice() {
        [""] | ["overview"] | ["exchanges", _] | ["compare", _, _] => Target::Page,
        ["assets", name] => Target::Asset(name),
        ["api", "session"] => Target::Session,
        ["api", "exchanges"] => Target::List,
        ["api", "stream"] => Target::Stream,
        ["api", "near"] => Target::Near,
        ["api", "matches"] => Target::Matches,
        ["api", "matches", decision] => Target::DecideAll(decision),
        ["api", "overview"] => Target::Overview,
        ["api", "compare", first, second] => Target::Compare(first, second),
        ["api", "exchanges", id] => Target::Detail(id),
        ["api", "exchanges", id, "fixtures"] => Target::Export(id, ExportForm::Fixtures),
        ["api", "exchanges", id, "har"] => Target::Export(id, ExportForm::Har),
        ["api", "exchanges", id, decision] => Target::Decide(id, decision),
        _ => return None,
    })
}

/// Answers a request below `/inspector`, or with the error `refusal` if there is one.
pub(super) async fn respond(
    server: &Server,
    guest: &Guest,
    request: Request<Incoming>,
    refusal: Option<ApiError>,
) -> Answered {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = match refusal {
        Some(error) => {
            body::discard(request.into_body()).await;
            Err(error)
        }
        None => answer(server, guest, request).await,
    };
    let mut answered = answered.unwrap_or_else(|error| {
        let (code, shown) = (error.code.as_str(), quoted(&path));
        match &error.private {
            Some(private) => tracing::error!(%method, path = shown, code, private, "inspector failed"),
            None => tracing::info!(%method, path = shown, code, "inspector"),
        }
        let allow = (error.code == Code::MethodNotAllowed).then_some(allowed(&path));
        let mut reply = reply::error(&error, HttpStatusMode::Rest, allow);
        if reply.status() == StatusCode::UNAUTHORIZED {
            reply.headers_mut().insert(WWW_AUTHENTICATE, auth::challenge(error.code, false));
        }
        Answered::Reply(reply)
    });
    secure(match &mut answered {
        Answered::Reply(reply) => reply.headers_mut(),
        Answered::Events(answer) => answer.headers_mut(),
    });
    answered
}

fn secure(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in ISOLATION {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The HTTP verbs that a path allows.
fn allowed(path: &str) -> &'static str {
    match target(path) {
        Some(Target::Session) => "GET, HEAD, POST, DELETE",
        Some(Target::Decide(..) | Target::DecideAll(_)) => "POST",
        _ => "GET, HEAD",
    }
}

async fn answer(server: &Server, guest: &Guest, request: Request<Incoming>) -> Result<Answered, ApiError> {
    let (head, body) = request.into_parts();
    let (headers, path) = (&head.headers, head.uri.path());
    let params = match (&head.method, target(path)) {
        (_, None) => Err(ApiError::new(Code::NotFound, "There is no such page of the inspector.")),
        (&Method::GET | &Method::HEAD, Some(_)) => query_object(head.uri.query().unwrap_or_default()).map(Params::new),
        (&Method::POST | &Method::DELETE, Some(Target::Session))
        | (&Method::POST, Some(Target::Decide(..) | Target::DecideAll(_))) => {
            session::check_origin(headers).map(|()| Params::new(serde_json::Map::new()))
        }
        (method, Some(_)) => {
            let message = format!("{} is answered here, not {method}.", allowed(path));
            Err(ApiError::new(Code::MethodNotAllowed, message))
        }
    };
    let params = match params {
        Ok(params) if matches!(head.method, Method::GET | Method::HEAD) => params,
        Ok(_) => body::read_body(&server.config.server, headers, body, head.method == Method::DELETE).await?,
        Err(error) => {
            body::discard(body).await;
            return Err(error);
        }
    };
    if !guest.begins() {
        return Err(ApiError::busy(guest.retry_after()));
    }
    let api = &server.api;
    let data = match target(path) {
        None => return Err(ApiError::new(Code::NotFound, "There is no such page of the inspector.")),
        Some(Target::Root) => return Ok(Answered::Reply(redirect())),
        Some(Target::Page) => return file(inspector::PAGE),
        Some(Target::Asset(name)) => return file(name),
        Some(Target::Session) => return session_answer(server, guest, &head.method, headers, params).await,
        Some(Target::Stream) => {
            session::find(server, headers, Role::Read).await?;
            return server.streams.open(server, session::token(headers)?, params);
        }
        Some(Target::List) => {
            session::find(server, headers, Role::Read).await?;
            inspector::list(api, params).await?
        }
        Some(Target::Detail(id)) => {
            session::find(server, headers, Role::Read).await?;
            params.finish()?;
            inspector::detail(api, id).await?
        }
        Some(Target::Compare(first, second)) => {
            session::find(server, headers, Role::Read).await?;
            params.finish()?;
            inspector::compare(api, first, second).await?
        }
        Some(Target::Near) => {
            session::find(server, headers, Role::Read).await?;
            inspector::near(api, params).await?
        }
        Some(Target::Matches) => {
            session::find(server, headers, Role::Operate).await?;
            inspector::matches(api, params).await?
        }
        Some(Target::DecideAll(decision)) => {
            let session = session::find(server, headers, Role::Operate).await?;
            inspector::decide_all(api, &session, decision, params).await?
        }
        Some(Target::Overview) => {
            session::find(server, headers, Role::Read).await?;
            inspector::overview(api, params, &metrics::sample(server).await).await?
        }
        Some(Target::Export(id, form)) => {
            session::find(server, headers, Role::Read).await?;
            params.finish()?;
            return Ok(Answered::Reply(export::export(server, id, form).await?));
        }
        Some(Target::Decide(id, decision)) => {
            let session = session::find(server, headers, Role::Operate).await?;
            inspector::decide(api, &session, id, decision, params).await?
        }
    };
    Ok(Answered::Reply(reply::success(data)))
}

/// GET tells the user who is signed in; POST signs a user in; DELETE signs the user out.
async fn session_answer(
    server: &Server,
    guest: &Guest,
    method: &Method,
    headers: &HeaderMap,
    mut params: Params,
) -> Result<Answered, ApiError> {
    let (user, cookie) = match *method {
        Method::POST => {
            let username = params.mandatory_text("username")?;
            let password = Secret::new(params.mandatory_text("password")?);
            params.finish()?;
            let user = authentication::check_password(&server.api, guest.peer(), username, password).await?;
            let token = authentication::issue_token(&server.api, user.clone()).await?;
            (Some(user), Some(session::cookie(server, headers, &token)))
        }
        Method::DELETE => {
            authentication::release(&server.api, &session::token(headers)?, params).await?;
            (None, Some(session::no_cookie(server, headers)))
        }
        _ => {
            params.finish()?;
            let session = session::find(server, headers, Role::Read).await?;
            ((Some((*session.user).clone())), None)
        }
    };
    let shown = user.map(|user| json!({"username": user.username, "role": user.role.as_str()}));
    let mut reply = reply::success(to_data(&shown)?);
    if let Some(cookie) = cookie {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(Answered::Reply(reply))
}

fn to_data(value: &impl serde::Serialize) -> Result<Data, ApiError> {
    serde_json::value::to_raw_value(value).map_err(|error| ApiError::internal(error.to_string()))
}

fn file(name: &str) -> Result<Answered, ApiError> {
    let asset = inspector::asset(name);
    let asset = asset.ok_or_else(|| ApiError::new(Code::NotFound, "There is no such file of the inspector."))?;
    let mut reply = Response::new(Full::new(Bytes::from_static(asset.bytes)));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    Ok(Answered::Reply(packing::allow(reply)))
}

fn redirect() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::PERMANENT_REDIRECT;
    reply.headers_mut().insert(LOCATION, HeaderValue::from_static("/inspector/"));
    reply
}
