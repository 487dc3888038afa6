//! The list of all traffic: requests and exchanges in one list, newest first, with a search.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::exchange::Summary;
use crate::request::{Failure, RecordId, RequestType, State};
use crate::search::Search;

/// The list of all traffic.
#[async_trait]
pub trait TrafficStore: Send + Sync {
    /// Returns a page of requests and exchanges, newest first. The search stops when its time is over, and returns the
    /// rows found so far.
    async fn list_traffic(&self, query: TrafficQuery) -> Result<TrafficPage, StoreError>;
    /// Returns a number that changes whenever any process has written to the store; with PostgreSQL also when another
    /// database of the same server was written.
    async fn find_change_mark(&self) -> Result<i64, StoreError>;
}

/// The page to list.
#[derive(Clone, Debug)]
pub struct TrafficQuery {
    /// The search.
    pub search: Search,
    /// The position at which the page begins.
    pub before: TrafficCursor,
    /// The largest number of rows.
    pub limit: usize,
    /// The longest time of the search.
    pub time: Duration,
}

/// A position in the list: the rows behind it have smaller numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrafficCursor {
    /// Number of a request.
    pub request: i64,
    /// Number of an exchange.
    pub exchange: i64,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficPage {
    /// The rows, newest first.
    pub rows: Vec<TrafficRow>,
    /// The position at which the next page begins; `None` after the last page.
    pub next: Option<TrafficCursor>,
    /// The time was over before the page was full: only rows since this moment were searched.
    pub searched_to: Option<DateTime<Utc>>,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrafficRow {
    /// A provisioning request.
    Request(RequestRow),
    /// An exchange that was passed through.
    Exchange(Summary),
}

/// A provisioning request without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// The number.
    pub number: i64,
    /// The id.
    pub id: RecordId,
    /// When the request was accepted.
    pub at: DateTime<Utc>,
    /// The request type.
    pub request_type: RequestType,
    /// The state.
    pub state: State,
    /// The request is in doubt: it was sent, and no valid answer came.
    pub in_doubt: bool,
    /// The smartcards.
    pub cards: Vec<String>,
    /// Conax's reference number.
    pub reference: Option<String>,
    /// Why the request was rejected, or why it is in doubt.
    pub failure: Option<Failure>,
    /// The number of attempts.
    pub attempts: u32,
    /// Duration of the last attempt, in milliseconds.
    pub duration_ms: Option<i64>,
    /// HTTP status of the last attempt's answer.
    pub http_status: Option<u16>,
}

impl Default for TrafficCursor {
    /// The beginning of the list.
    fn default() -> Self {
        Self { request: i64::MAX, exchange: i64::MAX }
    }
}

impl TrafficCursor {
    /// Moves the cursor behind a row.
    pub(super) fn pass(&mut self, row: &TrafficRow) {
        match row {
            TrafficRow::Request(request) => self.request = request.number,
            TrafficRow::Exchange(exchange) => self.exchange = exchange.number,
        }
    }
}

impl TrafficRow {
    /// When the request was accepted, or the exchange began.
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Request(request) => request.at,
            Self::Exchange(exchange) => exchange.at,
        }
    }

    /// The number of the row; requests and exchanges have separate numbers.
    pub fn number(&self) -> i64 {
        match self {
            Self::Request(request) => request.number,
            Self::Exchange(exchange) => exchange.number,
        }
    }
}
