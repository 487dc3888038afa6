//! Deletes requests that ended long ago, a few at a time, while everything goes on.

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
                Ok(0) => {}
                Ok(requests) => tracing::info!(requests, "requests that ended long ago are deleted"),
                Err(error) => tracing::warn!(%error, "requests that ended long ago cannot be deleted now"),
            },
            () = shutdown.wait() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.wait() => {}
        }
    }
}

/// Deletes all that ended longer ago than `keep`; returns how many.
async fn purge(store: &dyn Store, clock: &dyn Clock, keep: TimeDelta) -> Result<usize, StoreError> {
    let Some(before) = clock.now().checked_sub_signed(keep) else { return Ok(0) };
    let (mut count, mut from) = (0, 0);
    loop {
        let purged = store.purge(before, from).await?;
        count += purged.count;
        match purged.next {
            Some(next) => from = next,
            None => return Ok(count),
        }
        tokio::time::sleep(STEP_PAUSE).await;
    }
}
