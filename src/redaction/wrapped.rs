//! Texts inside base64 and hexadecimal: what looks like either is undone, rewritten, and done again if anything changed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;

/// Characters of the shortest run that is looked into.
const SHORTEST: usize = 8;

/// Bytes of a text that is none by chance.
const TEXT: usize = 12;

/// How a run is written.
#[derive(Clone, Copy)]
enum Wrapping {
    Base64 { is_url: bool, is_padded: bool },
    Hex { is_upper: bool },
}

/// What bytes are as text.
#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    Utf16 {
        is_big: bool,
    },
    /// Bytes of any kind, one character each: digits and letters stay in their range.
    Bytes,
}

/// How the texts are rewritten.
pub(super) struct Rewrite<'r> {
    /// One that stands as it is.
    pub(super) plain: &'r dyn Fn(&str) -> String,
    /// One that was wrapped.
    pub(super) wrapped: &'r dyn Fn(&str) -> String,
}

impl Rewrite<'_> {
    /// Rewrites the text, and whatever is wrapped in it.
    pub(super) fn text(&self, text: &str) -> String {
        // Bytes in hexadecimal, each by itself: `30:31:32`.
        static SPACED: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\b(?:[0-9A-Fa-f]{2}:){3,}[0-9A-Fa-f]{2}\b|\b(?:[0-9A-Fa-f]{2} ){3,}[0-9A-Fa-f]{2}\b")
                .expect("a valid expression")
        });
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for found in SPACED.find_iter(text) {
            let digits: String = found.as_str().chars().filter(char::is_ascii_hexdigit).collect();
            let Unwrapped::Changed(rewritten) = self.unwrapped(&digits) else { continue };
            let separator = found.as_str().get(2..3).unwrap_or_default();
            out.push_str(&self.runs(text.get(done..found.start()).unwrap_or_default()));
            let pairs: Vec<&str> = (0..rewritten.len()).step_by(2).filter_map(|at| rewritten.get(at..at + 2)).collect();
            out.push_str(&pairs.join(separator));
            done = found.end();
        }
        out + &self.runs(text.get(done..).unwrap_or_default())
    }

    fn runs(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        // What is not wrapped is rewritten in one piece: a value may stand on both sides of what only looked wrapped.
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(is_wrapping_char) {
            let (before, run) = rest.split_at(start);
            plain.push_str(before);
            let end = run_end(run);
            // Padding ends it.
            let padded = run.get(end..).unwrap_or_default();
            let end = end + padded.chars().take(2).take_while(|c| *c == '=').count();
            let (run, after) = run.split_at(end);
            self.push_run(run, &mut plain, &mut out);
            rest = after;
        }
        plain.push_str(rest);
        out.push_str(&(self.plain)(&plain));
        out
    }

    /// A run that is not wrapped as a whole may have something wrapped in it: a line, or a part of a path.
    fn push_run(&self, run: &str, plain: &mut String, out: &mut String) {
        match self.unwrapped(run) {
            Unwrapped::Changed(rewritten) => {
                out.push_str(&(self.plain)(plain));
                plain.clear();
                return out.push_str(&rewritten);
            }
            // It was looked into as a whole: a part of it would be taken for what it is not.
            Unwrapped::Same => return plain.push_str(run),
            Unwrapped::Not => {}
        }
        if let Some((opening, digits)) = run.split_at_checked(2).filter(|(opening, _)| matches!(*opening, "0x" | "0X"))
        {
            plain.push_str(opening);
            return self.push_run(digits, plain, out);
        }
        let ends: [fn(char) -> bool; 2] = [is_line_end, |c| matches!(c, '+' | '/' | '-' | '_')];
        match ends.into_iter().find(|is_end| run.contains(*is_end)) {
            Some(is_end) => run.split_inclusive(is_end).for_each(|piece| {
                let (piece, end) = piece.split_at(piece.trim_end_matches(is_end).len());
                self.push_run(piece, plain, out);
                plain.push_str(end);
            }),
            None => plain.push_str(run),
        }
    }

    /// The run with everything in it rewritten.
    fn unwrapped(&self, run: &str) -> Unwrapped {
        let compact: String = run.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let mut result = Unwrapped::Not;
        for (wrapping, bytes) in [hex(&compact), base64(&compact)].into_iter().flatten() {
            let charset = Charset::of(&bytes);
            let Some(inner) = charset.read(&bytes) else { continue };
            let rewritten = match charset {
                // Most of what only looks wrapped ends here; a document is none of it.
                Charset::Bytes => (self.plain)(&inner),
                Charset::Utf8 | Charset::Utf16 { .. } => (self.wrapped)(&inner),
            };
            if rewritten == inner {
                let is_text = !matches!(charset, Charset::Bytes) && !inner.chars().any(char::is_control);
                if is_text && inner.len() >= TEXT {
                    result = Unwrapped::Same;
                }
                continue;
            }
            let Some(bytes) = charset.write(&rewritten) else { continue };
            let written = wrapping.write(&bytes);
            // Line ends stay where they were.
            let mut written = written.chars();
            let line_end = |c: char| c.is_ascii_whitespace().then_some(c);
            let mut out: String = run.chars().filter_map(|c| line_end(c).or_else(|| written.next())).collect();
            out.extend(written);
            return Unwrapped::Changed(out);
        }
        result
    }
}

/// What became of what looked wrapped.
enum Unwrapped {
    /// Something in it was replaced.
    Changed(String),
    /// It is a text, and nothing in it was.
    Same,
    /// It only looked so.
    Not,
}

impl Charset {
    fn of(bytes: &[u8]) -> Self {
        let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
        let is_half = |zeros: usize| zeros * 4 > bytes.len();
        match bytes {
            [0xFF, 0xFE, ..] => Self::Utf16 { is_big: false },
            [0xFE, 0xFF, ..] => Self::Utf16 { is_big: true },
            _ if !bytes.len().is_multiple_of(2) => Self::without_zeros(bytes),
            _ if is_half(zeros(1)) && zeros(0) == 0 => Self::Utf16 { is_big: false },
            _ if is_half(zeros(0)) && zeros(1) == 0 => Self::Utf16 { is_big: true },
            _ => Self::without_zeros(bytes),
        }
    }

    fn without_zeros(bytes: &[u8]) -> Self {
        if std::str::from_utf8(bytes).is_ok() { Self::Utf8 } else { Self::Bytes }
    }

    fn read(self, bytes: &[u8]) -> Option<String> {
        let unit = |is_big: bool, pair: &[u8]| match (is_big, pair) {
            (true, [high, low]) | (false, [low, high]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        match self {
            Self::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Self::Utf16 { is_big } => {
                let units: Vec<u16> = bytes.chunks(2).map(|pair| unit(is_big, pair)).collect();
                bytes.len().is_multiple_of(2).then(|| String::from_utf16(&units).ok()).flatten()
            }
            Self::Bytes => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        }
    }

    fn write(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Utf16 { is_big: true } => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Self::Utf16 { is_big: false } => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Bytes => text.chars().map(|c| u8::try_from(c).ok()).collect(),
        }
    }
}

fn is_wrapping_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

/// Where a run ends: lines of it may be indented.
fn run_end(run: &str) -> usize {
    let mut is_new_line = false;
    let end = run.find(|c: char| {
        is_new_line = is_line_end(c) || (is_new_line && matches!(c, ' ' | '\t'));
        !is_new_line && !is_wrapping_char(c)
    });
    end.unwrap_or(run.len())
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

fn hex(run: &str) -> Option<(Wrapping, Vec<u8>)> {
    let is_hex = run.len() >= SHORTEST && run.len().is_multiple_of(2) && run.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = is_hex.then_some(run)?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    let is_upper = digits.bytes().any(|b| b.is_ascii_uppercase());
    // Of text only: any number could be read as hexadecimal.
    let is_text = |bytes: &Vec<u8>| match Charset::of(bytes) {
        Charset::Utf16 { .. } => bytes.len() >= SHORTEST,
        Charset::Utf8 | Charset::Bytes => {
            bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x80..))
        }
    };
    Some((Wrapping::Hex { is_upper }, bytes.filter(is_text)?))
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
        .with_decode_allow_trailing_bits(true)
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
        // Wrapped once more, at most.
        let once = |text: &str| Rewrite { plain: &other, wrapped: &other }.text(text);
        let all = Rewrite { plain: &other, wrapped: &once };
        let check = |wrapped: &str, expected: &str| assert_eq!(all.text(wrapped), expected, "{wrapped}");
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
        for is_big in [false, true] {
            let wide = |text: &str| Charset::Utf16 { is_big }.write(text).unwrap();
            check(&standard.encode(wide("1212")), &standard.encode(wide("3434")));
            check(&standard.encode(wide("\u{FEFF}pin é 1212")), &standard.encode(wide("\u{FEFF}pin è 3434")));
            let hex = |text: &str| Wrapping::Hex { is_upper: false }.write(&wide(text));
            check(&hex("1212"), &hex("3434"));
        }
        let lines = |text: &str| {
            standard.encode(text).split_at(20).0.to_owned() + "\n\t  " + standard.encode(text).split_at(20).1
        };
        check(&lines("a text of 1212 that has two lines"), &lines("a text of 3434 that has two lines"));
        check("0X7020313231322070", "0X7020333433342070");
        check(&standard.encode("ab<Ca>12</Ca><Pa>1</Pa>"), &standard.encode("ab<Ca>12</Ca><Pa>1</Pa>"));
        check("70:20:31:32:31:32 70 20 31 32 31 32, 10:20:30:40", "70:20:33:34:33:34 70 20 33 34 33 34, 10:20:30:40");
        let lines = standard.encode("a text of 1212 that has two lines");
        let (one, two) = lines.split_at(16);
        let expected = standard.encode("a text of 3434 that has two lines");
        let (first, second) = expected.split_at(16);
        check(&format!("{one}\r\n{two}"), &format!("{first}\r\n{second}"));
    }
}
