//! Durations of XML Schema (part 2, 3.2.6): their lexical form, and their order, which is partial: a month is longer than 27
//! days, and neither longer nor shorter than 30.

use std::cmp::Ordering;
use std::sync::LazyLock;

use chrono::{Months, NaiveDate, NaiveDateTime, TimeDelta};
use regex::{Captures, Regex};

/// The moments that durations are added to for a comparison (part 2, 3.2.6.2): year and month.
const REFERENCES: [(i32, u32); 4] = [(1696, 9), (1697, 2), (1903, 3), (1903, 7)];

static FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?<sign>-)?P((?<years>[0-9]+)Y)?((?<months>[0-9]+)M)?((?<days>[0-9]+)D)?(T((?<hours>[0-9]+)H)?((?<minutes>[0-9]+)M)?((?<seconds>[0-9]+)(\.(?<fraction>[0-9]+))?S)?)?$",
    )
    .expect("a valid expression")
});

/// Is a text a duration?
pub(super) fn is_duration(text: &str) -> bool {
    FORM.is_match(text) && !text.ends_with(['P', 'T'])
}

/// The order of two durations; `None` if that depends on the month, or if a duration is beyond all calendars.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Duration::parse(a)?, Duration::parse(b)?);
    let mut orders = REFERENCES.iter().map(|(year, month)| {
        let from = NaiveDate::from_ymd_opt(*year, *month, 1)?.and_hms_opt(0, 0, 0)?;
        Some(a.after(from)?.cmp(&b.after(from)?))
    });
    let first = orders.next()??;
    orders.all(|order| order == Some(first)).then_some(first)
}

struct Duration {
    is_negative: bool,
    months: u32,
    time: TimeDelta,
}

impl Duration {
    fn parse(text: &str) -> Option<Self> {
        let found = FORM.captures(text).filter(|_| is_duration(text))?;
        let months = number(&found, "years")?.checked_mul(12)?.checked_add(number(&found, "months")?)?;
        let hours = number(&found, "days")?.checked_mul(24)?.checked_add(number(&found, "hours")?)?;
        let minutes = hours.checked_mul(60)?.checked_add(number(&found, "minutes")?)?;
        let seconds = minutes.checked_mul(60)?.checked_add(number(&found, "seconds")?)?;
        // A nanosecond is the least that is told apart.
        let nanos: String =
            found.name("fraction").map_or("", |f| f.as_str()).chars().chain("0".repeat(9).chars()).take(9).collect();
        let time = TimeDelta::new(seconds, nanos.parse().ok()?)?;
        Some(Self { is_negative: found.name("sign").is_some(), months: u32::try_from(months).ok()?, time })
    }

    fn after(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        match self.is_negative {
            false => from.checked_add_months(Months::new(self.months))?.checked_add_signed(self.time),
            true => from.checked_sub_months(Months::new(self.months))?.checked_sub_signed(self.time),
        }
    }
}

/// The number before a letter; 0 without that letter.
fn number(found: &Captures<'_>, name: &str) -> Option<i64> {
    found.name(name).map_or(Some(0), |digits| digits.as_str().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_partial_order() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, order) in [
            ("P1D", "PT24H", Some(Equal)),
            ("P1Y", "P12M", Some(Equal)),
            ("PT0.5S", "PT0.25S", Some(Greater)),
            ("-P2D", "P1D", Some(Less)),
            ("P1M", "P27D", Some(Greater)),
            ("P1M", "P30D", None),
            ("P1Y", "P365D", None),
            // The bounds of .NET's TimeSpan.
            ("PT1H", "-P10675199DT2H48M5.4775808S", Some(Greater)),
            ("PT1H", "P10675199DT2H48M5.4775807S", Some(Less)),
            ("P999999999999999999Y", "P1D", None),
            ("P", "P1D", None),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
        }
        assert!(is_duration("-P1Y2M3DT4H5M6.7S") && !is_duration("P1DT") && !is_duration("P1H"));
    }
}
