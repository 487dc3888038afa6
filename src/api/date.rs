//! Dates of the JSON API: `yyyy-MM-ddTHH:mm:ss` in the configured time zone. Input may also have a fraction of a
//! second, which is dropped, and an offset or `Z`. 24:00:00 is the end of the day (ISO 8601, and xsd:dateTime).

use std::sync::LazyLock;

use chrono::{
    DateTime, Datelike as _, FixedOffset, LocalResult, NaiveDate, TimeDelta, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;
use regex::{Captures, Regex};

use super::error::ApiError;

/// The form of a date; chrono alone would also accept 2014-1-3T9:0:0 and digits of other scripts.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?([Zz]|([+-])([0-9]{2}):([0-9]{2}))?$",
    )
    .expect("the pattern is a regular expression: the tests use it")
});
/// Years that every time zone can show with four digits.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9998;

/// Reads and prints dates in one time zone.
#[derive(Clone, Copy, Debug)]
pub struct Dates(pub Tz);

impl Dates {
    /// Prints a moment.
    pub fn print(&self, moment: DateTime<Utc>) -> String {
        let local = moment.with_timezone(&self.0).naive_local();
        // Debug prints the ISO form faster than a format pattern.
        format!("{:?}", local.with_nanosecond(0).unwrap_or(local))
    }

    /// Reads a moment. An hour that occurs twice (end of summer time) means its first occurrence.
    ///
    /// # Errors
    /// The text does not have this form, is no date, names an hour that the time zone skips, or is out of range.
    pub fn parse(&self, location: &str, text: &str) -> Result<DateTime<Utc>, ApiError> {
        let Some(parts) = FORM.captures(text) else {
            let form =
                "yyyy-MM-ddTHH:mm:ss, optionally with a fraction of a second, and with Z or an offset such as +02:00";
            return Err(ApiError::invalid(location, format!("The date must have the form {form}.")));
        };
        match self.moment(&parts) {
            None => {
                let message = format!("There is no such date and time (without an offset it is in {}).", self.0);
                Err(ApiError::invalid(location, message))
            }
            Some(moment) if !YEARS.contains(&moment.year()) => {
                let message = format!("The date must be from {} to {} (in UTC).", YEARS.start(), YEARS.end());
                Err(ApiError::invalid(location, message))
            }
            Some(moment) => Ok(moment),
        }
    }

    fn moment(&self, parts: &Captures<'_>) -> Option<DateTime<Utc>> {
        let number = |group: usize| parts.get(group)?.as_str().parse::<u32>().ok();
        let date = NaiveDate::from_ymd_opt(i32::try_from(number(1)?).ok()?, number(2)?, number(3)?)?;
        let local = match (number(4)?, number(5)?, number(6)?) {
            (24, 0, 0) => date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::days(1))?,
            (hour, minute, second) => date.and_hms_opt(hour, minute, second)?,
        };
        if parts.get(7).is_none() {
            return match self.0.from_local_datetime(&local) {
                LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment.to_utc()),
                LocalResult::None => None,
            };
        }
        // The offset Z has neither hours nor minutes.
        let (hours, minutes) = (number(9).unwrap_or(0), number(10).unwrap_or(0));
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok().filter(|_| minutes < 60)?;
        let offset = match parts.get(8).map(|sign| sign.as_str()) {
            Some("-") => FixedOffset::west_opt(seconds)?,
            _ => FixedOffset::east_opt(seconds)?,
        };
        offset.from_local_datetime(&local).single().map(|moment| moment.to_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_local_and_absolute_dates() {
        let athens = Dates(chrono_tz::Europe::Athens);
        let print = |text| athens.parse("$", text).map(|m| athens.print(m));
        assert_eq!(print("2014-10-30T09:00:00").unwrap(), "2014-10-30T09:00:00");
        assert_eq!(print("2014-10-30T09:00:00Z").unwrap(), "2014-10-30T11:00:00");
        assert_eq!(print("2014-07-30T09:00:00+01:00").unwrap(), "2014-07-30T11:00:00");
        assert_eq!(print("2014-10-30T09:00:00.1234567").unwrap(), "2014-10-30T09:00:00");
        assert_eq!(print("2014-10-30T09:00:00.5z").unwrap(), "2014-10-30T11:00:00");
        assert_eq!(print("2014-12-31T24:00:00").unwrap(), "2015-01-01T00:00:00");
        assert_eq!(print("2014-10-30T00:15:00-05:45").unwrap(), "2014-10-30T08:00:00");
        for (why, dates) in [
            (
                "must have the form yyyy-MM-ddTHH:mm:ss",
                &[
                    "",
                    "2014-10-30",
                    "now",
                    "2014-1-3T9:0:0",
                    "+2014-10-30T09:00:00",
                    "2014-10-30 09:00:00Z",
                    "99999-01-01T00:00:00",
                    "2014-10-30T09:00:00+0200",
                    "2014-10-30T09:00:00.",
                    " 2014-10-30T09:00:00",
                    "\u{662}\u{660}14-10-30T09:00:00",
                    "2014-10-30T09:00:00\n",
                ][..],
            ),
            (
                "no such date and time (without an offset it is in Europe/Athens)",
                &[
                    "2014-13-30T09:00:00",
                    "2014-03-30T03:30:00",
                    "2014-10-30T09:00:60",
                    "2014-10-30T24:00:01",
                    "2014-02-29T00:00:00Z",
                    "2014-10-30T09:00:00+24:00",
                    "2014-10-30T09:00:00+01:60",
                ],
            ),
            (
                "from 1970 to 9998",
                &[
                    "1969-12-31T23:59:59Z",
                    "1970-01-01T00:00:00",
                    "9999-12-31T00:00:00",
                    "0001-01-01T00:00:00",
                    "9999-12-31T24:00:00",
                ],
            ),
        ] {
            for date in dates {
                let message = print(date).unwrap_err().message;
                assert!(message.contains(why), "{date}: {message}");
            }
        }
    }
}
