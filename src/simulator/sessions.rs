//! The sessions that logins have begun; each allows a limited number of requests.

use std::collections::HashMap;

use crate::request::random_hex;

/// The largest number of sessions; with more, all sessions end.
const MOST: usize = 10_000;

/// Sessions by their id, with the number of requests made in each.
pub(super) struct Sessions {
    open: HashMap<String, u64>,
    /// The number of requests that a session allows; 0 sets no limit.
    most_requests: u64,
}

impl Sessions {
    pub(super) fn new(most_requests: u64) -> Self {
        Self { open: HashMap::new(), most_requests }
    }

    pub(super) fn begin(&mut self) -> String {
        if self.open.len() >= MOST {
            self.open.clear();
        }
        let id = random_hex();
        self.open.insert(id.clone(), 0);
        id
    }

    pub(super) fn end(&mut self, id: &str) {
        self.open.remove(id);
    }

    /// Counts a request in a session; returns false, and ends the session, if it allows no more requests.
    pub(super) fn admit(&mut self, id: &str) -> bool {
        let Some(requests) = self.open.get_mut(id) else { return false };
        *requests += 1;
        if self.most_requests > 0 && *requests > self.most_requests {
            self.open.remove(id);
            return false;
        }
        true
    }
}
