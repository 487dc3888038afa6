//! The credentials of a client, and headers without credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, CONTENT_LOCATION, HeaderName, LOCATION, PROXY_AUTHORIZATION, REFERER};

use super::Headers;
use super::path::without_values;
use crate::secret::Secret;

/// A header whose name contains one of these words carries credentials.
const SIGNING_IN: [&str; 8] = ["auth", "cookie", "token", "api-key", "apikey", "secret", "password", "session"];
/// Exceptions: these headers only say how to sign in.
const CHALLENGES: [&str; 2] = ["www-authenticate", "proxy-authenticate"];

/// The credentials of a request (RFC 7617, RFC 6750).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User names.
    pub users: Vec<String>,
    /// Passwords, tokens, and the encoded pairs of HTTP Basic.
    pub secrets: Vec<Secret>,
}

impl Credentials {
    /// The credentials in the headers of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut credentials = Self::default();
        for value in headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(PROXY_AUTHORIZATION)) {
            let Some((scheme, rest)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else { continue };
            let basic = || String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok();
            let pair = scheme.eq_ignore_ascii_case("basic").then(basic).flatten();
            if let Some((user, password)) = pair.as_ref().and_then(|pair| pair.split_once(':')) {
                credentials.users.push(user.to_owned());
                credentials.secrets.push(Secret::new(password));
            }
            credentials.secrets.push(Secret::new(rest.trim()));
        }
        credentials
    }

    /// All credentials: each is personal.
    pub fn personal(&self) -> Vec<Secret> {
        self.users.iter().cloned().map(Secret::new).chain(self.secrets.iter().cloned()).collect()
    }
}

/// Headers for the store, with credentials masked.
pub(super) fn kept_headers(headers: &HeaderMap) -> Headers {
    let kept = |name: &HeaderName, value: &[u8]| {
        let value = String::from_utf8_lossy(value);
        match name.as_str() {
            word if signs_in(word) => Secret::mask(),
            _ if [LOCATION, CONTENT_LOCATION, REFERER].contains(name) => without_values(&value),
            _ => value.into_owned(),
        }
    };
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), kept(name, value.as_bytes()))).collect()
}

fn signs_in(header: &str) -> bool {
    !CHALLENGES.contains(&header) && SIGNING_IN.iter().any(|word| header.contains(word))
}

#[cfg(test)]
mod tests {
    use hyper::header::{CONTENT_ENCODING, HeaderValue, SET_COOKIE};

    use super::*;

    #[test]
    fn credentials_are_not_kept() {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("Basic c2VjcmV0")),
            (SET_COOKIE, HeaderValue::from_static("id=secret")),
            (HeaderName::from_static("x-api-key"), HeaderValue::from_static("secret")),
            (LOCATION, HeaderValue::from_static("http://h/a;sid=secret/b?c=secret&d#e=secret")),
            (CONTENT_ENCODING, HeaderValue::from_static("br")),
        ]);
        let kept = kept_headers(&headers);
        assert!(!format!("{kept:?}").contains("secret") && !format!("{kept:?}").contains("c2Vj"), "{kept:?}");
        assert!(kept.contains(&("content-encoding".to_owned(), "br".to_owned())));
    }
}
