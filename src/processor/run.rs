//! The processing run: wakes on arrival, when something falls due, or by the poll; leases what is ready, and spawns it.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::Processor;
use super::places::Place;
use crate::clock::Moment;
use crate::shutdown::Shutdown;
use crate::store::{DateStep, LeasedRequest, StoreError};

/// How often the date is compared with the time that passed.
const DATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Processor {
    /// Runs until shutdown; then nothing new is started.
    pub async fn run(self: Arc<Self>, mut shutdown: Shutdown) {
        let mut seen = self.clock.moment();
        while !shutdown.is_set() {
            match self.follow_date(seen).await {
                Ok(now) => seen = now,
                Err(error) => tracing::error!(%error, "the date was set, and what is due cannot follow yet"),
            }
            let round = {
                let (processor, shutdown) = (Arc::clone(&self), shutdown.clone());
                async move { processor.start_ready(&shutdown).await }
            };
            // In a task of its own: the run goes on, whatever happens in a round.
            let pause = match tokio::spawn(round).await {
                Ok(Ok(pause)) => pause,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the processing run cannot use the store");
                    self.poll
                }
                Err(panic) => {
                    tracing::error!(%panic, "a round of the processing run failed");
                    self.poll
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause.min(DATE_CHECK_INTERVAL)) => {}
                () = shutdown.wait() => {}
            }
        }
        self.waiting.close();
    }

    /// Carries along what is due, if the date was set since the moment `seen`; returns the present one.
    async fn follow_date(&self, seen: Moment) -> Result<Moment, StoreError> {
        let now = self.clock.moment();
        let passed = now.since(&seen);
        if !passed.step.is_zero() {
            let noticed_after = TimeDelta::from_std(passed.time).unwrap_or(TimeDelta::MAX);
            self.carry(DateStep { by: passed.step, now: now.date, noticed_after, is_after_stop: false }).await?;
        }
        Ok(now)
    }

    /// Carries along what is due.
    pub(super) async fn carry(&self, step: DateStep) -> Result<(), StoreError> {
        let requests = self.store.shift_due_times(step).await?;
        let seconds = step.by.num_seconds();
        tracing::warn!(seconds, requests, "the machine's date was set: waiting requests are carried along");
        Ok(())
    }

    /// Starts all that is ready, and returns how long nothing else will be.
    async fn start_ready(self: &Arc<Self>, shutdown: &Shutdown) -> Result<Duration, StoreError> {
        if !self.is_effective {
            return Ok(self.poll);
        }
        while !shutdown.is_set() {
            let now = self.clock.now();
            match self.store.find_next_due().await? {
                Some(due) if due <= now => {}
                next => {
                    self.places.run_is_idle();
                    let pause = next.and_then(|due| (due - now).to_std().ok());
                    return Ok(pause.unwrap_or(self.poll).min(self.poll));
                }
            }
            let places = self.places.take_for_run();
            if places.is_empty() {
                // The first one that is free wakes the run.
                return Ok(self.poll);
            }
            // Whatever was due is leased now, or known to wait for another one.
            let claimed = self.store.claim_requests(now, places.len(), &self.node.id()).await?;
            self.spawn(claimed, places);
        }
        Ok(self.poll)
    }

    fn spawn(self: &Arc<Self>, claimed: Vec<LeasedRequest>, places: Vec<Place>) {
        for (leased, place) in claimed.into_iter().zip(places) {
            let processor = Arc::clone(self);
            self.tasks.spawn(async move {
                // A failure is logged there; nobody waits for it here.
                drop(processor.attempt(leased, place).await);
            });
        }
    }
}
