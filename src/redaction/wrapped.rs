//! Values inside base64 and hexadecimal: what looks like either is undone, searched, and done again if anything was
//! replaced.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Characters of the shortest run that is looked into.
const SHORTEST: usize = 8;
/// Wrappings inside wrappings.
const DEPTH: usize = 3;

/// How a run is written.
#[derive(Clone, Copy)]
enum Wrapping {
    Base64 { is_url: bool, is_padded: bool },
    Hex { is_upper: bool },
}

/// Replaces in the text, and in whatever is wrapped in it.
pub(super) fn replace(text: &str, replacement: &dyn Fn(&str) -> String) -> String {
    replace_to(text, replacement, DEPTH)
}

fn replace_to(text: &str, replacement: &dyn Fn(&str) -> String, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    // What is not wrapped is replaced in one piece, since a value may stand on both sides of what only looked wrapped.
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_wrapping_char) {
        let (before, run) = rest.split_at(start);
        plain.push_str(before);
        let end = run.find(|c: char| !is_wrapping_char(c) && !is_line_end(c)).unwrap_or(run.len());
        // Padding ends it.
        let padded = run.get(end..).unwrap_or_default();
        let end = end + padded.chars().take(2).take_while(|c| *c == '=').count();
        let (run, after) = run.split_at(end);
        push_run(run, replacement, depth, &mut plain, &mut out);
        rest = after;
    }
    plain.push_str(rest);
    out.push_str(&replacement(&plain));
    out
}

/// A run that is not wrapped as a whole may have something wrapped in it: a line, or a part of a path.
fn push_run(run: &str, replacement: &dyn Fn(&str) -> String, depth: usize, plain: &mut String, out: &mut String) {
    if let Some(replaced) = unwrap(run, replacement, depth) {
        out.push_str(&replacement(plain));
        plain.clear();
        return out.push_str(&replaced);
    }
    if let Some(digits) = run.strip_prefix("0x") {
        plain.push_str("0x");
        return push_run(digits, replacement, depth, plain, out);
    }
    let ends: [fn(char) -> bool; 2] = [is_line_end, |c| matches!(c, '+' | '/' | '-' | '_')];
    match ends.into_iter().find(|is_end| run.contains(*is_end)) {
        Some(is_end) => run.split_inclusive(is_end).for_each(|piece| {
            let (piece, end) = piece.split_at(piece.trim_end_matches(is_end).len());
            push_run(piece, replacement, depth, plain, out);
            plain.push_str(end);
        }),
        None => plain.push_str(run),
    }
}

fn is_wrapping_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

/// The run with everything in it replaced; `None` if nothing is wrapped there, or nothing in it was replaced.
fn unwrap(run: &str, replacement: &dyn Fn(&str) -> String, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let compact: String = run.chars().filter(|c| !is_line_end(*c)).collect();
    [hex(&compact), base64(&compact)].into_iter().flatten().find_map(|(wrapping, bytes)| {
        let replaced = match std::str::from_utf8(&bytes) {
            Ok(inner) => {
                let replaced = replace_to(inner, replacement, depth);
                (replaced != inner).then(|| replaced.into_bytes())
            }
            // Bytes of any kind, one character each: digits and letters stay in their range.
            Err(_) => {
                let inner: String = bytes.iter().map(|byte| char::from(*byte)).collect();
                let replaced = replacement(&inner);
                let to_bytes = || replaced.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>().ok();
                (replaced != inner).then(to_bytes).flatten()
            }
        }?;
        let written = wrapping.write(&replaced);
        // Line ends stay where they were.
        let mut written = written.chars();
        let line_end = |c: char| is_line_end(c).then_some(c);
        Some(run.chars().filter_map(|c| line_end(c).or_else(|| written.next())).collect())
    })
}

fn hex(run: &str) -> Option<(Wrapping, Vec<u8>)> {
    let is_hex = run.len() >= SHORTEST && run.len().is_multiple_of(2) && run.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = is_hex.then_some(run)?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    let is_upper = digits.bytes().any(|b| b.is_ascii_uppercase());
    // Of text only: any number could be read as hexadecimal.
    let bytes =
        bytes.filter(|bytes| bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x80..)))?;
    Some((Wrapping::Hex { is_upper }, bytes))
}

fn base64(run: &str) -> Option<(Wrapping, Vec<u8>)> {
    let is_url = run.contains(['-', '_']);
    let is_long = run.len() >= SHORTEST && !(is_url && run.contains(['+', '/']));
    let bytes = engine(is_url, true).decode(is_long.then_some(run)?).ok()?;
    Some((Wrapping::Base64 { is_url, is_padded: run.len().is_multiple_of(4) }, bytes))
}

fn engine(is_url: bool, is_padded: bool) -> GeneralPurpose {
    let alphabet: &Alphabet = if is_url { &URL_SAFE } else { &STANDARD };
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(is_padded)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

impl Wrapping {
    fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 { is_url, is_padded } => engine(is_url, is_padded).encode(bytes),
            Self::Hex { is_upper: true } => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
            Self::Hex { is_upper: false } => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_replaced_there() {
        let other = |text: &str| text.replace("1212", "3434").replace('é', "è");
        let check = |wrapped: &str, expected: &str| assert_eq!(replace(wrapped, &other), expected, "{wrapped}");
        let (standard, url) = (engine(false, true), engine(true, false));
        check(&format!("({})", standard.encode("pin 1212")), &format!("({})", standard.encode("pin 3434")));
        check(&url.encode("?é~ 1212"), &url.encode("?è~ 3434"));
        check(&standard.encode(b"\xFF\x001212\x00"), &standard.encode(b"\xFF\x003434\x00"));
        check(&standard.encode(standard.encode("a:1212")), &standard.encode(standard.encode("a:3434")));
        check("6120313231320a", "6120333433340a");
        check(&format!("?a={}&b", standard.encode("pin 1212")), &format!("?a={}&b", standard.encode("pin 3434")));
        check(&format!("x/{}\npin", standard.encode("p=1212")), &format!("x/{}\npin", standard.encode("p=3434")));
        check(&format!("0x{}", "70203132313220"), "0x70203334333420");
        check("a-1212 b/1212 nothing-is-here 1212", "a-3434 b/3434 nothing-is-here 3434");
        let lines = standard.encode("a text of 1212 that has two lines");
        let (one, two) = lines.split_at(16);
        let expected = standard.encode("a text of 3434 that has two lines");
        let (first, second) = expected.split_at(16);
        check(&format!("{one}\r\n{two}"), &format!("{first}\r\n{second}"));
    }
}
