//! Due times follow a date that was set.
//!
//! Rule: they are shifted once for each step of the date, whichever run notices first; no run goes by a date that they have
//! not followed.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Mutex;

use crate::clock::{Clock, Moment};
use crate::store::{DateStep, RequestStore, StoreError};

/// The date that due times have followed.
pub(super) struct FollowedDate {
    store: Arc<dyn RequestStore>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<Moment>>,
}

impl FollowedDate {
    /// Due times are those of the first date that is looked at.
    pub(super) fn new(store: Arc<dyn RequestStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, seen: Mutex::default() }
    }

    /// Shifts due times if the date was set since the last moment that they have followed; returns the moment that they
    /// follow now.
    pub(super) async fn follow(&self) -> Moment {
        let mut seen = self.seen.lock().await;
        let now = self.clock.moment();
        let Some(last) = seen.as_ref() else { return *seen.insert(now) };
        let passed = now.since(last);
        if !passed.step.is_zero() {
            let noticed_after = TimeDelta::from_std(passed.time).unwrap_or(TimeDelta::MAX);
            let step = DateStep { by: passed.step, now: now.date, noticed_after, is_after_stop: false };
            if let Err(error) = carry(self.store.as_ref(), step).await {
                tracing::error!(%error, "the date was set, and what is due cannot follow yet");
                return *last;
            }
        }
        *seen.insert(now)
    }
}

/// Shifts due times by a step of the date.
pub(super) async fn carry(store: &dyn RequestStore, step: DateStep) -> Result<(), StoreError> {
    let requests = store.shift_due_times(step).await?;
    let seconds = step.by.num_seconds();
    tracing::warn!(seconds, requests, "the machine's date was set: waiting requests are carried along");
    Ok(())
}
