//! The codings of bodies (RFC 9110, 8.4): gzip and deflate, undone and done.

use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// Bytes of a body once it is unpacked, at most: the rest is not kept.
const UNPACKED_BYTES: u64 = 64 << 20;

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
    use hyper::header::HeaderValue;

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
}
