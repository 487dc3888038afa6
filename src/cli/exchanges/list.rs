//! `exchanges list | tail`: a line for each exchange and each attempt.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::api::Dates;
use crate::cli::output::{Format, POLL_INTERVAL, Table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output, requests};
use crate::exchange::Summary;
use crate::shutdown::Signals;
use crate::store::{DeviceKind, ExchangeFilter, RequestStore, SentAttempt, Store};
use crate::words::Word as _;

/// Seconds after its end by which an attempt is in the store.
const LAG_S: i64 = 30;
/// Most exchanges that `tail` prints at a time.
const AT_ONCE: u64 = 10_000;
/// Most exchanges of a list, which is sorted in memory.
pub(super) const MOST: u64 = 100_000;
const COLUMNS: [&str; 7] = ["id", "time", "status", "ms", "card", "state", "context"];

/// A line of the list, with the time that lists are sorted by.
struct Line {
    ended_at: DateTime<Utc>,
    cells: [Value; 7],
}

/// Prints the newest lines.
pub(super) async fn list(limit: u64, card: Option<String>, format: Format, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    let card = find_card(store.as_ref(), card).await?;
    let filter = ExchangeFilter { after: 0, limit, newest_first: true, card: card.clone() };
    let passed = store.list_exchanges(filter).await?;
    let sent = store.list_sent_attempts(DateTime::UNIX_EPOCH, card, limit).await?;
    let passed = passed.iter().map(|summary| passed_line(summary, dates));
    let mut lines: Vec<Line> = passed.chain(sent.iter().map(|attempt| sent_line(attempt, dates))).collect();
    lines.sort_by_key(|line| Reverse(line.ended_at));
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    output::table(COLUMNS, format, lines.into_iter().rev().map(|line| line.cells));
    Ok(())
}

/// The CA ID of a card as the store has it.
async fn find_card(store: &dyn Store, given: Option<String>) -> Result<Option<String>, Failed> {
    match given {
        Some(given) => {
            // A card that only clients of their own have named is known all the same.
            for card in [given.clone(), requests::bare(&given)] {
                let filter = ExchangeFilter { limit: 1, card: Some(card.clone()), ..ExchangeFilter::default() };
                if !store.list_exchanges(filter).await?.is_empty() {
                    return Ok(Some(card));
                }
            }
            Ok(Some(requests::find_device(store, DeviceKind::Card, &given).await?))
        }
        None => Ok(None),
    }
}

fn passed_line(summary: &Summary, dates: Dates) -> Line {
    let Summary { id, number: _, at, duration_ms, path, status, error, subject } = summary;
    let state = if error.is_some() { "BROKEN" } else { "PASSED" };
    let operation = subject.operation.as_ref().map(|operation| format!("{operation}, ")).unwrap_or_default();
    let reason = error.as_ref().or(subject.fault.as_ref()).map(|reason| format!(": {reason}")).unwrap_or_default();
    let context = format!("{operation}{path}{reason}");
    Line {
        ended_at: *at + TimeDelta::milliseconds(*duration_ms),
        cells: [
            id.as_str().into(),
            dates.print(*at).into(),
            json!(status),
            (*duration_ms).into(),
            json!(subject.cards),
            state.into(),
            context.into(),
        ],
    }
}

fn sent_line(attempt: &SentAttempt, dates: Dates) -> Line {
    let SentAttempt { id, number, request_type, cards, state, attempt, started_at, duration_ms, http_status, error } =
        attempt;
    let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let context = format!("{request_type}, request {number}{again}{error}");
    Line {
        ended_at: *started_at + TimeDelta::milliseconds(*duration_ms),
        cells: [
            id.as_str().into(),
            dates.print(*started_at).into(),
            json!(http_status),
            (*duration_ms).into(),
            json!(cards),
            state.as_str().into(),
            context.into(),
        ],
    }
}

/// Prints new lines as they come.
pub(super) async fn tail(card: Option<String>, format: Format, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    let card = find_card(store.as_ref(), card).await?;
    let mut signals = Signals::listen()?;
    let newest = ExchangeFilter { after: 0, limit: 1, newest_first: true, card: None };
    let mut after = store.list_exchanges(newest).await?.first().map_or(0, |summary| summary.number);
    let mut seen = HashMap::new();
    new_attempts(store.as_ref(), &mut seen).await?;
    let mut table = Table::new(COLUMNS, format);
    while table.flush() && output::has_reader() {
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = signals.wait() => return Ok(()),
        }
        let filter = ExchangeFilter { after, limit: AT_ONCE, newest_first: false, card: None };
        let passed = store.list_exchanges(filter).await?;
        after = passed.last().map_or(after, |summary| summary.number);
        let sent = new_attempts(store.as_ref(), &mut seen).await?;
        let passed = passed.iter().filter(|_| card.is_none()).map(|summary| passed_line(summary, dates));
        let sent = sent.iter().filter(|sent| card.as_ref().is_none_or(|card| sent.cards.contains(card)));
        let mut lines: Vec<Line> = passed.chain(sent.map(|attempt| sent_line(attempt, dates))).collect();
        lines.sort_by_key(|line| line.ended_at);
        if !lines.into_iter().all(|line| table.row(line.cells)) {
            return Ok(());
        }
    }
    Ok(())
}

/// The attempts that are not in `seen`, which are added to it.
async fn new_attempts(
    store: &dyn RequestStore,
    seen: &mut HashMap<(i64, u32), DateTime<Utc>>,
) -> Result<Vec<SentAttempt>, Failed> {
    let since = Utc::now() - TimeDelta::seconds(LAG_S);
    let mut sent = store.list_sent_attempts(since, None, AT_ONCE).await?;
    sent.retain(|attempt| {
        let ended_at = attempt.started_at + TimeDelta::milliseconds(attempt.duration_ms);
        seen.insert((attempt.number, attempt.attempt), ended_at).is_none()
    });
    seen.retain(|_, ended_at| *ended_at >= since);
    Ok(sent)
}
