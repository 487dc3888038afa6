//! The codings of bodies (RFC 9110, 8.4): gzip and deflate, undone and done, for every room that reads a body.
//!
//! Rule: what comes out has a bound, and whatever came out before a fault is kept.

use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// Codings of one body that are undone, at most.
const LAYERS: usize = 4;

/// A body with its codings undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The body, as far as it could be undone.
    pub body: Vec<u8>,
    /// The reason for which that is not all.
    pub fault: Option<CodingFault>,
}

/// The fault of a body's coding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingFault {
    /// The body is as it came from this coding.
    #[error("the Content-Encoding {0:?} is not known")]
    Unknown(String),
    /// The body is what came before the fault.
    #[error("the body is not whole in the Content-Encoding {0:?}, or is not in it at all")]
    Broken(String),
    /// The body is its beginning.
    #[error("the body is over {0} bytes")]
    TooLarge(usize),
}

/// Undoes the codings of a body, the last one first, as far as they go; up to `limit` bytes come out.
pub fn unpacked(mut body: Vec<u8>, headers: &HeaderMap, limit: usize) -> Unpacked {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()).collect();
    let codings = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    let codings: Vec<_> = codings.filter(|coding| !matches!(*coding, "" | "identity")).collect();
    for (layer, coding) in codings.into_iter().rev().enumerate() {
        // Nothing is nothing in any coding.
        if body.is_empty() {
            break;
        }
        let (unpacked, end) = match coding {
            "gzip" | "x-gzip" if layer < LAYERS => unpack(MultiGzDecoder::new(body.as_slice()), limit),
            "deflate" if layer < LAYERS => match unpack(ZlibDecoder::new(body.as_slice()), limit) {
                // Some servers leave out the zlib wrapper.
                (nothing, End::Broken) if nothing.is_empty() => unpack(DeflateDecoder::new(body.as_slice()), limit),
                unpacked => unpacked,
            },
            _ => return Unpacked { body, fault: Some(CodingFault::Unknown(coding.to_owned())) },
        };
        body = unpacked;
        let fault = match end {
            End::Whole => continue,
            End::Broken => CodingFault::Broken(coding.to_owned()),
            End::TooLarge => CodingFault::TooLarge(limit),
        };
        return Unpacked { body, fault: Some(fault) };
    }
    Unpacked { body, fault: None }
}

/// The end of unpacking.
enum End {
    Whole,
    Broken,
    TooLarge,
}

fn unpack(mut reader: impl Read, limit: usize) -> (Vec<u8>, End) {
    let mut unpacked = Vec::new();
    // The vector has the bytes before the error.
    let end = reader.by_ref().take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut unpacked);
    let end = match end.and_then(|_| reader.read(&mut [0])) {
        Ok(0) => End::Whole,
        Ok(_) => End::TooLarge,
        Err(_) => End::Broken,
    };
    (unpacked, end)
}

/// A body in gzip, to be kept.
pub fn gzipped(body: &[u8]) -> Vec<u8> {
    gzipped_at(body, Compression::default())
}

/// A body in gzip, for a client that waits: somewhat larger, in a third of the time.
pub fn gzipped_quickly(body: &[u8]) -> Vec<u8> {
    gzipped_at(body, Compression::fast())
}

fn gzipped_at(body: &[u8], level: Compression) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), level);
    let gzipped = gzip.write_all(body).and_then(|()| gzip.finish());
    gzipped.expect("writing to a Vec cannot fail")
}

#[cfg(test)]
mod tests {
    use flate2::write::{DeflateEncoder, ZlibEncoder};
    use hyper::header::HeaderValue;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn undone(codings: &[&'static str], body: &[u8], limit: usize) -> Unpacked {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        unpacked(body.to_vec(), &headers, limit)
    }

    fn whole(body: &[u8]) -> Unpacked {
        Unpacked { body: body.to_vec(), fault: None }
    }

    #[test]
    fn packed_bodies_are_unpacked() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|i| i.to_string().into_bytes()).collect();
        let gzip = gzipped(&text);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(&text).unwrap();
        let deflate = deflate.finish().unwrap();
        let members = [gzipped(&text[..1000]), gzipped(b""), gzipped(&text[1000..])].concat();
        let layers = gzipped(&zlib);
        for (codings, body) in [
            (&["GZIP "][..], &gzip),
            (&["X-Gzip"], &members),
            (&["Deflate"], &zlib),
            (&["deflate"], &deflate),
            (&["deflate, gzip,identity"], &layers),
            (&["deflate", "x-gzip"], &layers),
            (&[""], &text),
            (&["IDENTITY"], &text),
            (&[], &text),
        ] {
            assert!(undone(codings, body, LIMIT) == whole(&text), "{codings:?}");
        }
        assert_eq!(undone(&["gzip"], b"", LIMIT), whole(b""));
    }

    #[test]
    fn what_came_before_a_fault_is_kept() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|i| i.to_string().into_bytes()).collect();
        let gzip = gzipped(&text);
        let broken = || Some(CodingFault::Broken("gzip".to_owned()));
        let part = undone(&["gzip"], &gzip[..gzip.len() / 2], LIMIT);
        assert!(part.fault == broken() && part.body.len() > 1000 && text.starts_with(&part.body));
        let whole = undone(&["gzip"], &gzip[..gzip.len() - 4], LIMIT);
        assert!(whole == Unpacked { body: text.clone(), fault: broken() }, "without its check sum");
        assert_eq!(undone(&["gzip"], b"no gzip", LIMIT), Unpacked { body: Vec::new(), fault: broken() });
        let first = Unpacked { body: text[..1000].to_vec(), fault: Some(CodingFault::TooLarge(1000)) };
        assert!(undone(&["gzip"], &gzip, 1000) == first);
        assert!(undone(&["gzip"], &gzip, text.len()).fault.is_none());
        for (codings, unknown) in [("br, gzip", "br"), ("x-none", "x-none"), ("gzip,gzip,gzip,gzip,gzip", "gzip")] {
            let layers = (0..4).fold(b"as it came".to_vec(), |body, _| gzipped(&body));
            let body = match codings {
                "br, gzip" => gzipped(b"as it came"),
                "x-none" => b"as it came".to_vec(),
                _ => layers,
            };
            let fault = Some(CodingFault::Unknown(unknown.to_owned()));
            assert_eq!(undone(&[codings], &body, LIMIT), Unpacked { body: b"as it came".to_vec(), fault });
        }
    }
}
