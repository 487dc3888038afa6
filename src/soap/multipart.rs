//! Takes a multipart message apart (RFC 2046, 5.1; `multipart/related`: RFC 2387; SOAP with Attachments, MTOM).
//!
//! Rule: this module finds the parts; mailparse reads their headers and transfer codings, a single head or content at a time
//! because mailparse has no bounds.

use std::borrow::Cow;
use std::ops::Range;

use mailparse::body::Body;
use mailparse::{MailHeader, MailHeaderMap as _, ParsedContentType};

use super::media_type::parameter;

/// Parts of a message, at most.
const MOST: usize = 1000;
/// Bytes of the headers of a part, at most.
const HEAD_BYTES: usize = 8 << 10;

/// A part, as ranges of the message.
pub(super) struct Part {
    /// Content-Type.
    pub(super) content_type: Option<String>,
    /// Content-ID, without angle brackets.
    pub(super) content_id: Option<String>,
    /// The transfer coding.
    pub(super) coding: TransferCoding,
    /// The headers, with the empty line.
    pub(super) head: Range<usize>,
    /// The content.
    pub(super) body: Range<usize>,
}

/// A transfer coding (RFC 2045, 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferCoding {
    /// None.
    Identity,
    Base64,
    QuotedPrintable,
    /// An unknown coding, whose bytes are opaque.
    Unknown,
}

/// The requirement on the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The closing delimiter is required: an answer without it is cut off.
    Needed,
    /// The closing delimiter may be cut: Apache Axis 1.4 sends a Content-Length that is some bytes too short.
    Optional,
}

impl Part {
    fn new(headers: &[MailHeader<'_>], head: Range<usize>, body: Range<usize>) -> Self {
        let value = |name| headers.get_first_header(name).map(unfolded).filter(|value| !value.is_empty());
        let coding = value("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
        Self {
            content_type: value("Content-Type"),
            content_id: value("Content-ID").map(|id| bare_id(&id).to_owned()),
            coding: match coding.as_str() {
                "" | "7bit" | "8bit" | "binary" => TransferCoding::Identity,
                "base64" => TransferCoding::Base64,
                "quoted-printable" => TransferCoding::QuotedPrintable,
                _ => TransferCoding::Unknown,
            },
            head,
            body,
        }
    }

    /// The content with its transfer coding undone, as far as that goes; owned where there was one.
    pub(super) fn content<'b>(&self, message: &'b [u8]) -> Cow<'b, [u8]> {
        let bytes = message.get(self.body.clone()).unwrap_or_default();
        let decoded = |bytes: &[u8], coding: &str| {
            let plain = ParsedContentType::default();
            match Body::new(bytes, &plain, &Some(coding.to_owned())) {
                Body::Base64(body) | Body::QuotedPrintable(body) => body.get_decoded().ok(),
                _ => None,
            }
        };
        let decoded = match self.coding {
            TransferCoding::Identity | TransferCoding::Unknown => None,
            TransferCoding::Base64 => {
                let digits: Vec<u8> = bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
                // The end may be cut off.
                decoded(digits.get(..digits.len() / 4 * 4).unwrap_or_default(), "base64")
            }
            TransferCoding::QuotedPrintable => decoded(bytes, "quoted-printable"),
        };
        decoded.map_or(Cow::Borrowed(bytes), Cow::Owned)
    }
}

/// An id without angle brackets: Content-ID has them, `cid:` has not, and servers write `start` in both ways.
pub(super) fn bare_id(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// The parts, and which of them is the root: the one named by `start`, else the first one. `None` when the parts cannot
/// be told apart.
pub(super) fn parts(content_type: &str, body: &[u8], ending: Ending) -> Option<(Vec<Part>, usize)> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut parts: Vec<Part> = Vec::new();
    let mut before = next_delimiter(body, 0, &delimiter)?;
    while !before.is_last {
        if parts.len() == MOST {
            return None;
        }
        let at = before.line.end;
        let next = next_delimiter(body, at, &delimiter);
        let end = match &next {
            Some(next) => end_of_content(body, at, next.line.start),
            None if ending == Ending::Needed => return None,
            None if at == body.len() => break,
            None => length_before_cut(body, &delimiter).max(at),
        };
        // A part that is cut off may have headers only.
        let only_headers = || next.is_none().then_some(end - at);
        let length = head_length(body.get(at..end)?).or_else(only_headers).filter(|length| *length <= HEAD_BYTES)?;
        let head = at..at + length;
        let (headers, _) = mailparse::parse_headers(body.get(head.clone())?).unwrap_or_default();
        parts.push(Part::new(&headers, head, at + length..end));
        match next {
            Some(next) => before = next,
            None => break,
        }
    }
    let start = parameter(content_type, "start");
    let is_named = |part: &Part| start.as_deref().map(bare_id) == part.content_id.as_deref();
    let root = start.is_some().then(|| parts.iter().position(is_named)).flatten().unwrap_or(0);
    (!parts.is_empty()).then_some((parts, root))
}

/// A line that parts are told apart by.
struct Delimiter {
    /// The line, line end included.
    line: Range<usize>,
    /// Is the delimiter the closing delimiter?
    is_last: bool,
}

/// The first delimiter line from a position on; a longer boundary with the same beginning does not count.
fn next_delimiter(body: &[u8], mut from: usize, delimiter: &[u8]) -> Option<Delimiter> {
    loop {
        let start = from + find_bytes(body.get(from..)?, delimiter)?;
        from = start + 1;
        let is_line_start = start.checked_sub(1).is_none_or(|before| body.get(before) == Some(&b'\n'));
        let rest = body.get(start + delimiter.len()..)?;
        let (is_last, rest) = rest.strip_prefix(b"--").map_or((false, rest), |rest| (true, rest));
        let rest = rest.get(rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..)?;
        let line_end = match rest {
            [] | [b'\r'] => rest.len(),
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => continue,
        };
        if is_line_start {
            return Some(Delimiter { line: start..body.len() - rest.len() + line_end, is_last });
        }
    }
}

/// The end of a content that begins at `at`: the line end before a delimiter belongs to the delimiter.
fn end_of_content(body: &[u8], at: usize, delimiter: usize) -> usize {
    let content = body.get(at..delimiter).unwrap_or_default();
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    at + content.strip_suffix(b"\r").unwrap_or(content).len()
}

/// The end of the last part's content, if the delimiter behind is cut off.
fn length_before_cut(body: &[u8], delimiter: &[u8]) -> usize {
    let line = [b"\r\n", delimiter, b"--"].concat();
    let cut = |line: &[u8]| (1..=line.len()).rev().find(|n| line.get(..*n).is_some_and(|start| body.ends_with(start)));
    body.len() - cut(&line).max(line.get(1..).and_then(cut)).unwrap_or(0)
}

/// The number of bytes of the headers, which may be missing, and the empty line.
fn head_length(part: &[u8]) -> Option<usize> {
    let mut lines = part.split_inclusive(|byte| *byte == b'\n');
    let mut length = 0;
    lines.find_map(|line| {
        length += line.len();
        matches!(line, b"\n" | b"\r\n").then_some(length)
    })
}

/// The value of a header in one line (RFC 5322, 2.2.3).
fn unfolded(header: &MailHeader<'_>) -> String {
    let value = String::from_utf8_lossy(header.get_value_raw());
    value.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The first position of a text in another.
pub(super) fn find_bytes(haystack: &[u8], needle: &[u8]) -> Option<usize> {
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

    const BODY: &[u8] = b"preamble --b\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <1>\r\n\r\n\x89PNG\r\n--bb\r\n--b \t\r\nContent-Type: text/xml;\r\n charset=utf-8\r\nContent-ID:\r\n\t<0>\r\n\r\n<a>\r\n</a>\r\n--b--\r\n";

    #[test]
    fn takes_the_named_part_else_the_first() {
        for start in ["start=\"<0>\"", "start=0", "start*0=\"<\"; start*1=\"0>\""] {
            let content_type = format!("Multipart/Related; a=\"; boundary=c\"; boundary=\"b\"; {start}");
            let (all, root) = parts(&content_type, BODY, Needed).unwrap();
            let bodies: Vec<_> = all.iter().map(|part| BODY.get(part.body.clone()).unwrap()).collect();
            assert_eq!((bodies, root), (vec![&b"\x89PNG\r\n--bb"[..], b"<a>\r\n</a>"], 1));
            assert_eq!(all[1].content_type.as_deref(), Some("text/xml; charset=utf-8"));
        }
        assert_eq!(parts("multipart/related; boundary=b", BODY, Needed).unwrap().1, 0);
        assert!(parts("multipart/related; boundary=b", &BODY[..90], Needed).is_none());
        assert!(parts("multipart/related; boundary=b", &BODY[..BODY.len() - 5], Needed).is_none());
        let (all, _) = parts("multipart/mixed; boundary=b", &BODY[..110], Optional).unwrap();
        assert_eq!((all.len(), all[1].body.len()), (2, 0), "cut off in the headers of a part");
        for cut in 1..10 {
            let cut = &BODY[..BODY.len() - cut];
            let (all, _) = parts("multipart/related; boundary=b", cut, Optional).unwrap();
            assert_eq!(cut.get(all[1].body.clone()), Some(&b"<a>\r\n</a>"[..]));
        }
    }

    #[test]
    fn transfer_codings_are_undone() {
        let message =
            |coding: &str, content: &str| format!("--b\nContent-Transfer-Encoding: {coding}\n\n{content}\n--b--");
        for (coding, content, plain) in [
            ("Base64", "PGEv\r\nPg==", Some("<a/>")),
            ("QUOTED-Printable", "<a b=3D'=C3=A9'=\r\n/>", Some("<a b='é'/>")),
            ("8bit", "PGEvPg==", None),
            ("x-uue", "PGEvPg==", None),
        ] {
            let message = message(coding, content);
            let (all, _) = parts("multipart/related; boundary=b", message.as_bytes(), Needed).unwrap();
            assert_eq!(String::from_utf8_lossy(&all[0].content(message.as_bytes())), plain.unwrap_or(content));
            assert_eq!(all[0].coding == TransferCoding::Unknown, coding == "x-uue");
        }
    }

    #[test]
    fn parts_and_heads_are_bounded() {
        let read = |body: String| parts("multipart/related; boundary=b", body.as_bytes(), Needed).is_some();
        let many = |count: usize| "--b\n\n\n".repeat(count) + "--b--";
        let long = |length: usize| format!("--b\nA: {}\n\n\n--b--", "=?".repeat(length / 2));
        assert_eq!([many(MOST), many(MOST + 1)].map(read), [true, false]);
        assert_eq!([long(HEAD_BYTES - 8), long(HEAD_BYTES)].map(read), [true, false]);
    }
}
