//! `requests list`: requests newest first, with the reason in words.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::device::find_device;
use crate::api::Dates;
use crate::cli::output::{FormatFlags, Table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::request::{ProvisioningRequest, RequestType, SERVICE_ID, State};
use crate::store::{DeviceKind, Filter, RequestStore};
use crate::words::{Word as _, parse_word};

/// Requests that are read at a time.
const PAGE: u64 = 500;
pub(super) const COLUMNS: [&str; 7] = ["number", "time", "type", "card", "service", "state", "reason"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterFlags,
    /// Only requests created since: a date, or a period such as 90m, 2h or 3d.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only requests with a smaller number: the next page.
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    /// Most requests to list.
    #[arg(long, default_value_t = 100)]
    limit: u64,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    store: StoreFlags,
}

/// The flags of the filter.
#[derive(Debug, clap::Args)]
pub(super) struct FilterFlags {
    /// Only requests of this type, such as CREATE_PAIRING.
    #[arg(long = "type", value_name = "TYPE", value_parser = |word: &str| {
        parse_word(word, RequestType::all(), RequestType::as_str).map_err(|expected| format!("must be {expected}"))
    })]
    request_type: Option<RequestType>,
    /// Only requests in this state: PENDING, COMPLETED or REJECTED.
    #[arg(long, value_parser = |word: &str| {
        parse_word(word, State::VARIANTS.iter().copied(), State::as_str).map_err(|expected| format!("must be {expected}"))
    })]
    state: Option<State>,
    /// Only requests for this smartcard; blanks and dashes in the number do not count.
    #[arg(long, value_name = "CA_ID")]
    card: Option<String>,
    /// Only requests for this set-top box.
    #[arg(long, value_name = "CA_ID")]
    stb: Option<String>,
    /// Only requests whose reason contains this text, in codes or words; * stands for any characters.
    #[arg(long, value_name = "TEXT")]
    fault: Option<String>,
    /// Only requests in doubt that wait for an operator's decision.
    #[arg(long)]
    in_doubt: bool,
}

impl FilterFlags {
    /// The filter for the store, with cards and boxes as the store has them.
    pub(super) async fn filter(self, store: &dyn RequestStore) -> Result<Filter, Failed> {
        let mut devices = [(DeviceKind::Card, self.card), (DeviceKind::Stb, self.stb)];
        for (kind, given) in &mut devices {
            if let Some(given) = given {
                *given = find_device(store, *kind, given).await?;
            }
        }
        let [(_, card), (_, stb)] = devices;
        Ok(Filter {
            request_type: self.request_type,
            state: self.state,
            card,
            stb,
            failure: self.fault,
            needs_operator: self.in_doubt,
            ..Filter::default()
        })
    }
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let config = args.store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config)?;
    let since = args.since.map(|since| moment(&since, dates, Utc::now())).transpose()?;
    let filter = args.filter.filter(store.as_ref()).await?;
    let mut filter = Filter { since, before: args.before, newest_first: true, ..filter };
    let mut table = Table::new(COLUMNS, args.format.format());
    let mut left = args.limit;
    let mut has_reader = true;
    while left > 0 && has_reader {
        filter.limit = left.min(PAGE);
        let page = store.list_requests(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.number);
        left -= page.len() as u64;
        has_reader = page.iter().all(|request| table.row(cells(request, dates)));
    }
    table.end();
    if left == 0 && has_reader {
        filter.limit = u64::MAX;
        let more = store.count_requests(filter.clone()).await?;
        if let (true, Some(last)) = (more > 0, filter.before) {
            output::note(&format!("{more} more: --before {last}, or a greater --limit"));
        }
    }
    Ok(())
}

/// The cells of a request, in the order of [`COLUMNS`].
pub(super) fn cells(request: &ProvisioningRequest, dates: Dates) -> [Value; 7] {
    let content = &request.content;
    let service = content.items.iter().find(|item| item.name == SERVICE_ID).and_then(|item| item.value.as_ref());
    [
        request.number.into(),
        dates.print(content.created_at).into(),
        content.request_type.as_str().into(),
        json!(content.cards),
        json!(service),
        request.state.as_str().into(),
        request.failure.as_ref().map_or(Value::Null, |failure| failure.reason().into()),
    ]
}

/// A date as in the API, or a period before now with its unit: s, m, h or d.
fn moment(text: &str, dates: Dates, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failed> {
    let ago = || {
        let (at, unit) = text.char_indices().next_back()?;
        let unit_s: i64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return None,
        };
        let seconds = text.get(..at)?.parse::<u32>().ok().map(i64::from)?.checked_mul(unit_s)?;
        now.checked_sub_signed(chrono::TimeDelta::try_seconds(seconds)?)
    };
    match ago() {
        Some(moment) => Ok(moment),
        None => dates
            .parse("--since", text)
            .map_err(|error| Failed(format!("--since {text}: {} Or how long ago: 90m, 2h, 3d.", error.message))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_date_or_how_long_ago() {
        let dates = Dates(chrono_tz::UTC);
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(10_000);
        let ago = |text| moment(text, dates, now).map(|moment| (now - moment).num_seconds()).ok();
        for (text, seconds) in [("90s", 90), ("2m", 120), ("3h", 10_800), ("1d", 86_400), ("0s", 0)] {
            assert_eq!(ago(text), Some(seconds), "{text}");
        }
        for text in ["", "h", "-1h", "1w", "1.5h", "yesterday", "ä"] {
            assert_eq!(ago(text), None, "{text}");
        }
        assert!(moment("2026-11-25T10:00:00", dates, now).is_ok());
    }
}
