//! A text of the bindings with values in it: `GW-{smartcard_ca_id|first:11}`. What stands in braces is a parameter, `now`
//! or `uuid`, and after it operators that each make one text of another and do nothing else; `{{` is a brace.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::NaiveDateTime;
use chrono::format::{Item, StrftimeItems};

use crate::request::CONTEXT;

/// How far a text is padded, at most.
const MOST_PADDED: usize = 1_000;

/// The maps of the bindings, by name.
pub(super) type Maps = BTreeMap<String, Arc<BTreeMap<String, String>>>;

/// A text with values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// As the bindings write it.
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { name: String, operators: Vec<Operator> },
}

/// Makes one text of another.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    /// `map:NAME`: what the map says of it; `*` is every other text.
    Map(Arc<BTreeMap<String, String>>),
    /// `pad:COUNT` or `pad:COUNT:CHARACTER`: zeros, or that character, before it.
    Pad(usize, char),
    /// `first:COUNT`: so many characters of its beginning.
    First(usize),
    /// `last:COUNT`: so many characters of its end.
    Last(usize),
    /// `date:FORMAT`: a date and time in the format of strftime.
    Date(String),
    /// `upper`.
    Upper,
    /// `lower`.
    Lower,
    /// `default:TEXT`: that text where there is no value.
    Default(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
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
            let (inside, after) = after.split_once('}').ok_or_else(|| format!("'{text}' has a '{{' without a '}}'"))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let mut pieces = inside.split('|');
            let name = pieces.next().unwrap_or_default().trim().to_owned();
            let operators = pieces.map(|piece| Operator::parse(piece, maps)).collect::<Result<_, _>>()?;
            parts.push(Part::Value { name, operators });
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The names of the values in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The parameters in it.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| !CONTEXT.contains(name))
    }

    /// Is it another text each time?
    pub fn is_volatile(&self) -> bool {
        self.names().any(|name| CONTEXT.contains(&name))
    }

    /// Must a parameter have a value for it?
    pub fn needs_parameter(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Value { name, operators } => {
                let has_default = operators.iter().any(|operator| matches!(operator, Operator::Default(_)));
                !CONTEXT.contains(&name.as_str()) && !has_default
            }
            Part::Text(_) => false,
        })
    }

    /// Is a value changed before it is written?
    pub(super) fn changes(&self, name: &str) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Value { name: n, operators } if n == name && !operators.is_empty()))
    }

    /// The texts that a value can be for its first operator to know it; `None` if that takes any.
    pub(super) fn mapped(&self, name: &str) -> Option<Vec<&str>> {
        self.parts.iter().find_map(|part| match part {
            Part::Value { name: n, operators } if n == name => match operators.first() {
                Some(Operator::Map(map)) => Some(map.keys().map(String::as_str).filter(|key| *key != "*").collect()),
                _ => None,
            },
            _ => None,
        })
    }

    /// The text; `None` if a value is missing.
    ///
    /// # Errors
    /// Which value an operator cannot take, and what it must be.
    pub fn render<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<Option<String>, (String, String)> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value { name, operators } => {
                    let mut current = value(name).map(Cow::Borrowed);
                    for operator in operators {
                        current = operator.apply(current).map_err(|must| (name.clone(), must))?;
                    }
                    match current {
                        Some(current) => text.push_str(&current),
                        None => return Ok(None),
                    }
                }
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

impl Operator {
    fn parse(piece: &str, maps: &Maps) -> Result<Self, String> {
        let (name, argument) = piece.split_once(':').unwrap_or((piece, ""));
        let count = |text: &str| match text.trim().parse::<usize>() {
            Ok(count) if (1..=MOST_PADDED).contains(&count) => Ok(count),
            _ => Err(format!("'{piece}' needs a number from 1 to {MOST_PADDED}")),
        };
        match (name.trim(), argument) {
            ("map", map) => match maps.get(map.trim()) {
                Some(map) => Ok(Self::Map(Arc::clone(map))),
                None => Err(format!("there is no [maps.{}]", map.trim())),
            },
            ("pad", argument) => {
                let (length, with) = argument.split_once(':').unwrap_or((argument, "0"));
                let mut with = with.chars();
                match (with.next(), with.next()) {
                    (Some(with), None) => Ok(Self::Pad(count(length)?, with)),
                    _ => Err(format!("'{piece}' needs one character to pad with")),
                }
            }
            ("first", length) => Ok(Self::First(count(length)?)),
            ("last", length) => Ok(Self::Last(count(length)?)),
            ("date", format) if format.is_empty() || StrftimeItems::new(format).any(|item| item == Item::Error) => {
                Err(format!("'{piece}' needs a format such as %Y-%m-%d"))
            }
            ("date", format) => Ok(Self::Date(format.to_owned())),
            ("upper", "") => Ok(Self::Upper),
            ("lower", "") => Ok(Self::Lower),
            ("default", text) => Ok(Self::Default(text.to_owned())),
            _ => Err(format!("'{piece}' is none of map, pad, first, last, date, upper, lower, default")),
        }
    }

    /// What it makes of a value.
    ///
    /// # Errors
    /// What the value must be, for an operator that cannot take it.
    fn apply<'v>(&self, value: Option<Cow<'v, str>>) -> Result<Option<Cow<'v, str>>, String> {
        let Some(value) = value else {
            return Ok(match self {
                Self::Default(text) => Some(Cow::Owned(text.clone())),
                _ => None,
            });
        };
        let made = match self {
            Self::Default(_) => return Ok(Some(value)),
            Self::Map(map) => match map.get(&*value).or_else(|| map.get("*")) {
                Some(mapped) => mapped.clone(),
                None => {
                    let known: Vec<&str> = map.keys().map(String::as_str).collect();
                    return Err(format!("must be one of {}", known.join(", ")));
                }
            },
            Self::Pad(length, with) => {
                let missing = length.saturating_sub(value.chars().count());
                std::iter::repeat_n(*with, missing).chain(value.chars()).collect()
            }
            Self::First(count) => value.chars().take(*count).collect(),
            Self::Last(count) => {
                let before = value.chars().count().saturating_sub(*count);
                value.chars().skip(before).collect()
            }
            Self::Date(format) => date(&value, format).ok_or("must be a date and time that the format can show")?,
            Self::Upper => value.to_uppercase(),
            Self::Lower => value.to_lowercase(),
        };
        Ok(Some(Cow::Owned(made)))
    }
}

/// A date and time in another format.
fn date(text: &str, format: &str) -> Option<String> {
    let moment = NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    let mut made = String::new();
    // What a date without an offset cannot show is an error here, and not a panic.
    write!(made, "{}", moment.format(format)).ok()?;
    Some(made)
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
        ] {
            assert_eq!(rendered(text), Ok(Some(expected.to_owned())), "{text}");
        }
        assert_eq!(rendered("a{none}"), Ok(None));
        assert_eq!(rendered("{card|date:%Y}").unwrap_err().0, "card");
        assert_eq!(rendered("{card|map:tier}").unwrap_err().1, "must be one of EXPRESS, REGULAR");
        assert!(rendered("{start|date:%z}").is_err());
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
        ] {
            let error = Template::parse(text, &maps()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let template = Template::parse("{now}{card}", &maps()).unwrap();
        assert!(template.is_volatile() && template.needs_parameter());
        assert!(!Template::parse("{uuid}{card|default:x}", &maps()).unwrap().needs_parameter());
    }
}
