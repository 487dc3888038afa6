//! gzip for large answers (RFC 9110, 8.4.1.3), if the client understands it.
//!
//! Rule: only marked answers are packed. The length of a packed answer depends on repetitions: an attacker who chooses
//! one part of an answer, and sees its length, can guess another part (BREACH). So no answer with a token is marked, and
//! no data of the inspector, for which a browser sends its cookie on behalf of any page. A marked answer is public, or
//! the call had to bring the token itself.

use http_body_util::{BodyExt as _, Full};
use hyper::HeaderMap;
use hyper::body::{Body as _, Bytes};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};

use super::reply::Reply;
use crate::coding::gzipped_quickly;

/// Smaller answers fit into one packet and are not packed, in bytes.
const WORTH_PACKING: u64 = 1400;
/// Larger answers are packed on a blocking thread, in bytes.
const LONG: usize = 64 << 10;

/// The mark of an answer that may be packed.
#[derive(Clone)]
struct MayBePacked;

/// Marks an answer as safe to be packed.
pub(super) fn allow(mut reply: Reply) -> Reply {
    reply.extensions_mut().insert(MayBePacked);
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    reply
}

/// Does the client understand gzip (RFC 9110, 12.5.3)?
pub(super) fn is_understood(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<_> = values.flat_map(|value| value.split(',')).map(coding_and_weight).collect();
    let weight = |names: &[&str]| {
        let named = |(name, _): &&(&str, f32)| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        codings.iter().find(named).map(|(_, weight)| *weight)
    };
    weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"])).is_some_and(|weight| weight > 0.0)
}

fn coding_and_weight(item: &str) -> (&str, f32) {
    let (name, parameter) = item.split_once(';').unwrap_or((item, ""));
    let weight = parameter.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
    (name.trim(), weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0)))
}

/// Packs an answer, if it is marked and large.
pub(super) async fn pack(reply: Reply) -> Reply {
    let is_large = reply.body().size_hint().lower() >= WORTH_PACKING;
    if !is_large || reply.extensions().get::<MayBePacked>().is_none() {
        return reply;
    }
    let (mut head, body) = reply.into_parts();
    let whole = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    let packed = match whole.len() < LONG {
        true => Ok(gzipped_quickly(&whole)),
        false => {
            let whole = whole.clone();
            tokio::task::spawn_blocking(move || gzipped_quickly(&whole)).await
        }
    };
    let body = match packed {
        Ok(packed) => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Bytes::from(packed)
        }
        Err(_) => whole,
    };
    Reply::from_parts(head, Full::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_understood_where_its_weight_is_not_zero() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("x-gzip", true),
            ("*", true),
            ("br, *;q=0.1", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, *", false),
            ("*;q=0", false),
            ("identity, br", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(is_understood(&headers), expected, "{value}");
        }
        assert!(!is_understood(&HeaderMap::new()));
    }
}
