//! Texts as they are written: escapes of XML (`&#65;`), of JSON (`\u0041`) and of URLs (`%41`) undone one layer at a time,
//! and edits of the decoded text carried back into the text as written.
//!
//! Rule: unchanged characters keep their bytes. Changed characters are letters and digits, which need no escape anywhere.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Each alternative is a run of one kind: a character may be written by several escapes.
static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
    let xml = "&(?:#0*(?<decimal>[0-9]{1,7})|#[xX]0*(?<hexadecimal>[0-9A-Fa-f]{1,6})|(?<name>amp|lt|gt|quot|apos));";
    let json = r#"(?<units>(?:\\u[0-9A-Fa-f]{4})+)|\\(?<letter>[nrt"\\/])"#;
    Regex::new(&format!("{xml}|{json}|(?<percent>(?:%[0-9A-Fa-f]{{2}})+)")).expect("a valid expression")
});

/// A range of a text, and its replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// Applies edits to a text.
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

/// The edits that replace a range by another text, character by character; of unequal lengths, all at the first character.
pub(super) fn replace(text: &str, at: &Range<usize>, new: &str) -> Vec<Edit> {
    let old = text.get(at.clone()).unwrap_or_default();
    let places = old.char_indices().map(|(start, c)| (at.start + start..at.start + start + c.len_utf8(), c));
    if old.chars().count() == new.chars().count() {
        let changed = places.zip(new.chars()).filter(|((_, old), new)| old != new);
        return changed.map(|((at, _), new)| Edit { at, text: new.to_string() }).collect();
    }
    places.enumerate().map(|(n, (at, _))| Edit { at, text: if n == 0 { new } else { "" }.to_owned() }).collect()
}

/// A text decoded from another text.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// For each byte, the range of its character in the other text.
    places: Vec<Range<usize>>,
}

impl Decoded {
    /// Joins pieces of a text.
    pub(super) fn join(raw: &str, pieces: &[Range<usize>]) -> Self {
        let mut decoded = Self::default();
        pieces.iter().for_each(|piece| decoded.push_as_written(raw, piece.clone()));
        decoded
    }

    /// A text with its outermost escapes undone; `None` if it has none.
    pub(super) fn unescape(raw: &str) -> Option<Self> {
        let mut decoded = Self::default();
        let mut done = 0;
        for escape in ESCAPE.captures_iter(raw) {
            decoded.push_as_written(raw, done..escape.get_match().start());
            done = escape.get_match().start();
            for (char, length) in characters(&escape) {
                decoded.push(char, done..done + length);
                done += length;
            }
        }
        decoded.push_as_written(raw, done..raw.len());
        (done > 0).then_some(decoded)
    }

    fn push_as_written(&mut self, raw: &str, piece: Range<usize>) {
        let written = raw.get(piece.clone()).unwrap_or_default();
        for (start, c) in written.char_indices() {
            self.push(c, piece.start + start..piece.start + start + c.len_utf8());
        }
    }

    fn push(&mut self, char: char, place: Range<usize>) {
        self.text.push(char);
        self.places.resize(self.text.len(), place);
    }

    /// Translates edits of the decoded text to edits of the text as written.
    pub(super) fn back(&self, edits: Vec<Edit>) -> Vec<Edit> {
        let mut in_raw: Vec<Edit> = Vec::with_capacity(edits.len());
        for Edit { at, mut text } in edits {
            for place in self.places.get(at).unwrap_or_default().chunk_by(PartialEq::eq).filter_map(<[_]>::first) {
                in_raw.push(Edit { at: place.clone(), text: std::mem::take(&mut text) });
            }
        }
        in_raw
    }
}

/// The characters that escapes stand for, each with the bytes that the escape takes. An escape of no character stays a
/// character.
fn characters(escape: &regex::Captures<'_>) -> Vec<(char, usize)> {
    let length = escape.get_match().len();
    let given = |group: &str| escape.name(group).map(|found| found.as_str());
    if let Some(units) = given("units") {
        let units = units.split(r"\u").filter_map(|unit| u16::from_str_radix(unit, 16).ok());
        let chars = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER));
        return chars.map(|char| (char, r"\u0041".len() * char.len_utf16())).collect();
    }
    if let Some(percent) = given("percent") {
        let bytes: Vec<u8> = percent.split('%').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        let chars = |chunk: std::str::Utf8Chunk<'_>| {
            // A byte that is no UTF-8 is read as ISO-8859-1.
            let others = chunk.invalid().iter().map(|byte| (char::from(*byte), 1));
            chunk.valid().chars().map(|char| (char, char.len_utf8())).chain(others).collect::<Vec<_>>()
        };
        return bytes.utf8_chunks().flat_map(chars).map(|(char, bytes)| (char, "%41".len() * bytes)).collect();
    }
    let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let char = match (given("decimal"), given("hexadecimal"), given("name").or(given("letter"))) {
        (Some(digits), ..) => code(digits, 10),
        (_, Some(digits), _) => code(digits, 16),
        (.., Some("amp")) => Some('&'),
        (.., Some("lt")) => Some('<'),
        (.., Some("gt")) => Some('>'),
        (.., Some("quot")) => Some('"'),
        (.., Some("apos")) => Some('\''),
        (.., Some("n")) => Some('\n'),
        (.., Some("r")) => Some('\r'),
        (.., Some("t")) => Some('\t'),
        (.., letter) => letter.and_then(|letter| letter.chars().next()),
    };
    vec![(char.unwrap_or(char::REPLACEMENT_CHARACTER), length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_is_undone_and_what_changed_is_put_back() {
        let raw = r"a&#98;&amp;\u0063%64%C3%A9&nbsp;%zz\n%&#x0001D11E;\ud834\udd1e%E9";
        let decoded = Decoded::unescape(raw).unwrap();
        assert_eq!(decoded.text, "ab&cdé&nbsp;%zz\n%𝄞𝄞é");
        assert_eq!(apply(raw, decoded.back(Vec::new())), raw);
        let edits = replace(&decoded.text, &(0..4), "ax&y");
        assert_eq!(apply(raw, decoded.back(edits)), raw.replace("&#98;", "x").replace(r"\u0063", "y"));
        let edits = replace(&decoded.text, &(0..4), "****");
        assert_eq!(apply(raw, decoded.back(edits)), raw.replace(r"a&#98;&amp;\u0063", "****"));
        let edits = replace(&decoded.text, &(0..4), "-");
        assert_eq!(apply(raw, decoded.back(edits)), raw.replace(r"a&#98;&amp;\u0063", "-"));
        assert!(Decoded::unescape("a & b %zz \\x &#x110000000000;").is_none());
        assert_eq!(Decoded::unescape(r"&#xD834;\ud834%41").unwrap().text, "\u{FFFD}\u{FFFD}A");
    }

    #[test]
    fn an_edit_leaves_what_stands_between_pieces() {
        let raw = "12<![CDATA[34]]>56";
        let joined = Decoded::join(raw, &[0..2, 11..13, 16..18]);
        assert_eq!(joined.text, "123456");
        assert_eq!(apply(raw, joined.back(replace(&joined.text, &(1..5), "x"))), "1x<![CDATA[]]>6");
    }
}
