//! The operators of a template: each makes one text of another, and does nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDateTime;
use chrono::format::{Item, StrftimeItems};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::template::Maps;

/// Most characters of a padded text.
const MOST_PADDED: usize = 1_000;

/// An operator, with its text in the bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) text: String,
    pub(super) action: Action,
}

/// Makes one text of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// `map:NAME`: the map's text for the value; `*` is every other value.
    Map(Arc<BTreeMap<String, String>>),
    /// `pad:COUNT` or `pad:COUNT:CHARACTER`: zeros, or that character, before the value.
    Pad(usize, char),
    /// `first:COUNT`: so many characters of the value's beginning.
    First(usize),
    /// `last:COUNT`: so many characters of the value's end.
    Last(usize),
    /// `date:FORMAT`: a date and time in the format of strftime.
    Date(String),
    /// `upper`.
    Upper,
    /// `lower`.
    Lower,
    /// `base64`: the value's bytes in Base64.
    Base64,
    /// `digest:ALGORITHM` in Base64, or `digest:ALGORITHM:hex`.
    Digest(Algorithm, bool),
    /// `default:TEXT`: that text in place of a missing value.
    Default(String),
}

/// The algorithm of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
}

impl Operator {
    pub(super) fn parse(piece: &str, maps: &Maps) -> Result<Self, String> {
        Ok(Self { text: piece.to_owned(), action: Action::parse(piece, maps)? })
    }

    pub(super) fn is_default(&self) -> bool {
        matches!(self.action, Action::Default(_))
    }
}

impl Action {
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
            ("base64", "") => Ok(Self::Base64),
            ("digest", argument) => {
                let (algorithm, form) = argument.split_once(':').unwrap_or((argument, ""));
                let algorithm = match algorithm.trim() {
                    "md5" => Algorithm::Md5,
                    "sha1" => Algorithm::Sha1,
                    "sha256" => Algorithm::Sha256,
                    _ => return Err(format!("'{piece}' needs md5, sha1 or sha256")),
                };
                match form {
                    "" => Ok(Self::Digest(algorithm, false)),
                    "hex" => Ok(Self::Digest(algorithm, true)),
                    _ => Err(format!("'{piece}' is in Base64, or in hex: digest:sha1:hex")),
                }
            }
            ("default", text) => Ok(Self::Default(text.to_owned())),
            _ => {
                Err(format!("'{piece}' is none of map, pad, first, last, date, upper, lower, base64, digest, default"))
            }
        }
    }

    /// Applies the operator to a value.
    ///
    /// # Errors
    /// A requirement of the operator that the value does not meet.
    pub(super) fn apply<'v>(&self, value: Option<Cow<'v, str>>) -> Result<Option<Cow<'v, str>>, String> {
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
            Self::Base64 => STANDARD.encode(value.as_bytes()),
            Self::Digest(algorithm, is_hex) => algorithm.digest(&value, *is_hex),
        };
        Ok(Some(Cow::Owned(made)))
    }
}

impl Algorithm {
    fn digest(self, text: &str, is_hex: bool) -> String {
        let digest = match self {
            Self::Md5 => Md5::digest(text.as_bytes()).to_vec(),
            Self::Sha1 => Sha1::digest(text.as_bytes()).to_vec(),
            Self::Sha256 => Sha256::digest(text.as_bytes()).to_vec(),
        };
        match is_hex {
            true => digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            false => STANDARD.encode(digest),
        }
    }
}

/// A date and time in another format.
fn date(text: &str, format: &str) -> Option<String> {
    let moment = NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    let mut made = String::new();
    // `write!` returns an error where `to_string` panics: for a format that needs an offset.
    write!(made, "{}", moment.format(format)).ok()?;
    Some(made)
}
