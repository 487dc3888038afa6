//! Turns the bytes of a message into text, and back: by byte order mark, else by the charset of Content-Type, else by the
//! XML declaration, else UTF-8 (RFC 7303 section 3; XML 1.0 appendix F).

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Text, and whether every byte of it made sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The text, without byte order mark.
    pub text: String,
    /// False when something had to be replaced by U+FFFD, or the charset is not known.
    pub is_faithful: bool,
}

/// Decodes a body.
pub(super) fn decode(body: &[u8], content_type: Option<&str>) -> Decoded {
    let (encoding, is_known) = encoding_of(body, content_type);
    let (text, had_errors) = encoding.decode_with_bom_removal(body);
    Decoded { text: text.into_owned(), is_faithful: is_known && !had_errors }
}

/// Is the charset of a body known? UTF-32 is none that anybody has to read (XML 1.0, 4.3.3).
pub(super) fn is_known(body: &[u8], content_type: Option<&str>) -> bool {
    let is_utf_32 =
        matches!(body, [0, 0, 0xFE, 0xFF, ..] | [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0, b'<', ..] | [b'<', 0, 0, 0, ..]);
    !is_utf_32 && encoding_of(body, content_type).1
}

/// Writes a text in the charset that a body has, with its byte order mark. What the charset cannot carry becomes a
/// reference.
pub(super) fn encode_like(text: &str, body: &[u8], content_type: Option<&str>) -> Vec<u8> {
    let (encoding, _) = encoding_of(body, content_type);
    let mark_length = Encoding::for_bom(body).map_or(0, |(_, length)| length);
    let mut bytes = body.get(..mark_length).unwrap_or_default().to_vec();
    if encoding == UTF_16LE {
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    } else if encoding == UTF_16BE {
        bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    } else {
        bytes.extend_from_slice(&encoding.encode(text).0);
    }
    bytes
}

/// The charset of a body, and whether the one that it names is known.
fn encoding_of(body: &[u8], content_type: Option<&str>) -> (&'static Encoding, bool) {
    match Encoding::for_bom(body) {
        Some((encoding, _)) => (encoding, true),
        None => match content_type.and_then(charset_parameter).or_else(|| declared(body)) {
            Some(label) => {
                let named = Encoding::for_label(label.as_bytes());
                (named.unwrap_or(UTF_8), named.is_some())
            }
            None => (without_mark(body), true),
        },
    }
}

/// The parameter `charset` of a media type.
fn charset_parameter(content_type: &str) -> Option<String> {
    parameter(content_type, "charset")
}

/// A parameter of a media type, without its quotes (RFC 9110 section 8.3.1).
pub(super) fn parameter(content_type: &str, name: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The encoding named by the XML declaration; only ASCII-compatible ones can be read this way.
fn declared(body: &[u8]) -> Option<String> {
    let head = body.get(..body.len().min(200))?;
    let head = std::str::from_utf8(head)
        .unwrap_or_else(|e| std::str::from_utf8(head.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default());
    let declaration = head.strip_prefix("<?xml")?.split("?>").next()?;
    let value = declaration.split("encoding").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value.get(1..)?.split(quote).next()?;
    // A declaration that could be read byte by byte is not UTF-16, whatever it says.
    let is_utf_16 = Encoding::for_label(label.as_bytes()).is_some_and(|e| e == UTF_16LE || e == UTF_16BE);
    (!is_utf_16).then(|| label.to_owned())
}

/// UTF-16 without a mark shows by the zero byte beside its first `<`.
fn without_mark(body: &[u8]) -> &'static Encoding {
    match body {
        [b'<', 0, ..] => UTF_16LE,
        [0, b'<', ..] => UTF_16BE,
        _ => UTF_8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_mark_then_header_then_declaration() {
        let latin = |head: &str| [head.as_bytes(), b"<a>\xE9\x80</a>"].concat();
        let header = Some("text/xml; charset=windows-1252");
        assert_eq!(
            decode(&latin("<?xml version='1.0' encoding='iso-8859-1'?>"), None).text.chars().rev().nth(5),
            Some('é')
        );
        assert!(decode(&latin(""), header).text.contains("é€"));
        assert!(
            decode(b"<?xml version='1.0' encoding='utf-8'?><a>\xE9</a>", Some("text/xml;charset=\"ISO-8859-1\""))
                .text
                .contains('é')
        );
        assert!(!decode(&latin(""), None).is_faithful);
        assert!(!decode(b"<a/>", Some("text/xml; charset=klingon")).is_faithful);
        let latin_1 = Some("text/xml; charset=iso-8859-1");
        assert_eq!(encode_like("<a>éж</a>", b"<a/>", latin_1), b"<a>\xE9&#1078;</a>");
        let utf_16: Vec<u8> = "\u{FEFF}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf_16, header).text, "<a>é</a>");
        assert_eq!(encode_like("<a>é</a>", &utf_16, None), utf_16);
        assert_eq!(decode(utf_16.get(2..).unwrap(), None).text, "<a>é</a>");
        assert_eq!(decode("\u{FEFF}<a>é</a>".as_bytes(), header).text, "<a>é</a>");
    }
}
