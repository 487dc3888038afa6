//! `requests list`: requests newest first, with the reason in words.

use chrono::Utc;
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::device::find_device;
use crate::api::Dates;
use crate::cli::output::{FormatFlags, Table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::request::{ProvisioningRequest, RequestType, SERVICE_ID, State};
use crate::search::parse_moment;
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
    /// The filter for the store, with CA IDs as the store has them.
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
    let since = args.since.map(|since| parse_moment(&since, Utc::now(), config.server.time_zone)).transpose();
    let since = since.map_err(|expected| Failed(format!("--since must be {expected}")))?;
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
