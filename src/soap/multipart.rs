//! Finds the root part of a `multipart/related` answer (RFC 2387; SOAP with Attachments, MTOM).

use super::charset::parameter;

/// The root part: its Content-Type and its bytes.
pub(super) struct RootPart<'b> {
    pub(super) content_type: Option<String>,
    pub(super) body: &'b [u8],
}

/// Is it a multipart answer at all?
pub(super) fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().get(..17).is_some_and(|start| start.eq_ignore_ascii_case("multipart/related"))
}

/// The part named by `start`, else the first one. `None` when the parts cannot be told apart or the end is missing.
pub(super) fn root_part<'b>(content_type: &str, body: &'b [u8]) -> Option<RootPart<'b>> {
    let delimiter = format!("--{}", parameter(content_type, "boundary")?);
    let start = parameter(content_type, "start");
    let mut rest = after(body, delimiter.as_bytes())?;
    let mut first = None;
    while !rest.starts_with(b"--") {
        let content = after(rest, b"\n")?;
        let end = find(content, [b"\n", delimiter.as_bytes()].concat().as_slice())?;
        let part = content.get(..end)?;
        rest = content.get(end + 1 + delimiter.len()..)?;
        let (headers, body) = split_headers(part.strip_suffix(b"\r").unwrap_or(part))?;
        let root = RootPart { content_type: header(&headers, "content-type"), body };
        if start.is_some() && header(&headers, "content-id") == start {
            return Some(root);
        }
        first = first.or(Some(root));
    }
    first
}

fn split_headers(part: &[u8]) -> Option<(String, &[u8])> {
    let (end, skip) = match (find(part, b"\r\n\r\n"), find(part, b"\n\n")) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => return None,
    };
    Some((String::from_utf8_lossy(part.get(..end)?).into_owned(), part.get(end + skip..)?))
}

fn header(headers: &str, name: &str) -> Option<String> {
    headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn after<'b>(haystack: &'b [u8], needle: &[u8]) -> Option<&'b [u8]> {
    haystack.get(find(haystack, needle)? + needle.len()..)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"preamble\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <1>\r\n\r\n\x89PNG\r\n--b\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <0>\r\n\r\n<a>\r\n</a>\r\n--b--\r\n";

    #[test]
    fn takes_the_named_part_else_the_first() {
        let root = root_part("multipart/related; boundary=\"b\"; start=\"<0>\"", BODY).unwrap();
        assert_eq!((root.body, root.content_type.as_deref()), (&b"<a>\r\n</a>"[..], Some("text/xml; charset=utf-8")));
        assert_eq!(root_part("multipart/related; boundary=b", BODY).unwrap().body, b"\x89PNG");
        assert!(root_part("multipart/related; boundary=b", &BODY[..80]).is_none());
    }
}
