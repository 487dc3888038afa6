//! The overview: figures of a period, and the work that is waiting now.
//!
//! Rule: figures are counted from rows of the list, so that each figure links to its rows. If there are too many rows to
//! count in time, the figures begin later, and say when.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::list::{in_utc, reason_of, take_search, to_data};
use crate::api::{Api, ApiError, Data, Params};
use crate::metrics::Sample;
use crate::processor::Load;
use crate::request::Priority;
use crate::search::Search;
use crate::store::{TrafficCursor, TrafficPage, TrafficQuery, TrafficRow};
use crate::upstream::BreakerState;
use crate::words::Word as _;

/// The period of the figures, unless the search sets another period.
const PERIOD: TimeDelta = TimeDelta::hours(24);
/// The largest number of rows that are counted, and the longest time to find them.
const MOST_ROWS: usize = 50_000;
const TIME: Duration = Duration::from_millis(1500);
/// The number of bars in a plot.
const STEPS: i64 = 48;
/// The largest number of reasons and types in a list.
const MOST_LISTED: usize = 12;
/// The number of characters by which reasons are grouped: the text behind differs each time.
const REASON: usize = 120;

/// A group of rows: the number per state, and the durations.
#[derive(Default)]
struct Tally {
    states: BTreeMap<&'static str, u64>,
    durations: Vec<i64>,
}

impl Tally {
    fn add(&mut self, state: &'static str, duration: Option<i64>) {
        *self.states.entry(state).or_default() += 1;
        self.durations.extend(duration);
    }

    fn count(&self) -> u64 {
        self.states.values().sum()
    }
}

/// Percentiles of durations, in milliseconds.
#[derive(Serialize)]
struct Percentiles {
    count: usize,
    p50: Option<i64>,
    p95: Option<i64>,
    p99: Option<i64>,
    most: Option<i64>,
}

impl Percentiles {
    fn of(mut durations: Vec<i64>) -> Self {
        durations.sort_unstable();
        // Percentiles by the nearest-rank method.
        let at = |percent: usize| durations.get((durations.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self { count: durations.len(), p50: at(50), p95: at(95), p99: at(99), most: durations.last().copied() }
    }
}

/// The figures of the requests since a date, and the work that waits now.
///
/// # Errors
/// A parameter, or the store.
pub async fn overview(api: &Api, mut params: Params, sample: &Sample) -> Result<Data, ApiError> {
    let mut search = take_search(api, &mut params)?;
    params.finish()?;
    let now = api.clock.now();
    let since = search.since.unwrap_or(now - PERIOD).min(now);
    search.since = Some(since);
    let until = search.until.unwrap_or(now).clamp(since, now);
    let page = read_rows(api, search).await?;
    let data = json!({
        "since": in_utc(since), "since_time": api.dates.print(since),
        "until": in_utc(until),
        // Rows before this date were not counted.
        "counted_from": counted_from(&page).map(|moment| api.dates.print(moment)),
        "rows": page.rows.len(),
        "figures": figures(&page.rows, since, until),
        "waiting": waiting(sample),
        "upstreams": upstreams(sample),
    });
    to_data(&data)
}

async fn read_rows(api: &Api, search: Search) -> Result<TrafficPage, ApiError> {
    let query = TrafficQuery { search, before: TrafficCursor::default(), limit: MOST_ROWS, time: TIME };
    Ok(api.store.list_traffic(query).await?)
}

fn counted_from(page: &TrafficPage) -> Option<DateTime<Utc>> {
    page.searched_to.or_else(|| page.rows.last().filter(|_| page.next.is_some()).map(TrafficRow::at))
}

fn figures(rows: &[TrafficRow], since: DateTime<Utc>, until: DateTime<Utc>) -> Value {
    let width = ((until - since).num_milliseconds() / STEPS).max(1);
    let mut steps: Vec<Tally> = (0..STEPS).map(|_| Tally::default()).collect();
    let mut types: BTreeMap<String, Tally> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut durations = Vec::new();
    for row in rows {
        let (operation, state, duration) = match row {
            TrafficRow::Request(request) => {
                let state = if request.in_doubt { "IN_DOUBT" } else { request.state.as_str() };
                (request.request_type.as_str(), state, request.duration_ms)
            }
            TrafficRow::Exchange(exchange) => {
                let operation = exchange.subject.operation.as_deref().unwrap_or(&exchange.path);
                (operation, if exchange.error.is_some() { "BROKEN" } else { "PASSED" }, Some(exchange.duration_ms))
            }
        };
        let step = usize::try_from((row.at() - since).num_milliseconds() / width).unwrap_or_default();
        let last = steps.len().saturating_sub(1);
        if let Some(step) = steps.get_mut(step.min(last)) {
            step.add(state, duration);
        }
        types.entry(operation.to_owned()).or_default().add(state, duration);
        durations.extend(duration);
        if let Some(reason) = reason_of(row) {
            let reason = reason.lines().next().unwrap_or_default().chars().take(REASON).collect();
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count()));
    let steps = steps.into_iter().zip(0..).map(|(step, index)| {
        let from = since + TimeDelta::milliseconds(width * index);
        json!({"from": in_utc(from), "states": step.states, "durations": Percentiles::of(step.durations)})
    });
    json!({
        "step_ms": width,
        "steps": steps.collect::<Vec<_>>(),
        "durations": Percentiles::of(durations),
        "types": types.into_iter().take(MOST_LISTED).map(|(operation, Tally { states, durations })| {
            json!({"operation": operation, "states": states, "durations": Percentiles::of(durations)})
        }).collect::<Vec<_>>(),
        "more_reasons": reasons.len().saturating_sub(MOST_LISTED),
        "reasons": reasons.into_iter().take(MOST_LISTED).map(|(reason, count)| {
            json!({"reason": reason, "count": count})
        }).collect::<Vec<_>>(),
    })
}

fn waiting(sample: &Sample) -> Value {
    let store = sample.store.as_ref().map(|store| {
        let waiting = Priority::VARIANTS.iter().zip(&store.waiting).map(|(priority, measures)| {
            let oldest = measures.oldest_due.map(|at| (sample.now - at).num_seconds().max(0));
            let (due, scheduled) = (measures.due, measures.scheduled);
            json!({"priority": priority.as_str(), "due": due, "scheduled": scheduled, "oldest_due_s": oldest})
        });
        json!({
            "priorities": waiting.collect::<Vec<_>>(),
            "blocked": store.blocked, "resolving": store.resolving, "needs_operator": store.needs_operator,
            "queued_writes": store.queue,
        })
    });
    let sum = |count: fn(&Load) -> usize| sample.providers.iter().map(|state| count(&state.load)).sum::<usize>();
    json!({"store": store, "under_way": sum(|load| load.under_way), "calls_waiting": sum(|load| load.waiting)})
}

fn upstreams(sample: &Sample) -> Value {
    let word = |state: &BreakerState| match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half_open",
    };
    let breakers = sample.providers.iter().flat_map(|state| {
        let provider = &state.provider;
        state
            .breakers
            .iter()
            .map(move |(url, state)| json!({"provider": provider, "base_url": url, "breaker": word(state)}))
    });
    breakers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let all = Percentiles::of((1..=100).rev().collect());
        assert_eq!((all.p50, all.p95, all.p99, all.most), (Some(50), Some(95), Some(99), Some(100)));
        let one = Percentiles::of(vec![7]);
        assert_eq!((one.p50, one.p99, Percentiles::of(Vec::new()).p50), (Some(7), Some(7), None));
    }
}
