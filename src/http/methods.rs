//! The methods of the JSON API: their HTTP verbs and paths.

use hyper::Method;
use strum::VariantArray as _;

use crate::api::{ApiError, Code};
use crate::request::{Family, RequestType};

/// Most characters of a path in an answer or a log line.
const SHOWN: usize = 200;
/// The prefix of all CRM.COM paths.
pub(super) const PREFIX: &str = "/crmapi/rest/v2/";

/// A method of the JSON API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Issues a token for a password.
    Token,
    /// Ends a token.
    ReleaseToken,
    /// Issues a token for an API key.
    KeyToken,
    /// Shows a record.
    Show(Family),
    /// Lists records by filters.
    List(Family),
    /// Creates a request.
    Create(Family, RequestType),
}

/// The methods outside the families: HTTP verb, and path behind the prefix.
const COMMON: [(&str, &str, Route); 3] = [
    ("POST", "authentication/token", Route::Token),
    ("POST", "authentication/token/release", Route::ReleaseToken),
    ("POST", "authentication/web_api_key/token", Route::KeyToken),
];
/// Every method: HTTP verb, path behind the prefix, and route. A test compares docs/methods.md with this list.
pub fn routes() -> Vec<(&'static str, String, Route)> {
    let of_family = |family: &Family| {
        let family = *family;
        let reading = [("show", Route::Show(family)), ("list", Route::List(family))];
        let reading = reading.map(|(method, route)| ("GET", family.method_path(method), route));
        let creating = RequestType::of_family(family)
            .map(move |request_type| ("POST", request_type.method_path(family), Route::Create(family, request_type)));
        reading.into_iter().chain(creating)
    };
    let common = COMMON.map(|(verb, path, route)| (verb, path.to_owned(), route));
    common.into_iter().chain(Family::VARIANTS.iter().flat_map(of_family)).collect()
}

/// The method of a path behind the prefix, and its HTTP verb.
fn route_of(path: &str) -> Option<(&'static str, Route)> {
    if let Some((verb, _, route)) = COMMON.iter().find(|(_, common, _)| *common == path) {
        return Some((verb, *route));
    }
    match Family::of_path(path)? {
        (family, "show") => Some(("GET", Route::Show(family))),
        (family, "list") => Some(("GET", Route::List(family))),
        (family, method) => Some(("POST", Route::Create(family, RequestType::of_method(family, method)?))),
    }
}

/// The path of a method behind the prefix.
pub(super) fn method_of(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).map(|rest| rest.strip_suffix('/').unwrap_or(rest))
}

/// The part of a path that an answer or a log line shows.
pub(super) fn shown(path: &str) -> &str {
    path.char_indices().nth(SHOWN).and_then(|(end, _)| path.get(..end)).unwrap_or(path)
}

/// Finds the method of a request; or the error, with the verbs that the path allows.
pub(super) fn find_route(method: &Method, path: &str) -> Result<Route, (ApiError, Option<&'static str>)> {
    let shown = shown(path);
    match method_of(path).and_then(route_of) {
        Some((verb, route)) if method.as_str() == verb => Ok(route),
        // HEAD is answered like GET, without the body (RFC 9110, 9.3.2).
        Some(("GET", route)) if method == Method::HEAD => Ok(route),
        Some((verb, _)) => {
            let message = format!("{shown} takes {verb}, not {method}.");
            let allow = if verb == "GET" { "GET, HEAD" } else { verb };
            Err((ApiError::new(Code::MethodNotAllowed, message), Some(allow)))
        }
        None => Err((ApiError::new(Code::MethodNotFound, format!("There is no method {shown}.")), None)),
    }
}
