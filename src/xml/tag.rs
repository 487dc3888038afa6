//! The inside of a start tag or an XML declaration, by the letter of the grammar: quick-xml accepts attributes without white
//! space between them, and any declaration.

use super::chars::is_xml_space;

/// The attributes as written: names, and values without quotes (productions 40, 41 and 25). `text` follows the element's
/// name.
pub(super) fn attributes(text: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let inside = rest.trim_start_matches(is_xml_space);
        if inside.is_empty() {
            return None;
        }
        let is_separate = inside.len() < rest.len();
        // `None` ends the attributes at the first fault.
        rest = "";
        if !is_separate {
            return Some(Err(format!("white space is missing before '{}'", start_of(inside))));
        }
        let read = || {
            let (name, value) = inside.split_once('=')?;
            let value = value.trim_start_matches(is_xml_space);
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = value.get(1..)?.split_once(quote)?;
            Some((name.trim_end_matches(is_xml_space), value, after))
        };
        Some(match read() {
            Some((name, value, after)) => {
                rest = after;
                Ok((name, value))
            }
            None => Err(format!("'{}' is no attribute", start_of(inside))),
        })
    })
}

/// Checks an XML declaration (productions 23 to 26, 32, 80 and 81); `text` follows `<?xml`.
pub(super) fn check_declaration(text: &str) -> Result<(), String> {
    let mut attributes = attributes(text).peekable();
    let is_version = |value: &str| {
        value.strip_prefix("1.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_encoding = |value: &str| {
        value.starts_with(|c: char| c.is_ascii_alphabetic())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    match attributes.next().transpose()? {
        Some(("version", version)) if is_version(version) => {}
        Some(("version", version)) => return Err(format!("XML version '{}' is not 1.0", start_of(version))),
        _ => return Err("the XML declaration does not begin with the version".to_owned()),
    }
    attributes.next_if(|next| matches!(next, Ok(("encoding", value)) if is_encoding(value)));
    attributes.next_if(|next| matches!(next, Ok(("standalone", "yes" | "no"))));
    match attributes.next().transpose()? {
        None => Ok(()),
        Some((name, value)) => Err(format!("{}='{}' in the XML declaration", start_of(name), start_of(value))),
    }
}

/// The part of a text that an error message shows.
fn start_of(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_separate_and_quoted() {
        let read = |text: &'static str| attributes(text).collect::<Result<Vec<_>, _>>();
        let both = Ok(vec![("a", "1"), ("p:b", "'=>")]);
        assert_eq!(read(" a='1' p:b=\"'=>\""), both);
        assert_eq!(read("\n a = '1'\tp:b\r=\n\"'=>\" "), both);
        assert_eq!(read(" "), Ok(vec![]));
        for bad in [" a='1'b='2'", "a='1'", " a", " a=1", " a='1", " a='1' /", " a=", "\u{A0}a='1'"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_declaration_has_its_parts_in_order() {
        for good in
            [" version='1.0'", " version=\"1.1\" encoding='UTF-8' standalone='no' ", "\nversion='1.0' standalone='yes'"]
        {
            assert_eq!(check_declaration(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            " encoding='UTF-8'",
            " version='2.0'",
            " version='1.'",
            " version='1.0'encoding='UTF-8'",
            " version='1.0' encoding='-8'",
            " version='1.0' standalone='maybe'",
            " version='1.0' standalone='no' encoding='UTF-8'",
            " version='1.0' encoding='UTF-8' encoding='UTF-8'",
        ] {
            assert!(check_declaration(bad).is_err(), "{bad}");
        }
    }
}
