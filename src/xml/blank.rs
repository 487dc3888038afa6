//! Blanks: places of a stored text that are filled only when the text is sent, such as a password. A blank is an expression
//! between two characters that no XML document can carry, so that nothing a client gives can ever be taken for a blank.
//!
//! `contract` gives expressions their meaning.

use std::borrow::Cow;

use quick_xml::escape::{escape, unescape};

/// The first and the last character of a blank.
pub const BLANK: [char; 2] = ['\u{FFFE}', '\u{FFFF}'];

/// Does a text have a blank?
pub fn has_blanks(text: &str) -> bool {
    text.contains(BLANK[0])
}

/// Replaces each blank by the text that `fill` makes of the blank's expression, escaped for an element or an attribute.
///
/// # Errors
/// The first error of `fill`.
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

/// Replaces each blank by `mask`, for a text that is shown.
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
