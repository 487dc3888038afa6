//! Finds the credentials of a call: the token in body, query or `Authorization: Bearer`, and the API key of HTTP Basic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};

use crate::api::{ApiError, Code, Params};
use crate::secret::Secret;

/// The token of a call.
///
/// # Errors
/// The call has no token, or two that differ.
pub(super) fn token(headers: &HeaderMap, params: &mut Params) -> Result<Secret, ApiError> {
    let given = params.text("token")?.map(Secret::new);
    let bearer = bearer(headers);
    match (given, bearer) {
        (Some(given), Some(bearer)) if given != bearer => {
            let message = "The token parameter and the Authorization header differ.";
            Err(ApiError::at(Code::ConflictingParameters, "$.token", message))
        }
        (Some(token), _) | (None, Some(token)) => Ok(token),
        (None, None) => Err(ApiError::missing("$.token")),
    }
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    authorization(headers, "Bearer").map(Secret::new)
}

/// The API key: the user name of HTTP Basic (RFC 7617), with an empty password. The colon may be missing, as some
/// clients send it.
pub(super) fn api_key(headers: &HeaderMap) -> Option<Secret> {
    let decoded = STANDARD.decode(authorization(headers, "Basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (key, password) = text.split_once(':').unwrap_or((&text, ""));
    (!key.is_empty() && password.is_empty()).then(|| Secret::new(key))
}

/// The challenge that every 401 carries (RFC 9110, 11.6.1): HTTP Basic for the method that takes an API key, a token
/// for all other methods (RFC 6750, 3).
pub(super) fn challenge(code: Code, takes_key: bool) -> HeaderValue {
    HeaderValue::from_static(match (takes_key, code) {
        (true, _) => "Basic realm=\"conax-gateway\", charset=\"UTF-8\"",
        (false, Code::InvalidToken) => "Bearer realm=\"conax-gateway\", error=\"invalid_token\"",
        (false, _) => "Bearer realm=\"conax-gateway\"",
    })
}

fn authorization(headers: &HeaderMap, scheme: &str) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (given, rest) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim().to_owned())
}
