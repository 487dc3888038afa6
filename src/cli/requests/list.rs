//! `requests list`: requests newest first, with the reason in words.

use chrono::Utc;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::device::find_device;
use crate::api::Dates;
use crate::cli::output::{FormatFlags, Table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output, values};
use crate::request::{ProvisioningRequest, RequestType, SERVICE_ID, State};
use crate::search::{Condition, Patterns, Search, SearchFault, Standing, parse_moment};
use crate::store::{DeviceKind, RequestQuery, RequestStore};
use crate::words::Word as _;

/// Requests that are read at a time.
const PAGE: u64 = 500;
pub(super) const COLUMNS: [&str; 7] = ["number", "time", "type", "card", "service", "state", "reason"];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  conax-gateway requests list --state rejected --since 2h\n  conax-gateway requests list --card \"014 5025 3313\" --json"
)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterFlags,
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

/// The flags of the filter, each a term of the inspector's.
#[derive(Debug, clap::Args)]
pub(super) struct FilterFlags {
    /// Only requests of this type.
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, value_parser = values::request_type())]
    request_type: Option<RequestType>,
    /// Only requests in this state.
    #[arg(long, ignore_case = true, value_parser = values::state())]
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
    /// Only requests created since: a date, or a period such as 90m, 2h or 3d.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only requests that a filter of the inspector finds, such as 'type:*pairing -state:completed dur:>500ms'.
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    filter: Option<String>,
}

impl FilterFlags {
    /// The search that the flags ask for, with CA IDs as the store has them.
    pub(super) async fn search(self, store: &dyn RequestStore, zone: Tz) -> Result<Search, Failed> {
        let Self { request_type, state, card, stb, fault, in_doubt, since, filter } = self;
        let now = Utc::now();
        let search = Search::parse(&filter.unwrap_or_default(), now, zone);
        let mut search = search.map_err(|SearchFault(why)| Failed(format!("--filter: {why}")))?;
        if let Some(since) = since {
            let moment = parse_moment(&since, now, zone);
            search.since = Some(moment.map_err(|expected| Failed(format!("--since must be {expected}")))?);
        }
        let request_type = request_type.map(|request_type| Condition::Type(Patterns::literal(request_type.as_str())));
        let state = state.map(|state| Condition::State(vec![Standing::Request(state)]));
        let fault = fault.map(|fault| Condition::Fault(Patterns::one(&fault)));
        let in_doubt = in_doubt.then(|| Condition::State(vec![Standing::NeedsOperator]));
        [request_type, state, fault, in_doubt].into_iter().flatten().for_each(|condition| search.require(condition));
        for (kind, given) in [(DeviceKind::Card, card), (DeviceKind::Stb, stb)] {
            if let Some(given) = given {
                search.require(kind.condition(&find_device(store, kind, &given).await?));
            }
        }
        Ok(search)
    }
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let config = args.store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    let search = args.filter.search(store.as_ref(), config.server.time_zone).await?;
    let mut query = RequestQuery { search, before: args.before, newest_first: true, ..RequestQuery::default() };
    let mut table = Table::new(COLUMNS, args.format.format());
    let mut left = args.limit;
    let mut has_reader = true;
    while left > 0 && has_reader {
        query.limit = left.min(PAGE);
        let page = store.list_requests(query.clone()).await?;
        let Some(last) = page.last() else { break };
        query.before = Some(last.number);
        left -= page.len() as u64;
        has_reader = page.iter().all(|request| table.row(cells(request, dates)));
    }
    table.end();
    if left == 0 && has_reader {
        query.limit = u64::MAX;
        let more = store.count_requests(query.clone()).await?;
        if let (true, Some(last)) = (more > 0, query.before) {
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
