//! The expressions inside the braces of a template: values and quoted texts, joined, and changed by operators.

use std::borrow::Cow;

use super::operator::Operator;
use super::template::{Maps, is_of_sending};
use crate::xml::BLANK;

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

impl Expression {
    /// Reads the inside of braces.
    ///
    /// # Errors
    /// The fault, as a sentence.
    pub(super) fn parse(text: &str, maps: &Maps) -> Result<Self, String> {
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

    /// The names of the values.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| match term {
            Term::Name(name) => Some(name.as_str()),
            Term::Text(_) => None,
        })
    }

    /// The text; `None` if a value is missing. A value of sending that `value` does not know leaves a blank.
    ///
    /// # Errors
    /// The value that an operator cannot take, and the operator's requirement.
    pub(super) fn render<'v>(
        &self,
        value: &impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Option<String>, (String, String)> {
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
pub(super) fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
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
