//! Turns the bytes of a message into text, and back, in the first charset that fits: that of the byte order mark, UTF-16
//! by the zero bytes of its first character, those that Content-Type names, that of the XML declaration, UTF-8 (RFC 7303
//! section 3; XML 1.0 appendix F; RFC 2781, 4.3).
//!
//! Rule: a charset fits when every byte is valid in the charset, so a misspelt or wrong label costs nothing as long as
//! something else fits.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::media_type::parameter;

/// Most labels of a message that are tried.
const LABELS: usize = 8;
/// Characters of a label that are shown.
const SHOWN: usize = 40;

/// A message as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'b> {
    /// The text, without byte order mark.
    pub text: Cow<'b, str>,
    /// The reason why U+FFFD stands in the text, if it does.
    pub fault: Option<String>,
}

impl Decoded<'_> {
    /// The decoded text as an owned text.
    pub(super) fn into_owned(self) -> Decoded<'static> {
        Decoded { text: Cow::Owned(self.text.into_owned()), fault: self.fault }
    }

    /// Did every byte make sense?
    pub(super) fn is_faithful(&self) -> bool {
        self.fault.is_none()
    }
}

/// Decodes a body.
pub fn decode<'b>(body: &'b [u8], content_type: Option<&str>) -> Decoded<'b> {
    let labels = Labels::of_body(body, content_type);
    match labels.fitting(body) {
        Some((_, text)) => Decoded { text, fault: None },
        None => {
            let text = labels.first().decode_with_bom_removal(body).0;
            Decoded { text, fault: Some(labels.misfit(body)) }
        }
    }
}

/// Is the charset of a body known? UTF-32 is none that anybody has to read (XML 1.0, 4.3.3), and where a label is not known
/// the bytes may mean something else than they seem to.
pub(super) fn is_known(body: &[u8], content_type: Option<&str>) -> bool {
    let is_utf_32 =
        matches!(body, [0, 0, 0xFE, 0xFF, ..] | [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0, b'<', ..] | [b'<', 0, 0, 0, ..]);
    let labels = Labels::of_body(body, content_type);
    !is_utf_32 && (labels.unknown.is_empty() || labels.certain(body).any(|encoding| fits(encoding, body).is_some()))
}

/// Writes a text in the charset that a body has, with its byte order mark. What the charset cannot carry becomes a
/// reference.
pub(super) fn encode_like(text: &str, body: &[u8], content_type: Option<&str>) -> Vec<u8> {
    let labels = Labels::of_body(body, content_type);
    let encoding = labels.fitting(body).map_or_else(|| labels.first(), |(encoding, _)| encoding);
    let mark_length = Encoding::for_bom(body).map_or(0, |(_, length)| length);
    let mark = body.get(..mark_length).unwrap_or_default();
    [mark, &encode_in(encoding, text)].concat()
}

/// Writes a text in the charset that its type or its XML declaration names, else in UTF-8.
pub(super) fn encode(text: &str, content_type: Option<&str>) -> Vec<u8> {
    encode_in(Labels::of_body(text.as_bytes(), content_type).first(), text).into_owned()
}

fn encode_in<'t>(encoding: &'static Encoding, text: &'t str) -> Cow<'t, [u8]> {
    if encoding == UTF_16LE {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else if encoding == UTF_16BE {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    } else {
        encoding.encode(text).0
    }
}

/// The charsets that a message names: first those of Content-Type, then that of its XML declaration.
struct Labels {
    known: Vec<&'static Encoding>,
    unknown: Vec<String>,
}

impl Labels {
    fn of_body(body: &[u8], content_type: Option<&str>) -> Self {
        let header = content_type.and_then(|value| parameter(value, "charset")).unwrap_or_default();
        let mut labels = Self { known: Vec::new(), unknown: Vec::new() };
        for label in header.split(',').chain(declared(body)).map(bare).filter(|label| !label.is_empty()).take(LABELS) {
            match encoding_of(label) {
                Some(encoding) => labels.known.push(encoding),
                None => labels.unknown.push(label.chars().take(SHOWN).collect()),
            }
        }
        labels
    }

    /// The charset to fall back on.
    fn first(&self) -> &'static Encoding {
        self.known.first().copied().unwrap_or(UTF_8)
    }

    /// The charsets that something speaks for. Of UTF-16 a label does not tell the order of the bytes.
    fn certain(&self, body: &[u8]) -> impl Iterator<Item = &'static Encoding> {
        let mark = Encoding::for_bom(body).map(|(encoding, _)| encoding);
        let shown = mark.or_else(|| utf_16_of_markup(body));
        let utf_16 = utf_16(body);
        let named = self.known.iter().filter_map(move |known| match *known {
            encoding if encoding == UTF_16LE || encoding == UTF_16BE => utf_16,
            encoding => Some(encoding),
        });
        shown.into_iter().chain(named.take_while(move |_| shown.is_none()))
    }

    fn fitting<'b>(&self, body: &'b [u8]) -> Option<(&'static Encoding, Cow<'b, str>)> {
        self.certain(body).chain([UTF_8]).find_map(|encoding| Some((encoding, fits(encoding, body)?)))
    }

    /// The reason for which no charset fits, in words.
    fn misfit(&self, body: &[u8]) -> String {
        let mut tried: Vec<&str> = self.certain(body).chain([UTF_8]).map(Encoding::name).collect();
        tried.dedup();
        let tried = tried.join(" or ");
        let unknown: String =
            self.unknown.iter().map(|label| format!("the charset {label:?} is not known, and ")).collect();
        format!("{unknown}the bytes of the answer are not {tried}")
    }
}

/// The text, if every byte makes sense.
fn fits<'b>(encoding: &'static Encoding, body: &'b [u8]) -> Option<Cow<'b, str>> {
    let (_, mark_length) = Encoding::for_bom(body).filter(|(marked, _)| *marked == encoding).unwrap_or((encoding, 0));
    encoding.decode_without_bom_handling_and_without_replacement(body.get(mark_length..)?)
}

/// A label without quotes and white space.
fn bare(label: &str) -> &str {
    label.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// The charset of a label, also where only its separators are not as they should be (`UTF_8`, `latin-1`).
fn encoding_of(label: &str) -> Option<&'static Encoding> {
    let known = |label: &str| Encoding::for_label_no_replacement(label.as_bytes());
    known(label).or_else(|| {
        let with_hyphens = label.replace(['_', ' '], "-");
        known(&with_hyphens).or_else(|| known(&with_hyphens.replace('-', "")))
    })
}

/// The encoding named by the XML declaration; only ASCII-compatible ones can be read this way.
fn declared(body: &[u8]) -> Option<&str> {
    let head = body.get(..body.len().min(200))?;
    let head = std::str::from_utf8(head)
        .unwrap_or_else(|e| std::str::from_utf8(head.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default());
    let declaration = head.strip_prefix("<?xml")?.split("?>").next()?;
    let value = declaration.split("encoding").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value.get(1..)?.split(quote).next()?;
    // A declaration that could be read byte by byte is not UTF-16, whatever it says.
    let is_utf_16 = Encoding::for_label(label.as_bytes()).is_some_and(|e| e == UTF_16LE || e == UTF_16BE);
    (!is_utf_16).then_some(label)
}

/// UTF-16 by the zero byte in its first character.
fn utf_16(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [_, 0, 0, 0, ..] | [0, 0, ..] => None,
        [0, ..] => Some(UTF_16BE),
        [_, 0, ..] => Some(UTF_16LE),
        _ => None,
    }
}

/// The same, where that character can begin a document: then it is no other charset.
fn utf_16_of_markup(body: &[u8]) -> Option<&'static Encoding> {
    let is_first = |byte: &u8| matches!(byte, b'<' | b' ' | b'\t' | b'\r' | b'\n');
    utf_16(body).filter(|_| body.iter().take(2).any(is_first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'b>(body: &'b [u8], content_type: &str) -> Decoded<'b> {
        decode(body, Some(content_type))
    }

    #[test]
    fn the_order_is_mark_then_header_then_declaration() {
        let latin = |head: &str| [head.as_bytes(), b"<a>\xE9\x80</a>"].concat();
        let header = Some("text/xml; charset=windows-1252");
        assert!(decode(&latin("<?xml version='1.0' encoding='iso-8859-1'?>"), None).text.contains("é€"));
        assert!(decode(&latin(""), header).text.contains("é€"));
        let wrong = b"<?xml version='1.0' encoding='utf-8'?><a>\xE9</a>";
        assert!(read(wrong, "text/xml;charset=\"ISO-8859-1\"").text.contains('é'));
        assert!(!decode(&latin(""), None).is_faithful());
        let latin_1 = Some("text/xml; charset=iso-8859-1");
        assert_eq!(encode_like("<a>éж</a>", b"<a/>", latin_1), b"<a>\xE9&#1078;</a>");
        let utf_16: Vec<u8> = "\u{FEFF}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf_16, header).text, "<a>é</a>");
        assert_eq!(encode_like("<a>é</a>", &utf_16, None), utf_16);
        assert_eq!(decode("\u{FEFF}<a>é</a>".as_bytes(), header).text, "<a>é</a>");
    }

    #[test]
    fn utf_16_without_a_mark_goes_by_its_first_bytes_whatever_is_said_of_it() {
        let text = "\n<a>é</a>";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for body in [&little, &big] {
            for said in ["", "; charset=utf-16", "; charset=UTF-16LE", "; charset=utf-16be", "; charset=utf-8"] {
                assert_eq!(
                    read(body, &format!("text/xml{said}")),
                    Decoded { text: text.into(), fault: None },
                    "{said}"
                );
            }
            assert_eq!(encode_like(text, body, Some("text/xml; charset=utf-16")), **body);
            assert!(is_known(body, None));
        }
        assert_eq!(read(text.as_bytes(), "text/xml; charset=utf-16").text, text);
        assert!(!is_known(b"<\0\0\0a\0\0\0", None) && !is_known(b"\0\0\0<", None));
    }

    #[test]
    fn a_label_that_is_misspelt_or_wrong_is_passed_over() {
        let accented = "<?xml version='1.0' encoding='windows-1251'?><a>ж</a>";
        let cyrillic = encode(accented, None);
        for label in [
            "'windows-1251'",
            "\" windows_1251 \"",
            "utf-8,windows-1251",
            "klingon",
            "utf8mb4",
            "UTF_8",
            "none",
            "iso-2022-kr",
        ] {
            let decoded = read(&cyrillic, &format!("text/xml; charset={label}"));
            assert_eq!(decoded, Decoded { text: accented.into(), fault: None }, "{label}");
        }
        assert_eq!(read("<a>é</a>".as_bytes(), "text/xml; charset=klingon").text, "<a>é</a>");
        assert_eq!(encode("<a>é</a>", Some("text/xml; charset=LATIN_1")), b"<a>\xE9</a>");
        assert!(is_known(&cyrillic, Some("text/xml; charset=klingon")));
        assert!(!is_known(b"<a/>", Some("text/xml; charset=utf-7")), "it may have other texts in it");
    }

    #[test]
    fn the_reason_says_what_was_tried() {
        let reason = |content_type: &str| read(b"<a>\xE9</a>", content_type).fault.unwrap();
        assert_eq!(reason("text/xml"), "the bytes of the answer are not UTF-8");
        assert_eq!(reason("text/xml; charset=utf-8"), "the bytes of the answer are not UTF-8");
        assert_eq!(reason("text/xml; charset=gbk"), "the bytes of the answer are not GBK or UTF-8");
        assert_eq!(
            reason("text/xml; charset=klingon"),
            "the charset \"klingon\" is not known, and the bytes of the answer are not UTF-8"
        );
    }
}
