//! The primitive types of XML Schema: lexical form and order of values.
//!
//! Decimals of any length compare exactly. Dates compare as instants; a date without a time zone counts as UTC.

use std::cmp::Ordering;
use std::sync::LazyLock;

use chrono::NaiveDate;
use regex::Regex;

use super::duration;

/// A primitive type, or a built-in type with a lexical form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    /// Any text.
    Text,
    /// `true`, `false`, `1`, `0`.
    Boolean,
    /// A decimal number.
    Decimal,
    /// A decimal number without a point.
    Integer,
    /// `float`, `double`.
    Float,
    /// A period such as `P1DT12H`.
    Duration,
    /// A date, a time, or a part: the layout in the letters of [`instant`], and a description.
    Moment(&'static str, &'static str),
    /// Bytes, two hexadecimal digits each.
    Hex,
    /// Bytes in Base64.
    Base64,
}

impl Primitive {
    /// Checks the lexical form of a value whose white space is already normalised.
    ///
    /// # Errors
    /// The requirement that the value does not meet, after "must be".
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"^([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([Ee][+-]?[0-9]+)?|-?INF|NaN)$")
                .expect("a valid expression")
        });
        let (holds, must) = match self {
            Self::Text => (true, ""),
            Self::Boolean => (boolean(text).is_some(), "true or false"),
            Self::Decimal => (Decimal::parse(text).is_some(), "a number"),
            Self::Integer => (!text.contains('.') && Decimal::parse(text).is_some(), "a whole number"),
            Self::Float => (FLOAT.is_match(text), "a number"),
            Self::Duration => (duration::is_duration(text), "a duration such as P1DT12H"),
            Self::Moment(layout, example) => {
                return match instant(layout, text) {
                    Some(_) => Ok(()),
                    None => Err(example.to_owned()),
                };
            }
            Self::Hex => (byte_length(self, text).is_some(), "bytes in hexadecimal"),
            Self::Base64 => (byte_length(self, text).is_some(), "bytes in Base64"),
        };
        if holds { Ok(()) } else { Err(must.to_owned()) }
    }

    /// The order of two values; `None` if there is none.
    pub(super) fn compare(self, a: &str, b: &str) -> Option<Ordering> {
        match self {
            Self::Decimal | Self::Integer => Some(Decimal::parse(a)?.cmp(&Decimal::parse(b)?)),
            Self::Float => float(a)?.partial_cmp(&float(b)?),
            Self::Moment(layout, _) => Some(instant(layout, a)?.cmp(&instant(layout, b)?)),
            Self::Duration => duration::compare(a, b),
            _ => None,
        }
    }

    /// Are two texts the same value?
    pub(super) fn is_same(self, a: &str, b: &str) -> bool {
        match self {
            _ if a == b => true,
            Self::Boolean => boolean(a).is_some() && boolean(a) == boolean(b),
            Self::Hex => a.eq_ignore_ascii_case(b),
            _ => self.compare(a, b) == Some(Ordering::Equal),
        }
    }

    /// The length of a value, in the unit of the type's length facets.
    pub(super) fn length(self, text: &str) -> usize {
        byte_length(self, text).unwrap_or_else(|| text.chars().count())
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn float(text: &str) -> Option<f64> {
    text.replace("INF", "inf").parse().ok()
}

/// The number of bytes of a binary value; `None` for any other text.
fn byte_length(primitive: Primitive, text: &str) -> Option<usize> {
    match primitive {
        Primitive::Hex => {
            let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then_some(text.len() / 2)
        }
        Primitive::Base64 => {
            let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
            let padding = digits.iter().rev().take_while(|b| **b == b'=').count();
            let body = digits.get(..digits.len() - padding)?;
            let is_base64 = body.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
            (is_base64 && padding <= 2 && digits.len().is_multiple_of(4)).then(|| body.len() * 3 / 4)
        }
        _ => None,
    }
}

/// A decimal number, without the digits that make no difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal<'t> {
    is_negative: bool,
    whole: &'t str,
    fraction: &'t str,
}

impl<'t> Decimal<'t> {
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if !is_number || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Self { is_negative: text.starts_with('-') && !is_zero, whole, fraction })
    }

    /// Digits in all.
    pub(super) fn total_digits(&self) -> usize {
        let zeros =
            if self.whole.is_empty() { self.fraction.len() - self.fraction.trim_start_matches('0').len() } else { 0 };
        (self.whole.len() + self.fraction.len() - zeros).max(1)
    }

    /// Digits after the point.
    pub(super) fn fraction_digits(&self) -> usize {
        self.fraction.len()
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = self.whole.len().cmp(&other.whole.len());
        let magnitude =
            magnitude.then_with(|| self.whole.cmp(other.whole)).then_with(|| self.fraction.cmp(other.fraction));
        match (self.is_negative, other.is_negative) {
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

/// The instant that a date, a time, or part of one names: seconds since 1970, and the digits of the fraction.
///
/// In a layout `Y`, `M`, `D`, `h`, `m` and `s` are year to seconds, and all else is itself; a time zone may follow.
fn instant<'t>(layout: &str, text: &'t str) -> Option<(i64, &'t str)> {
    let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut fraction) = (2000, 1, 1, 0, 0, 0, "");
    let mut rest = text;
    for field in layout.chars() {
        match field {
            'Y' => {
                let digits = rest.strip_prefix('-').unwrap_or(rest);
                let length = digits.bytes().take_while(u8::is_ascii_digit).count();
                let number = digits.get(..length)?;
                if length < 4 || (length > 4 && number.starts_with('0')) || number == "0000" {
                    return None;
                }
                year = number.parse::<i32>().ok()? * if rest.starts_with('-') { -1 } else { 1 };
                rest = digits.get(length..)?;
            }
            'M' => month = two_digits(&mut rest)?,
            'D' => day = two_digits(&mut rest)?,
            'h' => hour = two_digits(&mut rest)?,
            'm' => minute = two_digits(&mut rest)?,
            's' => {
                second = two_digits(&mut rest)?;
                if let Some(digits) = rest.strip_prefix('.') {
                    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
                    fraction = digits.get(..length).filter(|digits| !digits.is_empty())?.trim_end_matches('0');
                    rest = digits.get(length..)?;
                }
            }
            literal => rest = rest.strip_prefix(literal)?,
        }
    }
    let is_midnight = (hour, minute, second, fraction) == (24, 0, 0, "");
    if (hour > 23 && !is_midnight) || minute > 59 || second > 59 {
        return None;
    }
    let days = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    let time = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some((days + time - zone_offset(rest)?, fraction))
}

fn two_digits(rest: &mut &str) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(2)?;
    *rest = after;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Seconds east of UTC, of nothing, `Z`, or `+hh:mm`.
fn zone_offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let mut rest = zone.strip_prefix(['+', '-'])?;
    let hours = two_digits(&mut rest)?;
    rest = rest.strip_prefix(':')?;
    let minutes = two_digits(&mut rest)?;
    let offset = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    let is_zone = rest.is_empty() && minutes < 60 && offset <= 14 * 3600;
    is_zone.then_some(if zone.starts_with('-') { -offset } else { offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE_TIME: Primitive = Primitive::Moment("Y-M-DTh:m:s", "");
    const MONTH_DAY: Primitive = Primitive::Moment("--M-D", "");

    #[test]
    fn knows_the_lexical_forms() {
        for (primitive, yes, no) in [
            (Primitive::Boolean, "true false 1 0", "TRUE yes"),
            (Primitive::Decimal, "1 -1 +1.5 .5 5. 007", ". + 1e5 1,5 --1"),
            (Primitive::Integer, "1 -1 +1 007", "1.0 1. 0x1"),
            (Primitive::Float, "1 -1.5E-3 INF -INF NaN .5", "inf 1e . +INF"),
            (Primitive::Duration, "P1Y P1DT12H -PT0.5S PT1M P1M", "P PT P1DT 1D P1S PT1D"),
            (Primitive::Hex, "00 aF", "0 0g"),
            (Primitive::Base64, "YQ== YWI= YWJj", "YQ= YQ=== Y$=="),
            (
                DATE_TIME,
                "2026-01-31T09:00:00 2026-01-31T09:00:00.5Z 2026-01-31T24:00:00 -0044-03-15T00:00:00+14:00 \
                 12026-01-01T00:00:00",
                "2026-02-30T09:00:00 2026-01-31 26-01-31T09:00:00 2026-01-31T25:00:00 2026-01-31T09:00:00+15:00 \
                 2026-01-31T24:00:01 2026-01-31T09:00 0000-01-01T00:00:00 2026-01-31T09:00:00. 2026-01-31T09:00:00é",
            ),
            (MONTH_DAY, "--02-29 --12-31Z", "--02-30 -02-29"),
        ] {
            yes.split(' ').for_each(|text| assert!(primitive.check(text).is_ok(), "{primitive:?} takes {text}"));
            no.split_whitespace()
                .for_each(|text| assert!(primitive.check(text).is_err(), "{primitive:?} refuses {text}"));
        }
    }

    #[test]
    fn compares_by_value() {
        use Ordering::{Equal, Greater, Less};
        for (primitive, a, b, order) in [
            (Primitive::Decimal, "10", "9", Greater),
            (Primitive::Decimal, "-10", "-9", Less),
            (Primitive::Decimal, "-0", "0.00", Equal),
            (Primitive::Decimal, "0.10", ".1", Equal),
            (Primitive::Decimal, "99999999999999999999.9", "99999999999999999999.89", Greater),
            (Primitive::Float, "1e3", "1000", Equal),
            (Primitive::Float, "-INF", "0", Less),
            (DATE_TIME, "2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", Equal),
            (DATE_TIME, "2026-01-01T24:00:00", "2026-01-02T00:00:00Z", Equal),
            (DATE_TIME, "2026-01-01T00:00:00.5", "2026-01-01T00:00:00.45", Greater),
        ] {
            assert_eq!(primitive.compare(a, b), Some(order), "{a} {b}");
        }
        assert_eq!(Primitive::Text.compare("a", "b"), None);
        assert!(Primitive::Boolean.is_same("1", "true"));
        let decimal = Decimal::parse("-0012.3400").unwrap();
        assert_eq!((decimal.total_digits(), decimal.fraction_digits()), (4, 2));
        assert_eq!(Decimal::parse("0.001").unwrap().total_digits(), 1);
    }
}
