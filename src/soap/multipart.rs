//! Takes a multipart message apart (RFC 2046, 5.1; `multipart/related`: RFC 2387; SOAP with Attachments, MTOM).

use std::ops::Range;

use super::charset::parameter;

/// Parts of a message, at most.
const MOST: usize = 1000;

/// One part, and where it stands in the message.
pub(super) struct Part {
    /// Content-Type.
    pub(super) content_type: Option<String>,
    /// Content-ID, with its angle brackets.
    pub(super) content_id: Option<String>,
    /// Is its content in base64? (RFC 2045, 6.8)
    pub(super) is_base64: bool,
    /// Its headers, with the empty line.
    pub(super) head: Range<usize>,
    /// Its content.
    pub(super) body: Range<usize>,
}

/// What is asked of the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It must be there: an answer without it is cut off.
    Needed,
    /// Clients may leave it out: Apache Axis 1.4 counts its Content-Length too short by some bytes of it.
    Optional,
}

/// Is it a multipart message at all?
pub(super) fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

/// The parts, and which of them is the root: the one named by `start`, else the first one. `None` when the parts cannot
/// be told apart.
pub(super) fn parts(content_type: &str, body: &[u8], ending: Ending) -> Option<(Vec<Part>, usize)> {
    let delimiter = format!("--{}", parameter(content_type, "boundary")?);
    let start = parameter(content_type, "start");
    let line_end_and_delimiter = [b"\n", delimiter.as_bytes()].concat();
    let mut parts: Vec<Part> = Vec::new();
    let mut at = find(body, delimiter.as_bytes())? + delimiter.len();
    while !body.get(at..)?.starts_with(b"--") {
        if parts.len() == MOST {
            return None;
        }
        at += match find(body.get(at..)?, b"\n") {
            Some(line_end) => line_end + 1,
            None if ending == Ending::Optional => break,
            None => return None,
        };
        let rest = body.get(at..)?;
        let (length, is_last) = match find(rest, &line_end_and_delimiter) {
            Some(length) => (length, false),
            None if ending == Ending::Optional => (length_before_cut(rest, &line_end_and_delimiter), true),
            None => return None,
        };
        let part = rest.get(..length)?;
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        // One that is cut off may be headers only.
        let only_headers = || is_last.then(|| (String::from_utf8_lossy(part).into_owned(), part.len()));
        let (headers, skipped) = split_headers(part).or_else(only_headers)?;
        let encoding = header(&headers, "content-transfer-encoding");
        parts.push(Part {
            content_type: header(&headers, "content-type"),
            content_id: header(&headers, "content-id"),
            is_base64: encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")),
            head: at..at + skipped,
            body: at + skipped..at + part.len(),
        });
        if is_last {
            break;
        }
        at += length + line_end_and_delimiter.len();
    }
    let named = start.and_then(|start| parts.iter().position(|part| part.content_id.as_ref() == Some(&start)));
    (!parts.is_empty()).then(|| (parts, named.unwrap_or(0)))
}

/// Where the content of the last part ends, if some of the delimiter after it is cut off.
fn length_before_cut(rest: &[u8], delimiter: &[u8]) -> usize {
    let kept = (1..=delimiter.len()).rev().find(|n| delimiter.get(..*n).is_some_and(|start| rest.ends_with(start)));
    rest.len() - kept.unwrap_or(0)
}

/// The headers, and how many bytes they and the empty line take. There need not be any.
fn split_headers(part: &[u8]) -> Option<(String, usize)> {
    if let Some(empty_line) = [b"\r\n".as_slice(), b"\n"].into_iter().find(|line| part.starts_with(line)) {
        return Some((String::new(), empty_line.len()));
    }
    let (end, skip) = match (find(part, b"\r\n\r\n"), find(part, b"\n\n")) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => return None,
    };
    Some((String::from_utf8_lossy(part.get(..end)?).into_owned(), end + skip))
}

fn header(headers: &str, name: &str) -> Option<String> {
    headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Where the one stands in the other first.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        from += haystack.get(from..)?.iter().position(|byte| *byte == first)?;
        if haystack.get(from..)?.starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Ending::{Needed, Optional};
    use super::*;

    const BODY: &[u8] = b"preamble\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <1>\r\n\r\n\x89PNG\r\n--b\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <0>\r\n\r\n<a>\r\n</a>\r\n--b--\r\n";

    #[test]
    fn takes_the_named_part_else_the_first() {
        let (all, root) = parts("multipart/related; boundary=\"b\"; start=\"<0>\"", BODY, Needed).unwrap();
        let bodies: Vec<_> = all.iter().map(|part| BODY.get(part.body.clone()).unwrap()).collect();
        assert_eq!((bodies, root), (vec![&b"\x89PNG"[..], b"<a>\r\n</a>"], 1));
        assert_eq!(all[1].content_type.as_deref(), Some("text/xml; charset=utf-8"));
        assert_eq!(parts("multipart/related; boundary=b", BODY, Needed).unwrap().1, 0);
        assert!(parts("multipart/related; boundary=b", &BODY[..80], Needed).is_none());
        let (all, _) = parts("multipart/mixed; boundary=b", &BODY[..90], Optional).unwrap();
        assert_eq!((all.len(), all[1].body.len()), (2, 0), "cut off in the headers of a part");
        for cut in 1..9 {
            let cut = &BODY[..BODY.len() - cut];
            let (all, _) = parts("multipart/related; boundary=b", cut, Optional).unwrap();
            assert_eq!(cut.get(all[1].body.clone()), Some(&b"<a>\r\n</a>"[..]));
        }
    }
}
