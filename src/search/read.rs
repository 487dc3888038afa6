//! Reads a search as a person writes it.
//!
//! Rule: `*` stands for any characters, a comma for "or", a minus before a term for "not", and upper and lower case are
//! the same; a text in quotation marks is text. A word that is not understood is an error, and is never ignored.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::moment::{duration, parse_moment};
use super::{Condition, Patterns, Search, Standing, Term};
use crate::words::{did_you_mean, parse_word, quoted};

/// Characters of a search, and its terms, at most.
const LONGEST: usize = 1000;
const MOST_TERMS: usize = 20;
/// The keys of the language; docs/support.md has their meanings.
const KEYS: [&str; 12] =
    ["type", "card", "stb", "state", "fault", "status", "reference", "number", "note", "dur", "since", "until"];

/// A search that is not understood: why, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SearchFault(pub String);

impl Search {
    /// Reads a search; dates without an offset are in `zone`.
    ///
    /// # Errors
    /// A term that is not understood.
    pub fn parse(text: &str, now: DateTime<Utc>, zone: Tz) -> Result<Self, SearchFault> {
        if text.chars().count() > LONGEST {
            return Err(SearchFault(format!("The search is longer than {LONGEST} characters.")));
        }
        let mut search = Self::default();
        for token in tokens(text)? {
            search.add(token, now, zone)?;
        }
        if search.terms.len() > MOST_TERMS {
            return Err(SearchFault(format!("The search has more than {MOST_TERMS} terms.")));
        }
        Ok(search)
    }

    /// Adds what one key asks for.
    ///
    /// # Errors
    /// The key or its value is not understood.
    pub fn add_term(&mut self, key: &str, value: &str, now: DateTime<Utc>, zone: Tz) -> Result<(), SearchFault> {
        self.add(Token { is_negated: false, key: Some(key.to_owned()), value: value.to_owned() }, now, zone)
    }

    fn add(&mut self, token: Token, now: DateTime<Utc>, zone: Tz) -> Result<(), SearchFault> {
        let Token { is_negated, key, value } = token;
        let value = value.trim();
        if value.is_empty() {
            return match key {
                Some(key) => Err(SearchFault(format!("{} needs a value: {key}:…", quoted(&key)))),
                None => Ok(()),
            };
        }
        let condition = match key.as_deref() {
            None => Condition::Text(Patterns::one(value)),
            Some("type") => Condition::Type(Patterns::parse(value)),
            Some("card") => Condition::Card(Patterns::parse(value)),
            Some("stb") => Condition::Stb(Patterns::parse(value)),
            Some("fault") => Condition::Fault(Patterns::parse(value)),
            Some("status") => Condition::Status(Patterns::parse(value)),
            Some("reference") => Condition::Reference(Patterns::parse(value)),
            Some("note") => Condition::Note(Patterns::one(value)),
            Some("state") => Condition::State(standings(value)?),
            Some("number") => match value.parse() {
                Ok(number) => Condition::Number(number),
                Err(_) => return Err(SearchFault("number must be a whole number.".to_owned())),
            },
            Some("dur") => duration_condition(value)?,
            Some(key @ ("since" | "until")) => {
                let moment = parse_moment(value, now, zone);
                let moment = moment.map_err(|expected| SearchFault(format!("{key} must be {expected}.")))?;
                let bound = if key == "since" { &mut self.since } else { &mut self.until };
                if is_negated {
                    return Err(SearchFault(format!("{key} cannot be negated; there is since and until.")));
                }
                *bound = Some(moment);
                return Ok(());
            }
            Some(key) => {
                let meant = did_you_mean(key, KEYS);
                let keys = KEYS.join(", ");
                let text = "To look for it as text, put it in quotation marks.";
                return Err(SearchFault(format!("There is no key {}; there are {keys}.{meant} {text}", quoted(key))));
            }
        };
        self.terms.push(Term { is_negated, condition });
        Ok(())
    }
}

struct Token {
    is_negated: bool,
    key: Option<String>,
    value: String,
}

/// Splits at blanks outside of quotation marks. A key ends at a colon that is not in them.
fn tokens(text: &str) -> Result<Vec<Token>, SearchFault> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(tokens);
        }
        let is_negated = chars.next_if_eq(&'-').is_some();
        let (mut key, mut value, mut is_quoted, mut was_quoted) = (None, String::new(), false, false);
        while let Some(c) = chars.next_if(|c| is_quoted || !c.is_whitespace()) {
            match c {
                '"' => (is_quoted, was_quoted) = (!is_quoted, true),
                ':' if key.is_none() && !was_quoted && is_key(&value) => key = Some(std::mem::take(&mut value)),
                c => value.push(c),
            }
        }
        if is_quoted {
            return Err(SearchFault("A quotation mark is not closed.".to_owned()));
        }
        let key = key.map(|key: String| key.to_lowercase());
        tokens.push(Token { is_negated, key, value });
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

fn standings(words: &str) -> Result<Vec<Standing>, SearchFault> {
    let read = |word: &str| {
        let expected = |expected| SearchFault(format!("state must be {expected}.").to_lowercase());
        parse_word(word.trim(), Standing::ALL, Standing::as_str).map_err(expected)
    };
    words.split(',').filter(|word| !word.trim().is_empty()).map(read).collect()
}

fn duration_condition(value: &str) -> Result<Condition, SearchFault> {
    let (is_longer, rest) = match value.strip_prefix('<') {
        Some(rest) => (false, rest),
        None => (true, value.strip_prefix('>').unwrap_or(value)),
    };
    let millis = duration(rest.trim_start_matches('=')).map(|duration| duration.num_milliseconds());
    let millis = millis.ok_or_else(|| SearchFault("dur must be a duration such as >500ms, <2s or >1m.".to_owned()))?;
    Ok(Condition::Duration { is_longer, millis })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::State;

    fn now() -> DateTime<Utc> {
        "2026-03-31T12:00:00Z".parse().unwrap()
    }

    fn parse(text: &str) -> Result<Search, SearchFault> {
        Search::parse(text, now(), chrono_tz::Europe::Athens)
    }

    #[test]
    fn every_key_is_read_and_the_rest_is_text() {
        let search =
            parse(r#"type:create_* card:0145*,0146 -STATE:Completed,in_doubt dur:>1.5s "a key: b" 42"#).unwrap();
        let terms = [
            (false, Condition::Type(Patterns::parse("create_*"))),
            (false, Condition::Card(Patterns::parse("0145*,0146"))),
            (true, Condition::State(vec![Standing::Request(State::Completed), Standing::InDoubt])),
            (false, Condition::Duration { is_longer: true, millis: 1500 }),
            (false, Condition::Text(Patterns::one("a key: b"))),
            (false, Condition::Text(Patterns::one("42"))),
        ];
        assert_eq!(search.terms, terms.map(|(is_negated, condition)| Term { is_negated, condition }));
        assert_eq!(parse("  ").unwrap(), Search::default());
        for key in KEYS {
            let value = match key {
                "state" => "pending",
                "dur" | "since" | "until" => "1h",
                _ => "1",
            };
            assert!(parse(&format!("{key}:{value}")).is_ok(), "{key}");
        }
    }

    #[test]
    fn moments_are_times_ago_or_dates_in_the_zone() {
        for (text, expected) in [
            ("2h", "2026-03-31T10:00:00Z"),
            ("1d", "2026-03-30T12:00:00Z"),
            ("2026-03-31", "2026-03-30T21:00:00Z"),
            ("2026-03-31T18:00", "2026-03-31T15:00:00Z"),
            ("2026-03-31T18:00:01Z", "2026-03-31T18:00:01Z"),
        ] {
            let expected = Some(expected.parse().unwrap());
            assert_eq!(parse(&format!("since:{text}")).unwrap().since, expected, "{text}");
            assert_eq!(parse(&format!("until:{text}")).unwrap().until, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, expected) in [
            ("stat:x", "Did you mean state?"),
            ("soap:Envelope", "quotation marks"),
            ("state:done", "one of pending, completed, rejected, in_doubt, needs_operator, passed, broken"),
            ("since:yesterday", "since must be a time ago"),
            ("dur:fast", "dur must be"),
            ("number:x", "number must be"),
            ("card:", "card needs a value"),
            ("\"a", "not closed"),
            ("-since:1h", "cannot be negated"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.0.contains(expected), "{text}: {fault}");
        }
        assert!(parse(&"a ".repeat(21)).is_err() && parse(&"a".repeat(1001)).is_err());
    }
}
