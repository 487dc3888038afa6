//! Runs of characters that are no words: base64, whose text is rewritten inside, and opaque runs (hexadecimal, packed or
//! binary data, other charsets, digests, ids), which are replaced whole.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;

use crate::soap::texts;

/// Letters and digits of the shortest run that counts as no word whatever its characters.
const SHORTEST: usize = 12;
/// Digits from which on a number may be a card's: 11, or 12 as printed with the check digit (facts.md 4.2).
const CARD_DIGITS: usize = 11;

/// Separated bytes in hexadecimal (`30:31:32:33`), lines of base64, and any other run that may be base64.
static RUN: LazyLock<Regex> = LazyLock::new(|| {
    let apart = [":", " ", ",", "-"].map(|separator| format!("(?:[0-9A-Fa-f]{{2}}{separator}){{3,}}[0-9A-Fa-f]{{2}}"));
    let lines = r"(?:[A-Za-z0-9+/]{16,}[ \t]*\r?\n[ \t]*)+[A-Za-z0-9+/]+={0,2}";
    Regex::new(&format!(r"\b(?:{})\b|{lines}|[A-Za-z0-9+/_-]{{8,}}={{0,2}}", apart.join("|")))
        .expect("a valid expression")
});

/// The separators that divide a run which is not opaque as a whole: into lines, a path's steps, words.
const DIVISIONS: [fn(char) -> bool; 3] = [char::is_whitespace, |c| c == '/', |c| !c.is_ascii_alphanumeric()];

/// Gives the runs of a text, each before its own parts; the parts of a run that was taken are skipped.
pub(super) fn each_run(text: &str, mut is_wanted: impl FnMut(Range<usize>) -> bool) {
    let mut open: Vec<Range<usize>> = RUN.find_iter(text).map(|found| found.range()).collect();
    while let Some(run) = open.pop() {
        let written = text.get(run.clone()).unwrap_or_default();
        if !is_wanted(run.clone())
            && let Some(division) = DIVISIONS.into_iter().find(|division| written.contains(*division))
        {
            let start = |part: &str| run.start + part.as_ptr().addr() - written.as_ptr().addr();
            open.extend(written.split(division).map(|part| start(part)..start(part) + part.len()));
        }
    }
}

/// The run with its text rewritten, if the run is base64 and the text changes.
pub(super) fn rewrite_base64(run: &str, rewrite: impl FnMut(&str) -> String) -> Option<String> {
    let bytes = decoded(run).filter(|bytes| texts::are_texts(bytes, None))?;
    let rewritten = texts::rewrite(&bytes, None, rewrite);
    if rewritten == bytes {
        return None;
    }
    // Line ends keep their places.
    let written = engine(run).encode(rewritten);
    let mut written = written.chars();
    let line_end = |c: char| c.is_ascii_whitespace().then_some(c);
    let mut out: String = run.chars().filter_map(|c| line_end(c).or_else(|| written.next())).collect();
    out.extend(written);
    Some(out)
}

/// Is a run opaque?
pub(super) fn is_opaque(run: &str) -> bool {
    has_shape(run) || is_wide(run)
}

/// Is a run base64 of a text with more than one byte a character? Such base64 may have no digit.
fn is_wide(run: &str) -> bool {
    let bytes = decoded(run).unwrap_or_default();
    bytes.len() > SHORTEST / 2 && bytes.iter().filter(|byte| **byte == 0).count() * 4 > bytes.len()
}

/// Does a run look like no word?
pub(super) fn has_shape(run: &str) -> bool {
    let known: Vec<char> = run.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_hex = known.iter().all(char::is_ascii_hexdigit);
    let parts = || run.split(|c: char| !c.is_ascii_alphanumeric());
    if is_hex && (parts().count() == 1 || parts().all(|part| part.len() == 2)) {
        let has_digit = known.iter().any(char::is_ascii_digit);
        return (has_digit && known.len() >= SHORTEST)
            || (known.len() == CARD_DIGITS && known.iter().all(char::is_ascii_digit))
            || (known.len() > 7 && known.len().is_multiple_of(2) && (parts().count() > 1 || spells_text(&known)));
    }
    // Words and numbers of a path or a name do not mix letters and digits.
    let is_mixed = |part: &&str| part.contains(|c: char| c.is_ascii_digit()) && part.contains(char::is_alphabetic);
    let mixed: usize = parts().filter(is_mixed).map(str::len).sum();
    known.len() >= SHORTEST && 2 * mixed > known.len()
}

/// Are digits of hexadecimal those of letters and digits?
fn spells_text(digits: &[char]) -> bool {
    digits.chunks(2).all(|pair| {
        let byte = pair.iter().filter_map(|c| c.to_digit(16)).fold(0, |byte, digit| 16 * byte + digit);
        char::from_u32(byte).is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

fn decoded(run: &str) -> Option<Vec<u8>> {
    let compact: String = run.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    engine(run).decode(compact).ok()
}

/// Encodes bytes as the run's own kind of base64.
fn engine(run: &str) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(run.chars().filter(|c| !c.is_ascii_whitespace()).count().is_multiple_of(4))
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(if run.contains(['-', '_']) { &URL_SAFE } else { &STANDARD }, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(run: &str) -> Option<String> {
        rewrite_base64(run, |text| text.replace("1212", "3434").replace('é', "è"))
    }

    #[test]
    fn a_text_in_base64_is_rewritten_there() {
        let (standard, url) = (engine("++++"), engine("-"));
        assert_eq!(rewritten(&standard.encode("pin 1212")), Some(standard.encode("pin 3434")));
        assert_eq!(rewritten(&url.encode("?é~ 1212")), Some(url.encode("?è~ 3434")));
        let lines = |text: &str| {
            standard.encode(text).split_at(20).0.to_owned() + "\n\t  " + standard.encode(text).split_at(20).1
        };
        let text = "a text of 1212 that has two lines";
        assert_eq!(rewritten(&lines(text)), Some(lines(&text.replace("1212", "3434"))));
        let wide = |text: &str| standard.encode(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
        assert_eq!(rewritten(&wide("\u{FEFF}pin é 1212")), Some(wide("\u{FEFF}pin è 3434")));
        for other in [standard.encode("pin 1213"), standard.encode(b"\x01\x021212"), "nothing-is-here".to_owned()] {
            assert_eq!(rewritten(&other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_word_is_opaque() {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        for opaque in [
            &hex("1212"),
            &hex("PIN4"),
            &hex("014502533"),
            "3F0a9b8c7d6e",
            "01450253313",
            "014502533130",
            "550e8400-e29b-41d4-a716-446655440000",
            "H4sIAAAAAAAA/8tIzcnJVyjPL8pJAQCFEUoNCwAAAA==",
            "x31450253aa13c",
            "30:31:32:33",
            "00 1A 2B 3C",
            "MAAxADQANQAwADIANQAzADMAMQAzAA==",
        ] {
            assert!(is_opaque(opaque), "{opaque}");
        }
        for word in [
            "CLIENT_NOT_FOUND",
            "NullPointerException",
            "org/2003/05/soap-envelope",
            "oasis-200401-wss-wssecurity-secext-1",
            "2025-11-25T10",
            "2025-11-25",
            "20251125",
            "00000123",
            "windows-1252",
            "iso-8859-1",
            "deadbeefface",
            "password",
        ] {
            assert!(!is_opaque(word), "{word}");
        }
    }

    #[test]
    fn a_run_that_is_nothing_is_divided() {
        let runs = |text: &str| {
            let mut seen = Vec::new();
            each_run(text, |run| {
                seen.push(text[run.clone()].to_owned());
                text[run].contains(':')
            });
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        let expected = ["12345678", "30:31:32:33", "a", "a/path/with-words", "path", "with", "with-words", "words"];
        assert_eq!(runs("a/path/with-words 30:31:32:33 short 12345678"), expected);
        let block = "QUJDREVGQUJDREVG\r\n QUJD";
        assert!(runs(block).contains(&block.to_owned()));
        assert!(runs("QUJDREVG\nfault: ").iter().all(|run| !run.contains('\n')));
    }
}
