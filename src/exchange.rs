//! A client's own SOAP request and its answer, as they are kept: raw, less credentials, readable.
//!
//! Rule: what is kept of a body has passed [`shown`] and [`Exchange::masked`], and no header that signs somebody in is
//! kept.

use std::io::{Read, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};

use crate::redaction::{self, Names};
use crate::request::{RecordId, Secret};
use crate::soap::texts;

/// Bytes of a body once it is unpacked, at most: the rest is not kept.
const UNPACKED_BYTES: u64 = 64 << 20;
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
    /// What the client signed in with; never kept.
    pub credentials: Vec<Secret>,
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
pub fn kept_headers(headers: &HeaderMap) -> Headers {
    let is_secret = |name| [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE].contains(name);
    let value = |name, value: &[u8]| {
        if is_secret(name) { Secret::mask() } else { String::from_utf8_lossy(value).into_owned() }
    };
    headers.iter().map(|(name, v)| (name.as_str().to_owned(), value(name, v.as_bytes()))).collect()
}

impl Exchange {
    /// The exchange with what is secret by name in it (PINs, passwords) masked, also where the answer repeats it.
    pub fn masked(self, names: &Names) -> Self {
        let mut secrets = self.request.secrets(names);
        secrets.extend(self.credentials.iter().skip(1).cloned());
        let mask = |text: String| secrets.iter().fold(text, |text, secret| secret.mask_in(&text));
        let answer = self.answer.map(|answer| {
            let message = answer.message.masked(names, &secrets);
            Answer { reason: mask(answer.reason), message, ..answer }
        });
        let request = self.request.masked(names, &secrets);
        Self { path: mask(without_values(&self.path)), request, answer, error: self.error.map(mask), ..self }
    }
}

/// A path whose query has its names only: its values may be anything.
fn without_values(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) => format!("{name}={}", Secret::mask()),
        None => pair.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(pair).collect::<Vec<_>>().join("&"))
}

/// What a client signs in with: the user, then what is secret. (RFC 7617, RFC 6750)
pub fn credentials(headers: &HeaderMap) -> Vec<Secret> {
    let mut credentials = Vec::new();
    for value in headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(PROXY_AUTHORIZATION)) {
        let Some((scheme, rest)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else { continue };
        let basic = || String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok();
        let (user, password) = match scheme.eq_ignore_ascii_case("basic").then(basic).flatten() {
            Some(pair) => pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned())),
            None => None,
        }
        .unwrap_or_default();
        credentials.extend([user, password, rest.trim().to_owned()].map(Secret::new));
    }
    credentials
}

impl Message {
    /// What is kept of a head and of the first bytes of its body.
    pub fn new(headers: &HeaderMap, body: Vec<u8>, is_truncated: bool) -> Self {
        let shown = shown(body, headers);
        // What cannot be read cannot be masked either.
        let is_truncated = is_truncated || shown.is_none();
        let body = shown.unwrap_or_default();
        let is_truncated = is_truncated || u64::try_from(body.len()).is_ok_and(|n| n >= UNPACKED_BYTES);
        Self { body, headers: kept_headers(headers), is_truncated }
    }

    /// What is secret by name in it.
    fn secrets(&self, names: &Names) -> Vec<Secret> {
        let mut secrets = Vec::new();
        if names.may_hold_secret(&self.body) {
            texts::each(&self.body, self.header("content-type"), |text| {
                secrets.extend(redaction::secrets_in(names, text).into_iter().map(Secret::new));
            });
        }
        secrets
    }

    /// The message with what is secret by name masked in it, and wherever these secrets stand by themselves.
    fn masked(self, names: &Names, secrets: &[Secret]) -> Self {
        if secrets.is_empty() && !names.may_hold_secret(&self.body) {
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

/// The one way by which a body comes into the store. It undoes gzip and deflate (RFC 9110, 8.4), of a body that is cut
/// off so far as it goes; `None` for what it cannot undo.
pub fn shown(body: Vec<u8>, headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = codings.next().map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"identity" | b"") => Some(body),
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
pub fn packed(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = gzip.write_all(body).and_then(|()| gzip.finish());
    packed.expect("writing to a Vec cannot fail")
}

/// `None` when not one byte comes out of what is not empty.
fn unpack(reader: impl Read) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    // What came before an error is in the vector.
    let end = reader.take(UNPACKED_BYTES).read_to_end(&mut unpacked);
    (end.is_ok() || !unpacked.is_empty()).then_some(unpacked)
}

#[cfg(test)]
mod tests {
    use flate2::write::{DeflateEncoder, ZlibEncoder};
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn packed_bodies_are_unpacked_so_far_as_they_go() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|i| i.to_string().into_bytes()).collect();
        let of = |coding: &'static str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
            shown(body.to_vec(), &headers)
        };
        let of = |coding, body: &[u8]| of(coding, body).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(of("GZIP ", &gzip), text);
        let part = of("gzip", &gzip[..gzip.len() / 2]);
        assert!(part.len() > 1000 && text.starts_with(&part), "{}", part.len());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        assert_eq!(of("deflate", &zlib.finish().unwrap()), text);
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(&text).unwrap();
        assert_eq!(of("deflate", &deflate.finish().unwrap()), text);
        let refused = |coding| HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        assert_eq!(shown(b"?".to_vec(), &refused("br")), None);
        assert_eq!(shown(b"no gzip".to_vec(), &refused("gzip")), None);
        assert_eq!(shown(b"as it came".to_vec(), &HeaderMap::new()), Some(b"as it came".to_vec()));
    }

    #[test]
    fn credentials_are_not_kept() {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("Basic c2VjcmV0")),
            (SET_COOKIE, HeaderValue::from_static("id=secret")),
            (CONTENT_ENCODING, HeaderValue::from_static("br")),
        ]);
        let kept = kept_headers(&headers);
        assert!(!format!("{kept:?}").contains("secret") && !format!("{kept:?}").contains("c2Vj"), "{kept:?}");
        assert!(kept.contains(&("content-encoding".to_owned(), "br".to_owned())));
    }
}
