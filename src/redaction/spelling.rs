//! A character and how it is spelled: raw, as a reference of XML, as an escape of JSON, or percent-encoded. Texts inside
//! texts mix these, and spell the spellings again, so all of them are understood everywhere.

use percent_encoding::percent_decode_str;

/// Bytes of the longest reference.
const LONGEST_REFERENCE: usize = 12;

/// A character and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) char: char,
}

/// The characters of a text.
pub(super) fn units(text: &str) -> impl Iterator<Item = Unit> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..)?;
        let raw = rest.chars().next()?;
        let (mut char, mut length) = match raw {
            '&' => reference(rest),
            '\\' => escape(rest),
            '%' => percent(rest),
            _ => None,
        }
        .unwrap_or((raw, raw.len_utf8()));
        // What opens a spelling may be spelled itself: `&amp;#48;`, `%2530`.
        while length > 1 {
            let after = rest.get(length..).unwrap_or_default();
            let inner = match char {
                '&' => reference_after(after),
                '%' => percent_after(after),
                _ => None,
            };
            let Some((inner, more)) = inner else { break };
            (char, length) = (inner, length + more);
        }
        let unit = Unit { start, end: start + length, char };
        start = unit.end;
        Some(unit)
    })
}

/// The text with other characters; those that stay keep their spelling.
pub(super) fn respell(text: &str, mut replacement: impl FnMut(char) -> char) -> String {
    let mut out = String::with_capacity(text.len());
    for Unit { start, end, char } in units(text) {
        let new = replacement(char);
        let spelling = text.get(start..end).unwrap_or_default();
        if new == char {
            out.push_str(spelling);
        } else {
            out.push_str(&spelled_like(spelling, new));
        }
    }
    out
}

/// A character in the spelling of another one.
fn spelled_like(spelling: &str, new: char) -> String {
    let hex = |width: usize, is_lower: bool, number: u32| {
        if is_lower { format!("{number:0width$x}") } else { format!("{number:0width$X}") }
    };
    let is_lower = |digits: &str| digits.bytes().any(|b| b.is_ascii_lowercase());
    let code = u32::from(new);
    if let Some((opening, digits)) = spelling.split_once('#') {
        let digits = digits.trim_end_matches(';');
        return match digits.strip_prefix('x') {
            Some(digits) => format!("{opening}#x{};", hex(digits.len(), is_lower(digits), code)),
            None => format!("{opening}#{code:0width$};", width = digits.len()),
        };
    }
    if let Some(digits) = spelling.strip_prefix("\\u").filter(|_| code <= 0xFFFF) {
        // Most that write JSON write it so.
        let is_lower = !digits.bytes().any(|b| b.is_ascii_uppercase());
        return format!("\\u{}", hex(digits.len(), is_lower, code));
    }
    if spelling.starts_with('%') {
        // `%41`, `%2541`; only the first of these can be of several bytes.
        let nested = spelling.len().checked_sub(2).and_then(|end| spelling.get(..end)).filter(|s| s.starts_with("%25"));
        let byte = |byte: u8| format!("{}{}", nested.unwrap_or("%"), hex(2, is_lower(spelling), byte.into()));
        return new.encode_utf8(&mut [0; 4]).bytes().map(byte).collect();
    }
    new.to_string()
}

/// `&#65;`, `&#x41;`, `&amp;` and the other four.
fn reference(text: &str) -> Option<(char, usize)> {
    reference_after(text.get(1..)?).map(|(char, length)| (char, 1 + length))
}

/// The same without its `&`.
fn reference_after(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST_REFERENCE).position(|b| b == b';')?;
    let name = text.get(..end)?;
    let char = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            // Half of a surrogate pair is no character, but it is spelled like one.
            char::from_u32(code.ok()?).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    };
    Some((char, end + 1))
}

/// `\u0041`.
fn escape(text: &str) -> Option<(char, usize)> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, 6))
}

/// `41`, after a `%`.
fn percent_after(text: &str) -> Option<(char, usize)> {
    let byte = u8::from_str_radix(text.get(..2)?, 16).ok()?;
    byte.is_ascii().then_some((char::from(byte), 2))
}

/// `%41`, `%C3%A9`.
fn percent(text: &str) -> Option<(char, usize)> {
    let first = u8::from_str_radix(text.get(1..3)?, 16).ok()?;
    let bytes = match first {
        0..=0x7F => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => return None,
    };
    let encoded = text.get(..3 * bytes).filter(|encoded| encoded.bytes().step_by(3).all(|b| b == b'%'))?;
    let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
    let mut chars = decoded.chars();
    chars.next().filter(|_| chars.next().is_none()).map(|char| (char, 3 * bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_kept() {
        let text = "a&#98;&amp;\\u0063%64%C3%A9&nbsp;%zz\\n%";
        assert_eq!(units(text).map(|unit| unit.char).collect::<String>(), "ab&cdé&nbsp;%zz\\n%");
        assert_eq!(respell(text, |c| c), text);
        let nested = "&amp;#98;&amp;amp;#x62;%2562%252562&amp;x%25zz";
        assert_eq!(units(nested).map(|unit| unit.char).collect::<String>(), "bbbb&x%zz");
        let other = "&amp;#106;&amp;amp;#x6A;%256A%25256A&amp;x%25zz";
        assert_eq!(respell(nested, |c| if c == 'b' { 'j' } else { c }), other);
        let other = "&#106;&#x06a;%C3%BC%C3%BC\\u006aj";
        let same = respell("&#098;&#x062;%64%C3%A9\\u0062b", |c| if c == 'b' { 'j' } else { 'ü' });
        assert_eq!(same, other.replace("x06a", "x06A"));
    }
}
