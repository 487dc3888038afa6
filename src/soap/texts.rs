//! The texts of a message's body: the whole body, or each part of a multipart message, with the transfer coding undone.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use encoding_rs::mem;
use percent_encoding::percent_decode;

use super::charset::{self, Decoded};
pub use super::media_type::pieces;
use super::media_type::{is_multipart, parameter};
use super::multipart::{self, Ending, Part, TransferCoding, bare_id};

/// The boundary of recorded messages.
const BOUNDARY: &str = "----=_recorded";
/// Characters of a line of base64 (RFC 2045, 6.8).
const BASE64_LINE: usize = 76;

/// A message taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'b> {
    /// The SOAP message; `None` if the bytes do not fit the charset.
    pub root: Option<String>,
    /// Attachments: Content-ID and bytes.
    pub attachments: Vec<(Option<String>, &'b [u8])>,
}

/// Takes a message apart.
pub fn parts<'b>(body: &'b [u8], content_type: Option<&str>) -> Parts<'b> {
    let faithful = |decoded: Decoded<'_>| decoded.is_faithful().then(|| decoded.text.into_owned());
    let Some((parts, root)) = split(body, content_type, Ending::Optional) else {
        return Parts { root: faithful(charset::decode(body, content_type)), attachments: Vec::new() };
    };
    let mut attachments = Vec::new();
    let mut text = None;
    for (index, part) in parts.into_iter().enumerate() {
        if index == root {
            text = faithful(charset::decode(&part.content(body), part.content_type.as_deref()));
        } else {
            attachments.push((part.content_id, body.get(part.body).unwrap_or_default()));
        }
    }
    Parts { root: text, attachments }
}

/// The text of the SOAP message, if the body has several parts.
pub fn root_of_parts<'b>(body: &'b [u8], content_type: Option<&str>) -> Option<Decoded<'b>> {
    let (parts, root) = split(body, content_type, Ending::Needed)?;
    let part = parts.get(root)?;
    let content_type = part.content_type.as_deref();
    Some(match part.content(body) {
        Cow::Borrowed(content) => charset::decode(content, content_type),
        Cow::Owned(content) => charset::decode(&content, content_type).into_owned(),
    })
}

/// A body as a single text; `None` if the bytes do not fit the charset.
pub fn decoded(body: &[u8], content_type: Option<&str>) -> Option<String> {
    let decoded = charset::decode(body, content_type);
    decoded.is_faithful().then(|| decoded.text.into_owned())
}

/// The text of a body that is not, or not yet, read as SOAP; bytes that do not fit the charset are replaced.
pub fn text_of_partial(body: &[u8], content_type: Option<&str>) -> String {
    charset::decode(body, content_type).text.into_owned()
}

/// A text as a body, in the charset of the media type or the XML declaration.
pub fn encode(text: &str, content_type: Option<&str>) -> Vec<u8> {
    charset::encode(text, content_type)
}

/// Gives every text in a body: each part, and the bytes between parts.
pub fn each(body: &[u8], content_type: Option<&str>, mut take: impl FnMut(&str)) {
    let parts = split(body, content_type, Ending::Optional).map(|(parts, _)| parts).unwrap_or_default();
    let mut done = 0;
    for part in parts {
        take(&readable(body.get(done..part.body.start).unwrap_or_default(), None).text);
        done = part.body.end;
        take(&readable(&part.content(body), part.content_type.as_deref()).text);
    }
    let content_type = content_type.filter(|_| done == 0);
    take(&readable(body.get(done..).unwrap_or_default(), content_type).text);
}

/// The body with every text rewritten in its own charset; an unchanged text keeps its bytes.
pub fn rewrite(body: &[u8], content_type: Option<&str>, mut rewrite: impl FnMut(&str) -> String) -> Vec<u8> {
    each_part(body, content_type, |body, content_type, _| rewrite_part(body, content_type, &mut rewrite))
}

/// As [`rewrite`], with other bytes in place of each opaque part ([`are_texts`]).
pub fn rewrite_all(
    body: &[u8],
    content_type: Option<&str>,
    mut rewrite: impl FnMut(&str) -> String,
    replace: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    each_part(body, content_type, |body, content_type, is_decoded| match is_decoded && is_text(body, content_type) {
        true => rewrite_part(body, content_type, &mut rewrite),
        false => replace(body),
    })
}

/// The body with each part rewritten by `change`, which gets the part's type, and whether the transfer coding is known.
fn each_part(
    body: &[u8],
    content_type: Option<&str>,
    mut rewrite: impl FnMut(&[u8], Option<&str>, bool) -> Vec<u8>,
) -> Vec<u8> {
    let Some((parts, _)) = split(body, content_type, Ending::Optional) else {
        return rewrite(body, content_type, true);
    };
    let mut out = Vec::with_capacity(body.len());
    let mut done = 0;
    for part in parts {
        // The headers between parts may hold personal data, too.
        out.extend(rewrite(body.get(done..part.body.start).unwrap_or_default(), None, true));
        done = part.body.end;
        let before = part.content(body);
        let after = rewrite(&before, part.content_type.as_deref(), part.coding != TransferCoding::Unknown);
        match before {
            Cow::Owned(before) if before != after => match part.coding {
                TransferCoding::QuotedPrintable => out.extend(quoted_printable::encode(&after)),
                _ => out.extend(to_base64(&after, body.get(part.body).unwrap_or_default())),
            },
            Cow::Owned(_) => out.extend(body.get(part.body).unwrap_or_default()),
            Cow::Borrowed(_) => out.extend(after),
        }
    }
    out.extend(rewrite(body.get(done..).unwrap_or_default(), None, true));
    out
}

/// Bytes in base64, with lines as long as in `like`, and the same end.
fn to_base64(bytes: &[u8], before: &[u8]) -> Vec<u8> {
    let line = before.iter().position(|byte| matches!(byte, b'\r' | b'\n')).filter(|at| *at > 0).unwrap_or(BASE64_LINE);
    let encoded = BASE64.encode(bytes);
    let mut out = encoded.as_bytes().chunks(line).collect::<Vec<_>>().join(b"\r\n".as_slice());
    out.extend(before.get(before.trim_ascii_end().len()..).unwrap_or_default());
    out
}

fn rewrite_part(body: &[u8], content_type: Option<&str>, rewrite: &mut impl FnMut(&str) -> String) -> Vec<u8> {
    let decoded = readable(body, content_type);
    let rewritten = rewrite(&decoded.text);
    if rewritten == decoded.text {
        return body.to_vec();
    }
    match decoded.is_faithful() {
        true => charset::encode_like(&rewritten, body, content_type),
        false => mem::encode_latin1_lossy(&rewritten).into_owned(),
    }
}

/// A body as text in any case: bytes that do not fit the charset become a character each.
fn readable<'b>(body: &'b [u8], content_type: Option<&str>) -> Decoded<'b> {
    let decoded = charset::decode(body, content_type);
    if decoded.is_faithful() { decoded } else { Decoded { text: mem::decode_latin1(body), ..decoded } }
}

/// Are the charset and the codings of a body and of each part known?
pub fn are_readable(body: &[u8], content_type: Option<&str>) -> bool {
    let is_readable = |part: &Part| {
        part.coding != TransferCoding::Unknown && charset::is_known(&part.content(body), part.content_type.as_deref())
    };
    match split(body, content_type, Ending::Optional) {
        Some((parts, _)) => parts.iter().all(is_readable),
        None => charset::is_known(body, content_type),
    }
}

/// Is a body, and each part, text in a known charset?
pub fn are_texts(body: &[u8], content_type: Option<&str>) -> bool {
    match split(body, content_type, Ending::Optional) {
        Some((parts, _)) => parts.iter().all(|part| {
            part.coding != TransferCoding::Unknown && is_text(&part.content(body), part.content_type.as_deref())
        }),
        None => is_text(body, content_type),
    }
}

/// Binary bytes seldom go without control characters. A part that has parts itself is not taken apart.
fn is_text(body: &[u8], content_type: Option<&str>) -> bool {
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    let decoded = charset::decode(body, content_type);
    !are_several(content_type)
        && charset::is_known(body, content_type)
        && decoded.is_faithful()
        && !decoded.text.contains(is_control)
}

/// Has a body of this Content-Type several parts?
pub fn are_several(content_type: Option<&str>) -> bool {
    content_type.is_some_and(is_multipart)
}

fn split(body: &[u8], content_type: Option<&str>, ending: Ending) -> Option<(Vec<Part>, usize)> {
    multipart::parts(content_type.filter(|value| is_multipart(value))?, body, ending)
}

/// A multipart message with a fixed boundary and fixed ids, and the new Content-Type. `None` for any other message, or if the
/// boundary stands in a part.
pub fn with_fixed_boundary(body: &[u8], content_type: &str) -> Option<(Vec<u8>, String)> {
    let (parts, _) = split(body, Some(content_type), Ending::Optional)?;
    if multipart::find_bytes(body, BOUNDARY.as_bytes()).is_some() {
        return None;
    }
    let ids: HashMap<String, String> = parts
        .iter()
        .enumerate()
        .filter_map(|(index, part)| Some((part.content_id.clone()?, format!("{}@recorded", index + 1))))
        .collect();
    let mut out = Vec::with_capacity(body.len());
    for part in &parts {
        out.extend(format!("--{BOUNDARY}\r\n").into_bytes());
        let head = String::from_utf8_lossy(body.get(part.head.clone())?);
        for line in head.split_inclusive('\n') {
            let is_id = line.split(':').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("content-id"));
            match part.content_id.as_ref().and_then(|id| ids.get(id)).filter(|_| is_id) {
                Some(fixed) => out.extend(format!("Content-ID: <{fixed}>\r\n").into_bytes()),
                None => out.extend(line.as_bytes()),
            }
        }
        push_with_fixed_references(body.get(part.body.clone())?, &ids, &mut out);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    let start = parameter(content_type, "start").and_then(|start| ids.get(bare_id(&start)).cloned());
    let fixed_type = pieces(content_type).map(|part| {
        let name = part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        match (name.as_str(), &start) {
            ("boundary", _) => format!(" boundary=\"{BOUNDARY}\""),
            ("start", Some(start)) => format!(" start=\"<{start}>\""),
            _ => part.to_owned(),
        }
    });
    Some((out, fixed_type.collect::<Vec<_>>().join(";")))
}

/// Copies a part, with references to other parts (`cid:…`, RFC 2392) by their fixed ids.
fn push_with_fixed_references(part: &[u8], ids: &HashMap<String, String>, out: &mut Vec<u8>) {
    let mut rest = part;
    while let Some(at) = multipart::find_bytes(rest, b"cid:") {
        let (before, reference) = rest.split_at(at + b"cid:".len());
        out.extend(before);
        let is_end = |byte: &u8| matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'&' | b' ' | b'\r' | b'\n' | b'\t');
        let (id, after) = reference.split_at(reference.iter().position(is_end).unwrap_or(reference.len()));
        let named = percent_decode(id).decode_utf8().ok().and_then(|id| ids.get(id.as_ref()));
        out.extend(named.map_or(id, |fixed| fixed.as_bytes()));
        rest = after;
    }
    out.extend(rest);
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    #[test]
    fn what_is_in_base64_is_rewritten_inside() {
        let xml = format!("<a>{}</a>", "1212 ".repeat(20));
        let message = |xml: &str| {
            let head = "--b\r\nContent-Transfer-Encoding: Base64\r\n\r\n".to_owned();
            [head.into_bytes(), to_base64(xml.as_bytes(), b""), b"\r\n--b\r\n\r\n<b/>\r\n--b--\r\n".to_vec()].concat()
        };
        let content_type = Some("multipart/mixed; boundary=b");
        assert_eq!(parts(&message(&xml), content_type).root.as_deref(), Some(xml.as_str()));
        let changed = rewrite(&message(&xml), content_type, |text| text.replace("1212", "****"));
        assert_eq!(changed, message(&xml.replace("1212", "****")));
        assert_eq!(rewrite(&message(&xml), content_type, str::to_owned), message(&xml));
    }

    #[test]
    fn boundary_and_ids_are_fixed_and_nothing_else() {
        let body = "preamble\r\n--b\r\nContent-Type: text/xml; charset=iso-8859-1\r\nContent-Id: <1>\r\n\r\n\
                    <a b='cid:1' c='cid:12'>1 b</a>\r\n--b\r\nContent-ID: <12>\r\n\r\n12\r\n--b--\r\n";
        let content_type = "multipart/related; type=\"text/xml\"; boundary=b; start=\"<1>\"";
        let (fixed, content_type) = with_fixed_boundary(body.as_bytes(), content_type).unwrap();
        assert_eq!(
            content_type,
            "multipart/related; type=\"text/xml\"; boundary=\"----=_recorded\"; start=\"<1@recorded>\""
        );
        let expected = "--B\r\nContent-Type: text/xml; charset=iso-8859-1\r\nContent-ID: <1@recorded>\r\n\r\n\
                        <a b='cid:1@recorded' c='cid:2@recorded'>1 b</a>\r\n--B\r\nContent-ID: <2@recorded>\r\n\r\n12\r\n\
                        --B--\r\n";
        assert_eq!(String::from_utf8(fixed.clone()).unwrap(), expected.replace("--B", "------=_recorded"));
        assert!(with_fixed_boundary(&fixed, &content_type).is_none());
        assert_eq!(
            parts(&fixed, Some(&content_type)).root.unwrap(),
            "<a b='cid:1@recorded' c='cid:2@recorded'>1 b</a>"
        );
    }

    /// Randomly damaged messages: no function fails, and a message that is not rewritten stays as it is.
    #[test]
    fn damaged_messages_stay_as_they_are() {
        const CONTENT_TYPE: &str =
            "multipart/related; start*0*=utf-8''%3Cr; start*1=\">\"; boundary=\"b;c\"; charset='utf-8'";
        const BODY: &str = "x\r\n--b;c\r\nContent-Type: text/xml; charset=iso-8859-1\r\nContent-ID: <r>\r\n\
                            Content-Transfer-Encoding: quoted-printable\r\n\r\n<a b=3D'=E9'/>=\r\n\r\n--b;c \r\n\
                            Content-Transfer-Encoding:\r\n base64\r\n\r\nPGEvPg==\r\n--b;c\n\n\u{FEFF}<é/>\r\n--b;c--\r\n";
        let pieces: [&[u8]; 16] = [
            b"\r\n",
            b"\n",
            b"\r",
            b";",
            b"\"",
            b"'",
            b"*",
            b"=",
            b"=?x?q?=",
            b"--b;c",
            b"--",
            b"\0",
            b"\xFF\xFE",
            b"%",
            b":",
            b"\\",
        ];
        let mut random = StdRng::seed_from_u64(5);
        let mut damage = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..random.random_range(0..5) {
                let at = random.random_range(0..bytes.len());
                let end = (at + random.random_range(0..3)).min(bytes.len());
                bytes.splice(at..end, pieces[random.random_range(0..pieces.len())].iter().copied());
            }
            bytes
        };
        for _ in 0..2000 {
            let (content_type, body) = (damage(CONTENT_TYPE), damage(BODY));
            let content_type = String::from_utf8_lossy(&content_type);
            assert_eq!(rewrite(&body, Some(&content_type), str::to_owned), body, "{content_type}");
            let mut length = 0;
            each(&body, Some(&content_type), |text| length += text.len());
            assert!(length > 0 && parts(&body, Some(&content_type)).attachments.len() < 5);
            are_readable(&body, Some(&content_type));
            with_fixed_boundary(&body, &content_type);
        }
    }
}
