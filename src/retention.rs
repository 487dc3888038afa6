//! Deletes requests and exchanges that ended long ago, and exchanges beyond what all may take, a few at a time, while
//! everything goes on.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::config::StoreSection;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Between two purges.
const EVERY: Duration = Duration::from_secs(600);
/// Between two steps of one: the store has others to serve.
const STEP_PAUSE: Duration = Duration::from_millis(20);

/// Time for which ended records are kept; for ever, if absent.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Requests.
    pub requests: Option<TimeDelta>,
    /// Exchanges: not longer than requests.
    pub exchanges: Option<TimeDelta>,
}

impl Keep {
    /// As it is configured.
    pub fn of(config: &StoreSection) -> Self {
        let days = |days: u64| i64::try_from(days).ok().filter(|days| *days > 0).and_then(TimeDelta::try_days);
        let (requests, exchanges) = (days(config.retention_days), days(config.exchange_retention_days));
        Self { requests, exchanges: requests.into_iter().chain(exchanges).min() }
    }
}

/// Purges now and then, until shutdown.
pub async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keep: Keep, mut shutdown: Shutdown) {
    while !shutdown.is_set() {
        tokio::select! {
            purged = purge(store.as_ref(), clock.as_ref(), keep) => match purged {
                Ok((0, 0)) => {}
                Ok((requests, exchanges)) => tracing::info!(requests, exchanges, "what ended long ago is deleted"),
                Err(error) => tracing::warn!(%error, "what ended long ago cannot be deleted now"),
            },
            () = shutdown.wait() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.wait() => {}
        }
    }
}

/// Deletes all that is kept no longer; returns how many requests and exchanges.
async fn purge(store: &dyn Store, clock: &dyn Clock, keep: Keep) -> Result<(usize, usize), StoreError> {
    let (mut requests, mut exchanges) = (0, 0);
    let before = |keep: Option<TimeDelta>| -> Option<DateTime<Utc>> { clock.now().checked_sub_signed(keep?) };
    if let Some(before) = before(keep.requests) {
        let mut from = Some(0);
        while let Some(number) = from {
            let purged = store.purge_requests(before, number).await?;
            requests += purged.count;
            from = purged.next;
            tokio::time::sleep(STEP_PAUSE).await;
        }
    }
    let before = before(keep.exchanges);
    loop {
        let count = store.purge_exchanges(before).await?;
        if count == 0 {
            return Ok((requests, exchanges));
        }
        exchanges += count;
        tokio::time::sleep(STEP_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, load};

    #[test]
    fn exchanges_are_kept_no_longer_than_requests() {
        let kept = |settings: &[(&'static str, &str)]| {
            let flags = settings.iter().map(|(key, value)| (*key, (*value).to_owned(), "--test")).collect();
            let config = load(&Inputs { flags, ..Inputs::default() }).into_config().unwrap();
            let keep = Keep::of(&config.store);
            [keep.requests, keep.exchanges].map(|keep| keep.map(|keep| keep.num_days()))
        };
        assert_eq!(kept(&[]), [None, Some(30)], "by default");
        assert_eq!(kept(&[("store.exchange_retention_days", "0")]), [None, None]);
        assert_eq!(kept(&[("store.retention_days", "7")]), [Some(7), Some(7)]);
        assert_eq!(kept(&[("store.retention_days", "90")]), [Some(90), Some(30)]);
    }
}
