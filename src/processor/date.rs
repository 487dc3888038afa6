//! Shifts due times when the machine's date is set.
//!
//! Rule: due times are shifted once per step of the date, by the run that notices first, and no run uses a date before
//! the due times are shifted to it.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Mutex;

use crate::clock::{Clock, Moment};
use crate::store::{DateStep, RequestStore, StoreError};

/// The date that due times are based on.
pub(super) struct FollowedDate {
    store: Arc<dyn RequestStore>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<Moment>>,
}

impl FollowedDate {
    /// Due times are based on the date of the first look.
    pub(super) fn new(store: Arc<dyn RequestStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, seen: Mutex::default() }
    }

    /// Shifts due times if the date was set since the last look; returns the moment that due times are now based on.
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
