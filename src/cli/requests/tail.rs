//! `requests tail`: prints requests as they are created, and again at each change.

use std::collections::BTreeMap;

use super::list::{COLUMNS, FilterFlags, cells};
use crate::api::Dates;
use crate::cli::output::{LinesFlag, POLL_INTERVAL, Table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::request::State;
use crate::search::{Condition, Standing};
use crate::shutdown::Signals;
use crate::store::{RecordKey, RequestQuery};

/// Most requests that are read at a time, and most that are watched until they end: the newest.
const WATCHED: usize = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  conax-gateway requests tail --jsonl")]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    format: LinesFlag,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let config = args.store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    let mut signals = Signals::listen()?;
    let search = args.filter.search(store.as_ref(), config.server.time_zone).await?;
    let newest = RequestQuery { newest_first: true, limit: 1, ..RequestQuery::default() };
    let mut after = store.list_requests(newest).await?.first().map_or(0, |request| request.number);
    let waiting = RequestQuery {
        search: Condition::State(vec![Standing::Request(State::Pending)]).into(),
        newest_first: true,
        limit: WATCHED as u64,
        ..RequestQuery::default()
    };
    let waiting = store.list_requests(waiting).await?;
    let mut pending: BTreeMap<_, _> = waiting.into_iter().map(|request| (request.number, request.updated_at)).collect();
    let mut table = Table::new(COLUMNS, args.format.format());
    while table.flush() && output::has_reader() {
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = signals.wait() => return Ok(()),
        }
        let mut changed = Vec::new();
        for (number, updated_at) in &pending {
            let request = store.find_request(None, RecordKey::Number(*number)).await?;
            changed.extend(request.filter(|request| request.updated_at != *updated_at));
        }
        // All new requests are watched, since one that the filter rejects now may pass it later.
        let new = search.clone().without_changing_terms();
        let new = RequestQuery { search: new, after, limit: WATCHED as u64, ..RequestQuery::default() };
        changed.extend(store.list_requests(new).await?);
        for request in changed {
            after = after.max(request.number);
            match request.state {
                State::Pending => pending.insert(request.number, request.updated_at),
                State::Completed | State::Rejected => pending.remove(&request.number),
            };
            let (after, before) = (request.number - 1, Some(request.number + 1));
            let of_this_one =
                RequestQuery { search: search.clone(), after, before, limit: 1, ..RequestQuery::default() };
            if store.count_requests(of_this_one).await? > 0 && !table.row(cells(&request, dates)) {
                return Ok(());
            }
        }
        while pending.len() > WATCHED {
            pending.pop_first();
        }
    }
    Ok(())
}
