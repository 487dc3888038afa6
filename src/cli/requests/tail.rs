//! `requests tail`: prints requests as they are created, and again at each change.

use std::collections::BTreeMap;

use super::list::{COLUMNS, FilterFlags, cells};
use crate::api::Dates;
use crate::cli::output::{LinesFlag, POLL_INTERVAL, Table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::request::State;
use crate::shutdown::Signals;
use crate::store::{Filter, RecordKey};

/// Most requests that are read at a time, and most that are watched until they end: the newest.
const WATCHED: usize = 1000;

#[derive(Debug, clap::Args)]
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
    let store = open_existing(&config)?;
    let mut signals = Signals::listen()?;
    let filter = args.filter.filter(store.as_ref()).await?;
    let newest = Filter { newest_first: true, limit: 1, ..Filter::default() };
    let mut after = store.list_requests(newest).await?.first().map_or(0, |request| request.number);
    let waiting =
        Filter { state: Some(State::Pending), newest_first: true, limit: WATCHED as u64, ..Filter::default() };
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
        let new = Filter {
            after,
            limit: WATCHED as u64,
            state: None,
            failure: None,
            needs_operator: false,
            ..filter.clone()
        };
        changed.extend(store.list_requests(new).await?);
        for request in changed {
            after = after.max(request.number);
            match request.state {
                State::Pending => pending.insert(request.number, request.updated_at),
                State::Completed | State::Rejected => pending.remove(&request.number),
            };
            let of_this_one =
                Filter { after: request.number - 1, before: Some(request.number + 1), limit: 1, ..filter.clone() };
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
