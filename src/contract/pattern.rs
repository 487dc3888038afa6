//! Patterns of XML Schema (part 2, appendix F) as regular expressions of the `regex` crate.
//!
//! The two differ in special characters (`^` and `$` are none here), in classes (`\i`, `\c`, subtraction), and in that a
//! pattern always matches the whole value. Blocks (`\p{IsGreek}`) beyond the first two are not supported.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// `NameStartChar` of XML, as members of a class.
const NAME_START: &str = concat!(
    r":A-Z_a-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2FF}\x{370}-\x{37D}\x{37F}-\x{1FFF}\x{200C}-\x{200D}",
    r"\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}",
);
/// The further members of `NameChar`.
const NAME_MORE: &str = r"\-.0-9\x{B7}\x{300}-\x{36F}\x{203F}-\x{2040}";

/// Compiles a pattern.
///
/// # Errors
/// The part of the pattern that is wrong or not supported, as a clause.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let mut translation = Translation { rest: pattern.chars().peekable(), out: r"\A(?:".to_owned(), depth: 0 };
    translation.expression()?;
    translation.out.push_str(r")\z");
    Regex::new(&translation.out).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "is too large".to_owned(),
        error => format!("is not supported: {}", error.to_string().lines().last().unwrap_or_default()),
    })
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    depth: usize,
}

impl Translation<'_> {
    fn expression(&mut self) -> Result<(), String> {
        let (mut open, mut repeatable) = (0usize, false);
        while let Some(c) = self.rest.next() {
            let may_repeat = std::mem::replace(&mut repeatable, true);
            match c {
                '(' => {
                    open += 1;
                    repeatable = false;
                    self.out.push_str("(?:");
                }
                ')' => {
                    open = open.checked_sub(1).ok_or("has a ')' without its '('")?;
                    self.out.push(')');
                }
                '|' => {
                    repeatable = false;
                    self.out.push('|');
                }
                '?' | '*' | '+' | '{' if !may_repeat => return Err(format!("has '{c}' after nothing to repeat")),
                '?' | '*' | '+' => {
                    repeatable = false;
                    self.out.push(c);
                }
                '{' => {
                    repeatable = false;
                    self.quantity()?;
                }
                '[' => self.class()?,
                '\\' => match self.escape()? {
                    Escape::Char(c) => self.literal(c),
                    Escape::Class(class) => self.out.push_str(&class),
                },
                '.' => self.out.push_str(r"[^\n\r]"),
                c => self.literal(c),
            }
        }
        if open == 0 { Ok(()) } else { Err("has a '(' without its ')'".to_owned()) }
    }

    /// `n}`, `n,}` or `n,m}`.
    fn quantity(&mut self) -> Result<(), String> {
        let inner = self.until_brace()?;
        let (least, most) = inner.split_once(',').unwrap_or((&inner, &inner));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(least) || !(is_number(most) || most.is_empty()) {
            return Err(format!("has '{{{inner}}}', which is no quantity"));
        }
        self.out.push_str(&format!("{{{inner}}}"));
        Ok(())
    }

    /// The text before the next `}`.
    fn until_brace(&mut self) -> Result<String, String> {
        let mut inner = String::new();
        for c in self.rest.by_ref() {
            if c == '}' {
                return Ok(inner);
            }
            inner.push(c);
        }
        Err("has a '{' without its '}'".to_owned())
    }

    /// A class, its `[` already read: members, then perhaps a subtracted class.
    fn class(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > 16 {
            return Err("nests classes too deeply".to_owned());
        }
        let start = self.out.len();
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        loop {
            let unclosed = || "has a '[' without its ']'".to_owned();
            match self.rest.next().ok_or_else(unclosed)? {
                ']' => break,
                '-' if self.rest.next_if_eq(&'[').is_some() => {
                    self.out.insert(start, '[');
                    self.out.push_str("]--");
                    self.class()?;
                    if self.rest.next() != Some(']') {
                        return Err("goes on after a subtracted class".to_owned());
                    }
                    break;
                }
                '[' => return Err("has '[' inside a class".to_owned()),
                '\\' => match self.escape()? {
                    Escape::Class(class) => self.out.push_str(&class),
                    Escape::Char(c) => self.range_from(c)?,
                },
                c => self.range_from(c)?,
            }
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    /// A member of a class that begins with `c`: that character, or a range.
    fn range_from(&mut self, c: char) -> Result<(), String> {
        self.literal(c);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && !matches!(ahead.next(), None | Some('[' | ']')) {
            self.rest.next();
            self.out.push('-');
            match self.rest.next() {
                Some('\\') => match self.escape()? {
                    Escape::Char(end) => self.literal(end),
                    Escape::Class(_) => return Err("has a range that ends in a class".to_owned()),
                },
                Some(end) => self.literal(end),
                None => {}
            }
        }
        Ok(())
    }

    /// The expression of an escape, whose backslash has been read.
    fn escape(&mut self) -> Result<Escape, String> {
        let c = self.rest.next().ok_or("ends in a backslash")?;
        let class = match c {
            'n' => return Ok(Escape::Char('\n')),
            'r' => return Ok(Escape::Char('\r')),
            't' => return Ok(Escape::Char('\t')),
            'd' => r"\p{Nd}".to_owned(),
            'D' => r"\P{Nd}".to_owned(),
            's' => r"[ \t\n\r]".to_owned(),
            'S' => r"[^ \t\n\r]".to_owned(),
            'w' => r"[^\p{P}\p{Z}\p{C}]".to_owned(),
            'W' => r"[\p{P}\p{Z}\p{C}]".to_owned(),
            'i' => format!("[{NAME_START}]"),
            'I' => format!("[^{NAME_START}]"),
            'c' => format!("[{NAME_START}{NAME_MORE}]"),
            'C' => format!("[^{NAME_START}{NAME_MORE}]"),
            'p' | 'P' => self.property(c == 'P')?,
            c if c.is_ascii_punctuation() => return Ok(Escape::Char(c)),
            c => return Err(format!("has '\\{c}', which is no escape")),
        };
        Ok(Escape::Class(class))
    }

    /// `{Name}` after `\p` or `\P`.
    fn property(&mut self, is_negative: bool) -> Result<String, String> {
        if self.rest.next() != Some('{') {
            return Err("has a property without '{'".to_owned());
        }
        let name = self.until_brace()?;
        let not = if is_negative { "^" } else { "" };
        match name.as_str() {
            "IsBasicLatin" => Ok(format!(r"[{not}\x{{0}}-\x{{7F}}]")),
            "IsLatin-1Supplement" => Ok(format!(r"[{not}\x{{80}}-\x{{FF}}]")),
            _ if name.len() > 2 || !name.starts_with(|c: char| "LMNPZSC".contains(c)) => {
                Err(format!(r"has \p{{{name}}}, which is not supported"))
            }
            _ => Ok(format!(r"[{not}\p{{{name}}}]")),
        }
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }
}

enum Escape {
    Char(char),
    Class(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_what_xml_schema_means() {
        for (pattern, yes, no) in [
            ("[0-9]{1,8}", vec!["1", "12345678"], vec!["", "123456789", "1a", "1\n"]),
            ("a|b", vec!["a", "b"], vec!["ab", "ax"]),
            ("^$", vec!["^$"], vec![""]),
            ("a.c", vec!["abc", "a.c"], vec!["a\nc"]),
            (r"\d+", vec!["12", "٣"], vec!["x"]),
            (r"\i\c*", vec!["a-1", "_x:y", "é"], vec!["1a", "-", ""]),
            (r"[\i-[:]][\c-[:]]*", vec!["a-1"], vec!["a:b", ":"]),
            ("[a-z-[aeiou]]+", vec!["xyz"], vec!["xay", "-"]),
            ("[^a-z-[0-9]]", vec!["A", "é"], vec!["a", "5"]),
            ("[a-]", vec!["a", "-"], vec!["b"]),
            ("[-a&&~~]", vec!["a", "-", "&", "~"], vec!["b"]),
            (r"[\-x\]]+", vec!["-x]"], vec!["\\"]),
            (r"\p{Lu}\P{L}", vec!["A1"], vec!["a1", "AB"]),
            (r"\p{IsBasicLatin}*", vec!["abc", ""], vec!["é"]),
            (r"\s\S\w\W", vec![" xa!"], vec!["\u{A0}xa!"]),
            ("(ab){2}c?", vec!["abab", "ababc"], vec!["ab"]),
            ("(#|//|[<>]|<>)", vec!["#", "//", "<", "<>"], vec!["/"]),
            ("", vec![""], vec!["a"]),
        ] {
            let regex = compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            yes.iter().for_each(|text| assert!(regex.is_match(text), "{pattern} takes {text:?}"));
            no.iter().for_each(|text| assert!(!regex.is_match(text), "{pattern} refuses {text:?}"));
        }
    }

    #[test]
    fn refuses_what_it_cannot_translate() {
        for pattern in [
            "(",
            ")",
            "[",
            "[a",
            "*",
            "a**",
            "a{x}",
            "a{1",
            r"\",
            r"\q",
            r"\p{IsGreek}",
            r"\p{Foo}",
            "[z-a]",
            "(?i)a",
            "[a-[b]c]",
            "[[a]]",
            "a{9}{999999999}",
            r"\p{L",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile(r"((\c{1,999}){1,999}){1,999}").unwrap_err().contains("large"));
    }
}
