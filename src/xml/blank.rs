//! Blanks: places of a text that is kept which are filled only when it is sent, such as a password. A blank is an expression
//! between two characters that no XML document can carry, so that nothing a client gives can ever be taken for one.
//!
//! What an expression means is the business of `contract`.

use std::borrow::Cow;

use quick_xml::escape::{escape, unescape};

/// What a blank begins with, and what it ends with.
pub const BLANK: [char; 2] = ['\u{FFFE}', '\u{FFFF}'];

/// Does the text have a blank?
pub fn has_blanks(text: &str) -> bool {
    text.contains(BLANK[0])
}

/// The text with something in place of each blank, as `fill` makes it of the blank's expression; escaped, so that it can stand
/// in an element or in an attribute.
///
/// # Errors
/// The first one of `fill`.
pub fn fill_blanks<E>(text: &str, mut fill: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
    let [open, close] = BLANK;
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (expression, after))) =
        rest.split_once(open).and_then(|(before, blank)| Some((before, blank.split_once(close)?)))
    {
        filled.push_str(before);
        let expression = unescape(expression).unwrap_or(Cow::Borrowed(expression));
        filled.push_str(&escape(fill(&expression)?));
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The text as it is shown: with `mask` in place of each blank.
pub fn mask_blanks(text: &str, mask: &str) -> String {
    let masked: Result<String, std::convert::Infallible> = fill_blanks(text, |_| Ok(mask.to_owned()));
    match masked {
        Ok(masked) => masked,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled_and_escaped() {
        let text = "<a b=\"\u{FFFE}x&apos;y\u{FFFF}\">1\u{FFFE}z\u{FFFF}2\u{FFFF}</a>";
        let filled =
            fill_blanks(
                text,
                |expression| if expression == "z" { Ok("<\"&'>".to_owned()) } else { Err(expression.to_owned()) },
            );
        assert_eq!(filled, Err("x'y".to_owned()));
        assert_eq!(mask_blanks(text, "****"), "<a b=\"****\">1****2\u{FFFF}</a>");
        let filled = fill_blanks("\u{FFFE}z\u{FFFF}", |_| Ok::<_, ()>("<\"&'>".to_owned()));
        assert_eq!(filled.unwrap(), "&lt;&quot;&amp;&apos;&gt;");
    }
}
