//! A client's own SOAP request and its answer, as they are kept: raw, less credentials, readable.
//!
//! Rule: what is kept has passed [`Message::new`] and [`Exchange::masked`]: bodies are unpacked, and what signs somebody
//! in stands nowhere. What cannot be read cannot be masked either, and is not kept.

use std::collections::HashSet;
use std::io::{Read, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LOCATION, HeaderName, LOCATION, PROXY_AUTHORIZATION, REFERER,
};

use crate::redaction::{self, Names};
use crate::request::{RecordId, Secret};
use crate::soap::texts;

/// Bytes of a body once it is unpacked, at most: the rest is not kept.
const UNPACKED_BYTES: u64 = 64 << 20;
/// Different secrets in one exchange, at most: each is looked for everywhere.
const SECRETS: usize = 32;
/// What the names of headers have in them whose values sign somebody in.
const SIGNING_IN: [&str; 8] = ["auth", "cookie", "token", "api-key", "apikey", "secret", "password", "session"];
/// Those that have it and do not: they say how to sign in.
const CHALLENGES: [&str; 2] = ["www-authenticate", "proxy-authenticate"];
/// Names and values, in their order.
pub type Headers = Vec<(String, String)>;

/// One request of a client, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its id.
    pub id: RecordId,
    /// Ascending in the order in which exchanges ended; the store gives it, 0 before.
    pub number: i64,
    /// When the request's head had come.
    pub at: DateTime<Utc>,
    /// Until the end of the answer.
    pub duration_ms: i64,
    /// Path and query, as the client wrote them.
    pub path: String,
    /// What the client sent.
    pub request: Message,
    /// What upstream answered, if it did.
    pub answer: Option<Answer>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
    /// The type of that error (see [`crate::upstream::proxy_status`]); `None` if the client left by itself.
    pub error_type: Option<String>,
    /// The user that the client signed in as (RFC 7617).
    pub user: Option<String>,
}

/// A head and a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Headers as they came; names in lower case, credentials masked.
    pub headers: Headers,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// Is it only the beginning?
    pub is_truncated: bool,
}

/// An answer of upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Reason phrase as sent, else the standard one.
    pub reason: String,
    /// The rest.
    pub message: Message,
}

/// An exchange without its texts, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: RecordId,
    /// Its number.
    pub number: i64,
    /// When the request's head had come.
    pub at: DateTime<Utc>,
    /// Until the end of the answer.
    pub duration_ms: i64,
    /// Path and query.
    pub path: String,
    /// HTTP status of upstream's answer.
    pub status: Option<u16>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
}

/// Headers as they are kept.
fn kept_headers(headers: &HeaderMap) -> Headers {
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

impl Exchange {
    /// Bytes of both bodies.
    pub fn body_bytes(&self) -> usize {
        self.request.body.len() + self.answer.as_ref().map_or(0, |answer| answer.message.body.len())
    }

    /// The exchange with what is secret in it masked (PINs and passwords by their names, and what the client signed in
    /// with), also where the answer repeats it.
    pub fn masked(mut self, names: &Names, credentials: &[Secret]) -> Self {
        let mut secrets = credentials.to_vec();
        secrets.extend(self.request.secrets(names));
        let mut seen = HashSet::new();
        secrets.retain(|secret| seen.insert(secret.expose().to_owned()));
        if secrets.len() > SECRETS {
            secrets.truncate(SECRETS);
            self.request.drop_body();
            self.answer.iter_mut().for_each(|answer| answer.message.drop_body());
        }
        let mask = |text: String| secrets.iter().fold(text, |text, secret| secret.mask_in(&text));
        let answer = self.answer.map(|answer| {
            let message = answer.message.masked(names, &secrets);
            Answer { reason: mask(answer.reason), message, ..answer }
        });
        let request = self.request.masked(names, &secrets);
        Self { path: mask(without_values(&self.path)), request, answer, error: self.error.map(mask), ..self }
    }
}

/// A path or an URL without its parameters and its query: for where nothing of them may stand.
pub fn bare_path(path: &str) -> &str {
    path.split(['?', ';', '#']).next().unwrap_or_default()
}

/// A path or an URL of whose parameters and query only the names are kept: their values may be anything.
fn without_values(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    let (mut has_names, mut is_query, mut is_value) = (false, false, false);
    for c in path.chars() {
        is_query |= matches!(c, '?' | '#');
        has_names |= is_query || c == ';';
        if matches!(c, '?' | '#' | '&' | ';') || (c == '/' && !is_query) {
            is_value = false;
        }
        if is_value {
            continue;
        }
        kept.push(c);
        if c == '=' && has_names {
            is_value = true;
            kept.push_str(&Secret::mask());
        }
    }
    kept
}

/// What a client signs in with (RFC 7617, RFC 6750).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User names.
    pub users: Vec<String>,
    /// Passwords, tokens, and the encoded pairs.
    pub secrets: Vec<Secret>,
}

impl Credentials {
    /// Those in the headers of a request.
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

    /// All of them: each is personal.
    pub fn personal(&self) -> Vec<Secret> {
        self.users.iter().cloned().map(Secret::new).chain(self.secrets.iter().cloned()).collect()
    }
}

impl Message {
    /// What is kept of a head and of the first bytes of its body.
    pub fn new(headers: &HeaderMap, body: Vec<u8>, is_truncated: bool) -> Self {
        let (body, is_whole) = unpacked(body, headers).unwrap_or_default();
        let headers = kept_headers(headers);
        let mut message = Self { headers, body, is_truncated: is_truncated || !is_whole };
        if !texts::are_readable(&message.body, message.header("content-type")) {
            message.drop_body();
        }
        message
    }

    /// Keeps nothing of its body.
    pub fn drop_body(&mut self) {
        self.is_truncated |= !self.body.is_empty();
        self.body = Vec::new();
    }

    /// A part of several may be in base64.
    fn may_hold_secret(&self, names: &Names) -> bool {
        texts::are_several(self.header("content-type")) || names.may_hold_secret(&self.body)
    }

    /// What is secret by name in it.
    fn secrets(&self, names: &Names) -> Vec<Secret> {
        let mut secrets = Vec::new();
        if self.may_hold_secret(names) {
            texts::each(&self.body, self.header("content-type"), |text| {
                secrets.extend(redaction::secrets_in(names, text).into_iter().map(Secret::new));
            });
        }
        secrets
    }

    /// The message with what is secret by name masked in it, and wherever these secrets stand by themselves.
    fn masked(self, names: &Names, secrets: &[Secret]) -> Self {
        if secrets.is_empty() && !self.may_hold_secret(names) {
            return self;
        }
        let content_type = self.header("content-type").map(str::to_owned);
        let mask = |text: &str| redaction::mask(names, secrets, text);
        Self { body: texts::rewrite(&self.body, content_type.as_deref(), mask), ..self }
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A body with gzip or deflate undone (RFC 9110, 8.4), as far as it goes, and whether that is all of it; `None` for
/// what cannot be undone.
pub fn unpacked(body: Vec<u8>, headers: &HeaderMap) -> Option<(Vec<u8>, bool)> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = codings.next().map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"identity" | b"") => Some((body, true)),
        Some(_) if body.is_empty() => Some((body, true)),
        Some(_) if codings.next().is_some() => None,
        Some(b"gzip" | b"x-gzip") => unpack(MultiGzDecoder::new(body.as_slice())),
        // Some servers leave out the zlib wrapper.
        Some(b"deflate") => {
            unpack(ZlibDecoder::new(body.as_slice())).or_else(|| unpack(DeflateDecoder::new(body.as_slice())))
        }
        Some(_) => None,
    }
}

/// A body in gzip.
pub fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let gzipped = gzip.write_all(body).and_then(|()| gzip.finish());
    gzipped.expect("writing to a Vec cannot fail")
}

/// `None` when not one byte comes out of what is not empty.
fn unpack(mut reader: impl Read) -> Option<(Vec<u8>, bool)> {
    let mut unpacked = Vec::new();
    // What came before an error is in the vector.
    let end = reader.by_ref().take(UNPACKED_BYTES).read_to_end(&mut unpacked);
    let is_whole = end.is_ok() && matches!(reader.read(&mut [0]), Ok(0));
    (end.is_ok() || !unpacked.is_empty()).then_some((unpacked, is_whole))
}

#[cfg(test)]
mod tests {
    use flate2::write::{DeflateEncoder, ZlibEncoder};
    use hyper::header::{HeaderValue, SET_COOKIE};

    use super::*;

    #[test]
    fn packed_bodies_are_unpacked_so_far_as_they_go() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|i| i.to_string().into_bytes()).collect();
        let of = |coding: &'static str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
            unpacked(body.to_vec(), &headers)
        };
        let of = |coding, body: &[u8]| of(coding, body).unwrap();
        let whole = (text.clone(), true);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(of("GZIP ", &gzip), whole);
        let (part, is_whole) = of("gzip", &gzip[..gzip.len() / 2]);
        assert!(!is_whole && part.len() > 1000 && text.starts_with(&part), "{}", part.len());
        assert_eq!(of("gzip", &gzip[..gzip.len() - 4]), (text.clone(), false), "without its check sum");
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        assert_eq!(of("deflate", &zlib.finish().unwrap()), whole);
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(&text).unwrap();
        assert_eq!(of("deflate", &deflate.finish().unwrap()), whole);
        let refused = |coding| HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        assert_eq!(unpacked(b"?".to_vec(), &refused("br")), None);
        assert_eq!(unpacked(b"no gzip".to_vec(), &refused("gzip")), None);
        assert_eq!(unpacked(b"as it came".to_vec(), &HeaderMap::new()), Some((b"as it came".to_vec(), true)));
    }

    #[test]
    fn of_a_query_only_the_names_are_kept() {
        for (path, kept) in [
            ("/a/b", "/a/b"),
            ("/a=b/c", "/a=b/c"),
            ("/a;jsessionid=1F/b;x?c=d/e=f&g&h=;i", "/a;jsessionid=****/b;x?c=****&g&h=****;i"),
            ("http://h/?a=b#c=d", "http://h/?a=****#c=****"),
        ] {
            assert_eq!(without_values(path), kept);
        }
        assert_eq!((bare_path("/a;b=c?d"), bare_path("/a?b;c")), ("/a", "/a"));
    }

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
