//! Requests and exchanges in one list, newest first, as a person searches them.

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
    /// A page of requests and exchanges, newest first. The search ends with its time, whatever it has found by then.
    async fn list_traffic(&self, query: TrafficQuery) -> Result<TrafficPage, StoreError>;
    /// A number that differs from the one before if something was written since, by whichever process; it may differ, too,
    /// where other databases of the same server were written.
    async fn find_change_mark(&self) -> Result<i64, StoreError>;
}

/// Which page is asked for.
#[derive(Clone, Debug)]
pub struct TrafficQuery {
    /// The search.
    pub search: Search,
    /// The place at which the page begins.
    pub before: TrafficCursor,
    /// Rows, at most.
    pub limit: usize,
    /// Time of the search.
    pub time: Duration,
}

/// A place in the list: what comes after it has smaller numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrafficCursor {
    /// Number of a request.
    pub request: i64,
    /// Number of an exchange.
    pub exchange: i64,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficPage {
    /// The rows, newest first.
    pub rows: Vec<TrafficRow>,
    /// The place at which the next page begins; `None` after the last page.
    pub next: Option<TrafficCursor>,
    /// The time was over before the page was full: everything since this moment was searched.
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
    /// When it was accepted.
    pub at: DateTime<Utc>,
    /// The request type.
    pub request_type: RequestType,
    /// The state.
    pub state: State,
    /// The request was sent, and may have worked.
    pub in_doubt: bool,
    /// The smartcards.
    pub cards: Vec<String>,
    /// Conax's reference number.
    pub reference: Option<String>,
    /// Why it was rejected, or what is uncertain.
    pub failure: Option<Failure>,
    /// Times that sending was tried.
    pub attempts: u32,
    /// Duration of the last attempt, in milliseconds.
    pub duration_ms: Option<i64>,
    /// HTTP status of its answer.
    pub http_status: Option<u16>,
}

impl Default for TrafficCursor {
    /// The beginning of the list.
    fn default() -> Self {
        Self { request: i64::MAX, exchange: i64::MAX }
    }
}

impl TrafficCursor {
    /// Goes on behind a row.
    pub(super) fn pass(&mut self, row: &TrafficRow) {
        match row {
            TrafficRow::Request(request) => self.request = request.number,
            TrafficRow::Exchange(exchange) => self.exchange = exchange.number,
        }
    }
}

impl TrafficRow {
    /// When it began.
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Request(request) => request.at,
            Self::Exchange(exchange) => exchange.at,
        }
    }

    /// The number of the row; requests and exchanges are numbered apart.
    pub fn number(&self) -> i64 {
        match self {
            Self::Request(request) => request.number,
            Self::Exchange(exchange) => exchange.number,
        }
    }
}
