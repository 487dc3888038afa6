//! Text for a person's terminal or log: whatever came over the wire or from a file neither steers the terminal nor
//! hides or reorders what stands beside it.
//!
//! Rule: a character that would is written as JSON escapes it. So JSON stays the same JSON.

use std::borrow::Cow;

/// The text with every character escaped that is not shown as itself; line feeds and tabs stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || c == '\t')
}

/// Makes a text printable on a single line, such as in a cell of a table.
pub(crate) fn printable_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_unsafe = |c: char| acts_on_terminal(c) && !stays(c);
    // Plain ASCII, as almost every line of the log is, needs no look at its characters.
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) || !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if is_unsafe(c) => shown.push_str("\\n"),
            '\t' if is_unsafe(c) => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Controls (C0, DEL, C1), line and paragraph separators, the marks, embeddings, overrides and isolates of bidirectional
/// text (Unicode Standard Annex 9), and other characters without a shape of their own. The two joiners, U+200C and U+200D,
/// stay: scripts and emoji need them.
fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_json_stays_the_same() {
        let mut unsafe_ones: Vec<char> = ('\0'..=' ').chain('\u{7F}'..='\u{9F}').filter(|c| *c != ' ').collect();
        unsafe_ones.extend(('\u{202A}'..='\u{202E}').chain('\u{2066}'..='\u{2069}'));
        unsafe_ones.extend(['\u{200E}', '\u{200F}', '\u{61C}', '\u{E0041}']);
        for c in unsafe_ones {
            let shown = printable_line(&format!("a{c}b")).into_owned();
            assert!(shown.bytes().all(|b| (b' '..0x7F).contains(&b)) && shown.len() > 3, "{c:?}: {shown}");
            let json = serde_json::to_string(&format!("a{c}b")).unwrap();
            let read: String = serde_json::from_str(&printable_line(&json)).unwrap();
            assert_eq!(read, format!("a{c}b"));
        }
        let plain = "Ζωή é \u{1F600} \u{200D} \\u001b ;[]";
        assert!(matches!(printable_line(plain), Cow::Borrowed(text) if text == plain));
        assert_eq!(printable("a\n\tb\r\n\u{1b}[2J"), "a\n\tb\\r\n\\u001b[2J");
        assert_eq!(printable_line("a\n\tb"), "a\\n\\tb");
    }
}
