//! The sessions of the inspector: the same tokens as the API's, in a cookie that no script can read, and that the browser
//! sends only to the inspector and never with requests of another site.
//!
//! Rule: changes also need a header of the inspector. A form cannot set this header, and a script of another site needs a
//! permission that the gateway never gives. So a browser that ignores SameSite is safe, too.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue};

use super::super::{Server, auth, forwarded};
use crate::account::Role;
use crate::api::{ApiError, Code, Session};
use crate::secret::Secret;

/// Name of the cookie.
const NAME: &str = "conax_gateway_inspector";
/// The header that the inspector's pages send with changes.
const OWN_HEADER: &str = "x-conax-gateway-inspector";
/// The header by which a browser names the site of the page that makes a request (Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// Checks that a change comes from a page of the inspector, or from a program that signs in by itself.
///
/// # Errors
/// FORBIDDEN.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let is_ours = headers.contains_key(OWN_HEADER) || headers.contains_key(AUTHORIZATION);
    if is_ours && site.is_none_or(|site| site == b"same-origin") {
        return Ok(());
    }
    let message = format!("This must come from a page of the inspector, with the header {OWN_HEADER}.");
    Err(ApiError::new(Code::Forbidden, message))
}

/// The token of a request: of `Authorization: Bearer`, or of the cookie.
///
/// # Errors
/// INVALID_TOKEN if there is no token.
pub(super) fn token(headers: &HeaderMap) -> Result<Secret, ApiError> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let of_cookie = || pairs.find(|(name, _)| *name == NAME).map(|(_, token)| Secret::new(token));
    let token = auth::bearer(headers).or_else(of_cookie);
    token.ok_or_else(|| ApiError::new(Code::InvalidToken, "Nobody is signed in."))
}

/// Finds the session of a request, and checks its role.
///
/// # Errors
/// INVALID_TOKEN, FORBIDDEN, TOO_MANY_REQUESTS, or the store.
pub(super) async fn find(server: &Server, headers: &HeaderMap, role: Role) -> Result<Session, ApiError> {
    let session = server.api.sessions.find(&token(headers)?).await?;
    tracing::Span::current().record("user", &session.user.username);
    session.require(role)?;
    server.api.rates.take(&session.user.id, server.api.clock.now())?;
    Ok(session)
}

/// The cookie with a token.
pub(super) fn cookie(server: &Server, headers: &HeaderMap, token: &Secret) -> HeaderValue {
    set_cookie(server, headers, token.expose(), server.api.token_ttl.as_secs())
}

/// The cookie that ends a session.
pub(super) fn no_cookie(server: &Server, headers: &HeaderMap) -> HeaderValue {
    set_cookie(server, headers, "", 0)
}

fn set_cookie(server: &Server, headers: &HeaderMap, token: &str, age_s: u64) -> HeaderValue {
    let secure = if forwarded::scheme(server, headers) == "https" { "; Secure" } else { "" };
    let cookie = format!("{NAME}={token}; Path=/inspector/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).expect("a token is of hexadecimal digits")
}
