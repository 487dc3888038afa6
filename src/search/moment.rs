//! Moments and periods as a person writes them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// The spelling of a moment.
const SINCE: &str = "a time ago such as 90s, 15m, 2h, 3d, or a date such as 2026-03-31 or 2026-03-31T18:00";

/// `500ms`, `1.5s`, `15m`, `2h`, `3d`.
pub(super) fn duration(text: &str) -> Option<TimeDelta> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (count, unit) = text.split_at_checked(unit)?;
    let millis = match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" | "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let count: f64 = count.parse().ok().filter(|count| (0.0..1e6).contains(count))?;
    #[expect(clippy::cast_possible_truncation, reason = "it is far below what fits")]
    Some(TimeDelta::milliseconds((count * millis).round() as i64))
}

/// A moment that a person writes as a time ago or as a date; dates without an offset are in `zone`.
///
/// # Errors
/// The spelling of a moment, as the end of the sentence "must be …".
pub fn parse_moment(text: &str, now: DateTime<Utc>, zone: Tz) -> Result<DateTime<Utc>, &'static str> {
    moment(text, now, zone).ok_or(SINCE)
}

fn moment(text: &str, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    if let Some(ago) = duration(text) {
        return now.checked_sub_signed(ago);
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    let dated = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    zone.from_local_datetime(&dated.or_else(day)?).earliest().map(|moment| moment.to_utc())
}
