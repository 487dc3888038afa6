//! Templates, the texts of the bindings with values: `GW-{smartcard_ca_id|first:11}`. Braces hold values, joined by `+`: a
//! parameter, `now` or `uuid`, a text in quotes, or a value of sending; operators follow, each of which makes one text of
//! another. `{{` is a brace.
//!
//! A value of sending (known only when a request is sent) leaves a blank ([`crate::xml::BLANK`]) in the rendered text: the
//! expression with all other values in place, which is rendered again at sending.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::operator::Operator;
use crate::request::CONTEXT;
use crate::xml::BLANK;

/// Values of sending: the moment in UTC, a text that is used once, and the session's id.
pub const SENDING: [&str; 3] = ["sent", "nonce", SESSION];
/// The id that a login gave.
pub const SESSION: &str = "session";
/// The beginning of a secret's name.
const SECRET: &str = "secret.";

/// The maps of the bindings, by name.
pub(super) type Maps = BTreeMap<String, Arc<BTreeMap<String, String>>>;

/// A text with values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The text in the bindings.
    text: String,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Value(Expression),
}

/// The inside of braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) terms: Vec<Term>,
    pub(super) operators: Vec<Operator>,
}

/// A value's name, or a text in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Name(String),
    Text(String),
}

/// The name of a secret, if a value is a secret.
pub fn secret_name(name: &str) -> Option<&str> {
    name.strip_prefix(SECRET)
}

/// Is a value a value of sending?
pub fn is_of_sending(name: &str) -> bool {
    SENDING.contains(&name) || secret_name(name).is_some()
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// The fault of the template, as a sentence.
    pub(super) fn parse(text: &str, maps: &Maps) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find('{') {
            let (before, after) = rest.split_at(at);
            plain.push_str(before);
            let after = after.get(1..).unwrap_or_default();
            if let Some(after) = after.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            let unclosed = || format!("'{text}' has a '{{' without a '}}'");
            let [inside, after] = split_outside_quotes(after, '}').try_into().map_err(|_| unclosed())?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value(Expression::parse(inside, maps)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The template of a blank.
    ///
    /// # Errors
    /// The blank was left by bindings with other maps.
    pub(super) fn of_blank(expression: &str, maps: &Maps) -> Result<Self, String> {
        let parts = vec![Part::Value(Expression::parse(expression, maps)?)];
        Ok(Self { text: expression.to_owned(), parts })
    }

    /// A text without values.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), parts: vec![Part::Text(text.to_owned())] }
    }

    /// The pieces, in the order of the text.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The names of the values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.expressions().flat_map(Expression::names)
    }

    /// The names of the parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| !CONTEXT.contains(name) && !is_of_sending(name))
    }

    /// Is the text different each time?
    pub fn is_volatile(&self) -> bool {
        self.names().any(|name| CONTEXT.contains(&name) || is_of_sending(name))
    }

    /// Has the template a value of sending?
    pub fn has_blank(&self) -> bool {
        self.names().any(is_of_sending)
    }

    /// Is the template the session's id alone?
    pub fn is_session(&self) -> bool {
        self.text == format!("{{{SESSION}}}")
    }

    /// Does the template need a parameter's value?
    pub fn needs_parameter(&self) -> bool {
        self.expressions().any(|expression| {
            let has_default = expression.operators.iter().any(Operator::is_default);
            let has_parameter = expression.names().any(|name| !CONTEXT.contains(&name) && !is_of_sending(name));
            has_parameter && !has_default
        })
    }

    /// Does the template change a value?
    pub(super) fn changes(&self, name: &str) -> bool {
        let is_changed = |expression: &Expression| !expression.operators.is_empty() || expression.terms.len() > 1;
        self.expressions().any(|expression| expression.names().any(|n| n == name) && is_changed(expression))
    }

    /// The text; `None` if a value is missing. A value of sending that `value` does not know leaves a blank.
    ///
    /// # Errors
    /// The value that an operator cannot take, and the operator's requirement.
    pub fn render<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<Option<String>, (String, String)> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value(expression) => match expression.render(&value)? {
                    Some(current) => text.push_str(&current),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(text))
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    fn parse(text: &str, maps: &Maps) -> Result<Self, String> {
        let mut pieces = split_outside_quotes(text, '|').into_iter();
        let terms = pieces.next().unwrap_or_default();
        // Operators have no quoted texts: a default may hold a single quote.
        let operators = pieces.next().unwrap_or_default();
        let operators = operators.split('|').filter(|piece| !piece.is_empty());
        Ok(Self {
            terms: all_outside_quotes(terms, '+').into_iter().map(Term::parse).collect::<Result<_, _>>()?,
            operators: operators.map(|piece| Operator::parse(piece, maps)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| match term {
            Term::Name(name) => Some(name.as_str()),
            Term::Text(_) => None,
        })
    }

    fn render<'v>(&self, value: &impl Fn(&str) -> Option<&'v str>) -> Result<Option<String>, (String, String)> {
        let mut current = Some(String::new());
        let mut blank = Vec::new();
        for term in &self.terms {
            let (text, name) = match term {
                Term::Text(text) => (Some(text.as_str()), None),
                Term::Name(name) => (value(name), Some(name)),
            };
            match (text, name) {
                (Some(text), _) => {
                    blank.push(format!("'{}'", text.replace('\'', "\'\'")));
                    current = current.map(|current| current + text);
                }
                (None, Some(name)) if is_of_sending(name) => {
                    blank.push(name.clone());
                    current = current.map(|current| current + "?");
                }
                (None, _) => current = None,
            }
        }
        let is_blank = self.names().any(|name| is_of_sending(name) && value(name).is_none());
        if is_blank && current.is_some() {
            let [open, close] = BLANK;
            let operators: String = self.operators.iter().map(|operator| format!("|{}", operator.text)).collect();
            return Ok(Some(format!("{open}{}{operators}{close}", blank.join("+"))));
        }
        let name = || self.names().next().unwrap_or_default().to_owned();
        let mut current = current.map(Cow::Owned);
        for operator in &self.operators {
            current = operator.action.apply(current).map_err(|must| (name(), must))?;
        }
        Ok(current.map(Cow::into_owned))
    }
}

impl Term {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.strip_prefix('\'') {
            None => Ok(Self::Name(text.to_owned())),
            Some(rest) => match rest.strip_suffix('\'') {
                Some(inside) => Ok(Self::Text(inside.replace("\'\'", "\'"))),
                None => Err(format!("{text} has no quote at its end")),
            },
        }
    }
}

/// Splits a text at the first separator outside quotes, if there is one.
fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    let found = text.char_indices().find(|(_, c)| {
        is_quoted ^= *c == '\'';
        *c == separator && !is_quoted
    });
    match found {
        Some((at, _)) => {
            vec![text.get(..at).unwrap_or_default(), text.get(at + separator.len_utf8()..).unwrap_or_default()]
        }
        None => vec![text],
    }
}

/// Splits a text at every separator outside quotes.
fn all_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    loop {
        match split_outside_quotes(rest, separator).as_slice() {
            [piece, after] => {
                pieces.push(*piece);
                rest = after;
            }
            _ => {
                pieces.push(rest);
                return pieces;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps() -> Maps {
        let tier = [("REGULAR", "1"), ("EXPRESS", "2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        Maps::from([("tier".to_owned(), Arc::new(BTreeMap::from(tier)))])
    }

    fn rendered(text: &str) -> Result<Option<String>, (String, String)> {
        let value = |name: &str| match name {
            "card" => Some("014502533132"),
            "start" => Some("2026-01-31T09:05:00"),
            "tier" => Some("EXPRESS"),
            _ => None,
        };
        Template::parse(text, &maps()).unwrap().render(value)
    }

    #[test]
    fn each_operator_makes_one_text_of_another() {
        for (text, expected) in [
            ("plain {{x}", "plain {x}"),
            ("GW-{card}", "GW-014502533132"),
            ("{card|first:11}", "01450253313"),
            ("{card|last:3|pad:5}/{card|last:1|pad:3: }", "00132/  2"),
            ("{start|date:%Y-%m-%d}", "2026-01-31"),
            ("{start|date:%Y%m%d%H%M}", "202601310905"),
            ("{tier|map:tier}", "2"),
            ("{tier|lower}{tier|lower|upper}", "expressEXPRESS"),
            ("{none|default:7|pad:2}", "07"),
            ("{card|first:2|base64}", "MDE="),
            ("{card+'|}''+'+tier}", "014502533132|}'+EXPRESS"),
            ("{'abc'|digest:sha1:hex}", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("{'abc'|digest:md5:hex}", "900150983cd24fb0d6963f7d28e17f72"),
            ("{'abc'|digest:sha256}", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ] {
            assert_eq!(rendered(text), Ok(Some(expected.to_owned())), "{text}");
        }
        assert_eq!(rendered("a{none}"), Ok(None));
        assert_eq!(rendered("{card|date:%Y}").unwrap_err().0, "card");
        assert_eq!(rendered("{card|map:tier}").unwrap_err().1, "must be one of EXPRESS, REGULAR");
        assert!(rendered("{start|date:%z}").is_err());
    }

    #[test]
    fn what_is_known_only_at_sending_leaves_a_blank() {
        let blank = rendered("a{nonce+card+'it''s'+secret.salt|digest:sha1}b").unwrap().unwrap();
        assert_eq!(blank, "a\u{FFFE}nonce+'014502533132'+'it''s'+secret.salt|digest:sha1\u{FFFF}b");
        assert_eq!(rendered("{session+none}"), Ok(None));
        assert_eq!(rendered("{session+none|default:x}"), Ok(Some("x".to_owned())));
        let expression = blank.split(['\u{FFFE}', '\u{FFFF}']).nth(1).unwrap();
        let sent = |name: &str| Some(if name == "nonce" { "n" } else { "s" });
        let digest = Template::of_blank(expression, &maps()).unwrap().render(sent);
        assert_eq!(digest, Template::parse("{'n014502533132it''ss'|digest:sha1}", &maps()).unwrap().render(sent));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, why) in [
            ("{card", "has a '{' without a '}'"),
            ("{card|cut:3}", "'cut:3' is none of map, pad"),
            ("{card|first:0}", "'first:0' needs a number"),
            ("{card|pad:3:xy}", "needs one character"),
            ("{card|map:none}", "there is no [maps.none]"),
            ("{card|date:}", "needs a format"),
            ("{card|date:%Q}", "needs a format"),
            ("{card|digest:crc}", "needs md5, sha1 or sha256"),
            ("{card+'x}", "has a '{' without a '}'"),
            ("{'x'y}", "has no quote at its end"),
        ] {
            let error = Template::parse(text, &maps()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let template = Template::parse("{now}{card}", &maps()).unwrap();
        assert!(template.is_volatile() && template.needs_parameter());
        assert!(!Template::parse("{uuid}{card|default:x}", &maps()).unwrap().needs_parameter());
    }
}
