//! The first page of the list, kept up to date for as long as a reader looks at the page.
//!
//! Rule: however much happens, a page is read at most a few times a second, a fifth of the time at most, and a slow
//! reader gets fewer pages. A row that came and went between two readings is in the list all the same.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::list::{ListRow, take_query};
use crate::api::{Api, ApiError, Dates, Params};
use crate::request::RecordId;
use crate::secret::Secret;
use crate::store::{TrafficPage, TrafficQuery};

/// Between two looks whether something was written, and from one reading to the next in relation to how long it took.
const LOOK: Duration = Duration::from_millis(250);
const REST: u32 = 4;
/// After so long without news a comment is sent: it finds out whether the reader is still there, and may still look.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is gone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The first page as its reader knows it.
pub struct LivePage {
    query: TrafficQuery,
    /// Each row as it was sent, and when it began.
    sent: HashMap<RecordId, (DateTime<Utc>, String)>,
}

impl LivePage {
    /// The page that the parameters ask for.
    ///
    /// # Errors
    /// A parameter.
    pub fn new(api: &Api, mut params: Params) -> Result<Self, ApiError> {
        let query = take_query(api, &mut params)?;
        params.finish()?;
        Ok(Self { query, sent: HashMap::new() })
    }

    /// An event with the rows that are new or changed, newest first, and the ids of those that the search no longer
    /// finds; `None` where there are none.
    fn update(&mut self, page: &TrafficPage, dates: Dates) -> Option<String> {
        let is_full = page.rows.len() >= self.query.limit;
        let oldest = page.searched_to.or_else(|| page.rows.last().filter(|_| is_full).map(|row| row.at()));
        let mut before = std::mem::take(&mut self.sent);
        let mut changed = Vec::new();
        for row in &page.rows {
            let shown = ListRow::new(row, dates);
            let id = shown.id.clone();
            let Ok(text) = serde_json::to_string(&shown) else { continue };
            let known = before.remove(&id);
            if known.is_none_or(|(_, known)| known != text) {
                changed.push(text.clone());
            }
            self.sent.insert(id, (row.at(), text));
        }
        // Rows older than the page were only pushed out by newer ones, and still match.
        let gone = before.into_iter().filter(|(_, (at, _))| oldest.is_none_or(|oldest| *at > oldest));
        let gone: Vec<_> = gone.map(|(id, _)| id.to_string()).collect();
        if changed.is_empty() && gone.is_empty() {
            return None;
        }
        let gone = json!(gone);
        Some(format!("event: rows\ndata: {{\"rows\":[{}],\"gone\":{gone}}}\n\n", changed.join(",")))
    }
}

/// Sends events until the reader is gone or may look no longer.
pub async fn follow(api: &Api, token: &Secret, mut page: LivePage, events: mpsc::Sender<String>) {
    let (mut mark, mut told) = (None, Instant::now());
    while !events.is_closed() {
        let mut pause = LOOK;
        let mut news = None;
        let found = api.store.find_change_mark().await.ok();
        if found.is_none() || found != mark {
            let began = Instant::now();
            // A store that is too busy is asked again.
            if let Ok(read) = api.store.list_traffic(page.query.clone()).await {
                mark = found;
                news = page.update(&read, api.dates);
            }
            pause = pause.max(began.elapsed() * REST);
        }
        if told.elapsed() >= SIGN_OF_LIFE || news.is_some() {
            if api.sessions.find(token).await.is_err() {
                return;
            }
            told = Instant::now();
            let event = news.unwrap_or_else(|| ": nothing new\n\n".to_owned());
            if !matches!(timeout(LONGEST_WAIT, events.send(event)).await, Ok(Ok(()))) {
                return;
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = events.closed() => return,
        }
    }
}
