//! The list: rows of requests and exchanges, newest first, with a search.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::api::{Api, ApiError, Code, Data, Dates, Params};
use crate::exchange::Summary;
use crate::request::RecordId;
use crate::search::{Search, SearchFault, Standing};
use crate::store::{RequestRow, TrafficCursor, TrafficPage, TrafficQuery, TrafficRow};
use crate::words::Word as _;

/// Rows per page without `limit`, and at most.
const PAGE: u64 = 100;
const MOST: u64 = 500;
/// How long a search may take; the page has the rows found by then.
const SEARCH_TIME: Duration = Duration::from_millis(120);
/// The largest number of cards shown in a row.
const CARDS: usize = 3;

/// A page of the list.
#[derive(serde::Serialize)]
struct Page<'p> {
    rows: Vec<ListRow<'p>>,
    /// The value of `before` for the next page.
    next: Option<String>,
    /// Set if the time was over before the page was full: only rows since this date were searched.
    searched_to: Option<String>,
}

/// A row of the list.
#[derive(serde::Serialize)]
pub(super) struct ListRow<'r> {
    /// `request` or `exchange`.
    kind: &'static str,
    pub(super) id: &'r RecordId,
    number: i64,
    /// The date in UTC, with milliseconds.
    at: String,
    /// The date in the time zone of the gateway.
    time: String,
    /// The request type; or the operation of an exchange, or else its path.
    operation: &'r str,
    cards: &'r [String],
    /// The number of further cards.
    more_cards: usize,
    state: &'static str,
    in_doubt: bool,
    http_status: Option<u16>,
    /// The reason of a failure, as Conax or the gateway worded it.
    reason: Option<String>,
    duration_ms: Option<i64>,
    reference: Option<&'r str>,
    attempts: Option<u32>,
}

/// The method of the list.
///
/// # Errors
/// A parameter, or the store.
pub async fn list(api: &Api, mut params: Params) -> Result<Data, ApiError> {
    let query = take_query(api, &mut params)?;
    params.finish()?;
    let page = api.store.list_traffic(query).await?;
    to_data(&Page::new(&page, api.dates))
}

/// Reads the search from the parameters.
pub(super) fn take_search(api: &Api, params: &mut Params) -> Result<Search, ApiError> {
    let (now, Dates(zone)) = (api.clock.now(), api.dates);
    let at = |name: &str| {
        let place = format!("$.{name}");
        move |SearchFault(words)| ApiError::invalid(place, words)
    };
    let text = params.text("q")?.unwrap_or_default();
    let mut search = Search::parse(&text, now, zone).map_err(at("q"))?;
    for name in ["type", "card", "state", "reference", "since", "until"] {
        if let Some(value) = params.text(name)? {
            search.add_term(name, &value, now, zone).map_err(at(name))?;
        }
    }
    Ok(search)
}

/// Reads the query from the parameters.
pub(super) fn take_query(api: &Api, params: &mut Params) -> Result<TrafficQuery, ApiError> {
    let search = take_search(api, params)?;
    let before = match params.text("before")? {
        None => TrafficCursor::default(),
        Some(text) => parse_cursor(&text)
            .ok_or_else(|| ApiError::invalid("$.before", "before must be what another page names as its next one."))?,
    };
    let limit = params.count("limit", MOST)?.unwrap_or(PAGE).max(1);
    let limit = usize::try_from(limit).map_err(|error| ApiError::new(Code::InvalidParameter, error.to_string()))?;
    Ok(TrafficQuery { search, before, limit, time: SEARCH_TIME })
}

fn parse_cursor(text: &str) -> Option<TrafficCursor> {
    let (request, exchange) = text.split_once('.')?;
    Some(TrafficCursor { request: request.parse().ok()?, exchange: exchange.parse().ok()? })
}

impl<'p> Page<'p> {
    fn new(page: &'p TrafficPage, dates: Dates) -> Self {
        let TrafficPage { rows, next, searched_to } = page;
        Self {
            rows: rows.iter().map(|row| ListRow::new(row, dates)).collect(),
            next: next.map(|TrafficCursor { request, exchange }| format!("{request}.{exchange}")),
            searched_to: searched_to.map(|moment| dates.print(moment)),
        }
    }
}

impl<'r> ListRow<'r> {
    pub(super) fn new(row: &'r TrafficRow, dates: Dates) -> Self {
        match row {
            TrafficRow::Request(request) => Self::of_request(request, dates),
            TrafficRow::Exchange(exchange) => Self::of_exchange(exchange, dates),
        }
    }

    fn of_request(request: &'r RequestRow, dates: Dates) -> Self {
        Self {
            kind: "request",
            id: &request.id,
            number: request.number,
            at: in_utc(request.at),
            time: dates.print(request.at),
            operation: request.request_type.as_str(),
            cards: request.cards.get(..CARDS).unwrap_or(&request.cards),
            more_cards: request.cards.len().saturating_sub(CARDS),
            state: request.state.as_str(),
            in_doubt: request.in_doubt,
            http_status: request.http_status,
            reason: reason_of_request(request),
            duration_ms: request.duration_ms,
            reference: request.reference.as_deref(),
            attempts: Some(request.attempts),
        }
    }

    pub(super) fn of_exchange(exchange: &'r Summary, dates: Dates) -> Self {
        let subject = &exchange.subject;
        Self {
            kind: "exchange",
            id: &exchange.id,
            number: exchange.number,
            at: in_utc(exchange.at),
            time: dates.print(exchange.at),
            operation: subject.operation.as_deref().unwrap_or(&exchange.path),
            cards: subject.cards.get(..CARDS).unwrap_or(&subject.cards),
            more_cards: subject.cards.len().saturating_sub(CARDS),
            state: state_of(exchange.error.as_ref()),
            in_doubt: false,
            http_status: exchange.status,
            reason: reason_of_exchange(exchange),
            duration_ms: Some(exchange.duration_ms),
            reference: None,
            attempts: None,
        }
    }
}

/// The state of an exchange, by its failure below SOAP.
pub(super) fn state_of(error: Option<&String>) -> &'static str {
    if error.is_some() { Standing::Broken.as_str() } else { Standing::Passed.as_str() }
}

/// The reason of a failure, as Conax or the gateway worded it.
pub(super) fn reason_of(row: &TrafficRow) -> Option<String> {
    match row {
        TrafficRow::Request(request) => reason_of_request(request),
        TrafficRow::Exchange(exchange) => reason_of_exchange(exchange),
    }
}

fn reason_of_request(request: &RequestRow) -> Option<String> {
    request.failure.as_ref().map(|failure| failure.reason())
}

fn reason_of_exchange(exchange: &Summary) -> Option<String> {
    exchange.error.clone().or_else(|| exchange.subject.fault.clone())
}

pub(super) fn in_utc(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The result of a method.
pub(super) fn to_data(value: &impl serde::Serialize) -> Result<Data, ApiError> {
    serde_json::value::to_raw_value(value).map_err(|error| ApiError::internal(error.to_string()))
}
