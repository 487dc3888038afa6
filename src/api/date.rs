//! Dates of the JSON face: `yyyy-MM-ddTHH:mm:ss` in the configured time zone; input may also carry an offset or `Z`.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;

use super::error::ApiError;

/// The form of a date without an offset.
const FORM: &str = "%Y-%m-%dT%H:%M:%S";

/// The same, digit for digit.
const SHAPE: &str = "0000-00-00T00:00:00";

/// Reads and prints dates in one time zone.
#[derive(Clone, Copy, Debug)]
pub struct Dates(pub Tz);

impl Dates {
    /// Prints a moment.
    pub fn print(&self, moment: DateTime<Utc>) -> String {
        let local = moment.with_timezone(&self.0).naive_local();
        // Debug is the ISO form, written without reading a pattern first.
        format!("{:?}", local.with_nanosecond(0).unwrap_or(local))
    }

    /// Reads a moment. An hour that occurs twice (end of summer time) means its first occurrence.
    ///
    /// # Errors
    /// Not of the form, not a date, or an hour that the time zone skips.
    pub fn parse(&self, place: &str, text: &str) -> Result<DateTime<Utc>, ApiError> {
        // chrono also takes 2014-1-3T9:0:0 and the second 60.
        let has_form = text.is_ascii()
            && text.len() >= 19
            && text
                .bytes()
                .take(19)
                .zip(SHAPE.bytes())
                .all(|(b, s)| if s == b'0' { b.is_ascii_digit() } else { b == s });
        let is_leap = text.get(17..19) == Some("60");
        let in_years = |moment: &DateTime<Utc>| (1970..=9998).contains(&chrono::Datelike::year(moment));
        let moment = match NaiveDateTime::parse_from_str(text, FORM) {
            Ok(local) => match self.0.from_local_datetime(&local) {
                LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment.to_utc()),
                LocalResult::None => None,
            },
            Err(_) if text.as_bytes().get(10) == Some(&b'T') => {
                DateTime::parse_from_rfc3339(text).ok().map(|m| m.to_utc())
            }
            Err(_) => None,
        };
        moment.filter(|m| has_form && !is_leap && in_years(m)).ok_or_else(|| {
            let message = format!(
                "The date must exist and be yyyy-MM-ddTHH:mm:ss (in {}), optionally with an offset or Z.",
                self.0
            );
            ApiError::invalid(place, message)
        })
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
        for bad in [
            "",
            "2014-10-30",
            "2014-13-30T09:00:00",
            "2014-03-30T03:30:00",
            "now",
            "2014-1-3T9:0:0",
            "2014-10-30T09:00:60",
            "+2014-10-30T09:00:00",
            "2014-10-30 09:00:00Z",
            "99999-01-01T00:00:00",
        ] {
            assert!(print(bad).is_err(), "{bad}");
        }
    }
}
