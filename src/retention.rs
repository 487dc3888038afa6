//! Deletes requests and exchanges that ended long ago, a few at a time, while everything goes on.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Between two purges.
const EVERY: Duration = Duration::from_secs(600);
/// Between two steps of one: the store has others to serve.
const STEP_PAUSE: Duration = Duration::from_millis(20);

/// Purges now and then, until shutdown.
pub async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keep: TimeDelta, mut shutdown: Shutdown) {
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

/// Deletes all that ended longer ago than `keep`; returns how many requests and exchanges.
async fn purge(store: &dyn Store, clock: &dyn Clock, keep: TimeDelta) -> Result<(usize, usize), StoreError> {
    let Some(before) = clock.now().checked_sub_signed(keep) else { return Ok((0, 0)) };
    let (mut requests, mut exchanges, mut from) = (0, 0, Some(0));
    while let Some(number) = from {
        let purged = store.purge(before, number).await?;
        requests += purged.count;
        from = purged.next;
        tokio::time::sleep(STEP_PAUSE).await;
    }
    loop {
        let count = store.purge_exchanges(before).await?;
        if count == 0 {
            return Ok((requests, exchanges));
        }
        exchanges += count;
        tokio::time::sleep(STEP_PAUSE).await;
    }
}
