//! Texts as they are written: escapes of XML (`&#65;`), of JSON (`A`) and of URLs (`%41`) undone one layer at a time, and
//! the way back from what was changed then to the text as it was written.
//!
//! Rule: what does not change keeps its bytes. What does is a letter or a digit, which needs no escape anywhere.

use std::ops::Range;

/// Bytes of the longest reference.
const LONGEST_REFERENCE: usize = 12;

/// A place in a text, and what comes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// The text with all edits done.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.at.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for Edit { at, text: new } in edits {
        out.push_str(text.get(done..at.start).unwrap_or_default());
        out.push_str(&new);
        done = at.end.max(done);
    }
    out + text.get(done..).unwrap_or_default()
}

/// What makes another text of a place: character by character, so that what stands between them stays.
pub(super) fn replace(text: &str, at: Range<usize>, new: &str) -> Vec<Edit> {
    let old = text.get(at.clone()).unwrap_or_default();
    let places = old.char_indices().map(|(start, c)| (at.start + start..at.start + start + c.len_utf8(), c));
    if old.chars().count() == new.chars().count() {
        let changed = places.zip(new.chars()).filter(|((_, old), new)| old != new);
        return changed.map(|((at, _), new)| Edit { at, text: new.to_string() }).collect();
    }
    places.enumerate().map(|(n, (at, _))| Edit { at, text: if n == 0 { new } else { "" }.to_owned() }).collect()
}

/// A text made of another one.
pub(super) struct Decoded {
    pub(super) text: String,
    spans: Vec<Span>,
}

/// A piece of the text, and where it comes from.
struct Span {
    at: Range<usize>,
    raw: Range<usize>,
    /// Is it one character that was escaped?
    is_escape: bool,
}

impl Decoded {
    /// Pieces of a text put together.
    pub(super) fn join(raw: &str, pieces: &[Range<usize>]) -> Self {
        let mut decoded = Self { text: String::new(), spans: Vec::new() };
        pieces.iter().for_each(|piece| decoded.push(raw, piece.clone()));
        decoded
    }

    /// A text with its outermost escapes undone; `None` if it has none.
    pub(super) fn of(raw: &str) -> Option<Self> {
        let mut decoded = Self { text: String::new(), spans: Vec::new() };
        let (mut done, mut at) = (0, 0);
        while let Some(start) = raw.get(at..).and_then(|rest| rest.find(['&', '%', '\\'])).map(|found| at + found) {
            match escape(raw.get(start..).unwrap_or_default()) {
                Some((char, length)) => {
                    decoded.push(raw, done..start);
                    let place = decoded.text.len();
                    decoded.text.push(char);
                    let undone = place..decoded.text.len();
                    decoded.spans.push(Span { at: undone, raw: start..start + length, is_escape: true });
                    done = start + length;
                    at = done;
                }
                None => at = start + 1,
            }
        }
        decoded.push(raw, done..raw.len());
        (done > 0).then_some(decoded)
    }

    fn push(&mut self, raw: &str, piece: Range<usize>) {
        let start = self.text.len();
        self.text.push_str(raw.get(piece.clone()).unwrap_or_default());
        self.spans.push(Span { at: start..self.text.len(), raw: piece, is_escape: false });
    }

    /// The same edits in the text that this one was made of.
    pub(super) fn back(&self, edits: Vec<Edit>) -> Vec<Edit> {
        let in_raw = |Edit { at, text }: Edit| {
            let first = self.spans.partition_point(|span| span.at.end <= at.start);
            let touched = self.spans.iter().skip(first).take_while(|span| span.at.start < at.end).collect::<Vec<_>>();
            let mut text = Some(text);
            let edit = |span: &Span| {
                let from = at.start.max(span.at.start) - span.at.start;
                let to = at.end.min(span.at.end) - span.at.start;
                let raw = span.raw.start + from..span.raw.start + to;
                Edit { at: if span.is_escape { span.raw.clone() } else { raw }, text: text.take().unwrap_or_default() }
            };
            touched.into_iter().filter(|span| !span.at.is_empty()).map(edit).collect::<Vec<_>>()
        };
        edits.into_iter().flat_map(in_raw).collect()
    }
}

/// The character that an escape at the beginning of a text stands for, and the bytes that it takes.
fn escape(text: &str) -> Option<(char, usize)> {
    if text.starts_with('%') {
        return percent(text);
    }
    let (code, length) = code_unit(text)?;
    // A character beyond the first 65,536 may be written in two halves.
    if let Some(high) = code.checked_sub(0xD800).filter(|high| *high < 0x400)
        && let Some((low, more)) = text.get(length..).and_then(code_unit)
        && let Some(low) = low.checked_sub(0xDC00).filter(|low| *low < 0x400)
    {
        return Some((char::from_u32(0x1_0000 + (high << 10) + low)?, length + more));
    }
    Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), length))
}

/// A reference of XML or an escape of JSON.
fn code_unit(text: &str) -> Option<(u32, usize)> {
    if let Some(escaped) = text.strip_prefix('\\') {
        let code = match escaped.chars().next()? {
            'u' => return Some((u32::from_str_radix(escaped.get(1..5)?, 16).ok()?, 6)),
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            c @ ('"' | '\\' | '/') => c,
            _ => return None,
        };
        return Some((u32::from(code), 2));
    }
    let name = text.strip_prefix('&')?;
    let end = name.bytes().take(LONGEST_REFERENCE).position(|b| b == b';')?;
    let name = name.get(..end)?;
    let code = match name {
        "amp" => u32::from('&'),
        "lt" => u32::from('<'),
        "gt" => u32::from('>'),
        "quot" => u32::from('"'),
        "apos" => u32::from('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            }
        }
    };
    Some((code, end + 2))
}

/// `%41`, `%C3%A9`; of a byte that is no UTF-8 the character of ISO-8859-1.
fn percent(text: &str) -> Option<(char, usize)> {
    let byte = |at: usize| {
        let digits = text.get(3 * at..3 * at + 3)?.strip_prefix('%')?;
        u8::from_str_radix(digits, 16).ok()
    };
    let first = byte(0)?;
    for length in 1..=4 {
        let Some(bytes) = (0..length).map(byte).collect::<Option<Vec<u8>>>() else { break };
        if let Ok(decoded) = str::from_utf8(&bytes) {
            return Some((decoded.chars().next()?, 3 * length));
        }
    }
    Some((char::from(first), 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_is_undone_and_what_changed_is_put_back() {
        let raw = r"a&#98;&amp;\u0063%64%C3%A9&nbsp;%zz\n%&#xD834;&#xDD1E;\ud834\udd1e%E9";
        let decoded = Decoded::of(raw).unwrap();
        assert_eq!(decoded.text, "ab&cdé&nbsp;%zz\n%𝄞𝄞é");
        assert_eq!(apply(raw, decoded.back(Vec::new())), raw);
        let edits = replace(&decoded.text, 0..4, "ax&y");
        assert_eq!(apply(raw, decoded.back(edits)), raw.replace("&#98;", "x").replace(r"\u0063", "y"));
        let edits = replace(&decoded.text, 0..4, "****");
        assert_eq!(apply(raw, decoded.back(edits)), raw.replace(r"a&#98;&amp;\u0063", "****"));
        let edits = replace(&decoded.text, 0..4, "-");
        assert_eq!(apply(raw, decoded.back(edits)), raw.replace(r"a&#98;&amp;\u0063", "-"));
        assert!(Decoded::of("a & b %zz \\x &#x110000000000;").is_none());
    }

    #[test]
    fn an_edit_leaves_what_stands_between_pieces() {
        let raw = "12<![CDATA[34]]>56";
        let joined = Decoded::join(raw, &[0..2, 11..13, 16..18]);
        assert_eq!(joined.text, "123456");
        let edit = Edit { at: 1..5, text: "x".to_owned() };
        assert_eq!(apply(raw, joined.back(vec![edit])), "1x<![CDATA[]]>6");
    }
}
