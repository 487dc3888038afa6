//! Keeps the first page of the list up to date while a reader looks at it.
//!
//! Rule: a page is read at most a few times a second, and for a fifth of the time at most; a slow reader gets fewer
//! pages. A row that came and went between two readings is still in the list.

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

/// How often to check for new writes.
const LOOK: Duration = Duration::from_millis(250);
const REST: u32 = 4;
/// After this time without news a comment is sent: it shows whether the reader is still there and may still look.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// A reader that takes nothing for this time is gone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The first page, as its reader has it.
pub struct LivePage {
    query: TrafficQuery,
    /// The rows as sent, and the date of each row.
    sent: HashMap<RecordId, (DateTime<Utc>, String)>,
}

impl LivePage {
    /// The page for these parameters.
    ///
    /// # Errors
    /// A parameter.
    pub fn new(api: &Api, mut params: Params) -> Result<Self, ApiError> {
        let query = take_query(api, &mut params)?;
        params.finish()?;
        Ok(Self { query, sent: HashMap::new() })
    }

    /// The event with new and changed rows, newest first, and with the ids of rows that the search no longer finds;
    /// `None` if there are none.
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
        // Older rows were only displaced by newer rows, and still match.
        let gone = before.into_iter().filter(|(_, (at, _))| oldest.is_none_or(|oldest| *at > oldest));
        let gone: Vec<_> = gone.map(|(id, _)| id.to_string()).collect();
        if changed.is_empty() && gone.is_empty() {
            return None;
        }
        let gone = json!(gone);
        Some(format!("event: rows\ndata: {{\"rows\":[{}],\"gone\":{gone}}}\n\n", changed.join(",")))
    }
}

/// Sends events until the reader is gone, or may no longer look.
pub async fn follow(api: &Api, token: &Secret, mut page: LivePage, events: mpsc::Sender<String>) {
    let (mut mark, mut told) = (None, Instant::now());
    while !events.is_closed() {
        let mut pause = LOOK;
        let mut news = None;
        let found = api.store.find_change_mark().await.ok();
        if found.is_none() || found != mark {
            let began = Instant::now();
            // A store that is too busy is asked again later.
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
