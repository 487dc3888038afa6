//! The processing run of a provider: wakes for new, due or released requests, or at the poll interval; leases due
//! requests, and starts their attempts.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::Instrument as _;

use super::Processor;
use super::slots::Slot;
use crate::clock::Moment;
use crate::contract::Contract;
use crate::shutdown::Shutdown;
use crate::store::{LeasedCall, StoreError};

/// How often the date is compared with the elapsed time.
const DATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Processor {
    /// Runs until shutdown; then nothing new is started.
    pub(super) async fn run(self: Arc<Self>, mut shutdown: Shutdown) {
        while !shutdown.is_set() {
            let seen = self.date.follow().await;
            let round = {
                let (processor, shutdown) = (Arc::clone(&self), shutdown.clone());
                async move { processor.start_ready(&shutdown, seen).await }
            };
            // A separate task, so that the run survives a panic in a round.
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
    }

    /// Starts all due requests; returns the time until the next request falls due. Dates are computed from the moment
    /// `seen`, since due times have not followed later changes of the date.
    async fn start_ready(self: &Arc<Self>, shutdown: &Shutdown, seen: Moment) -> Result<Duration, StoreError> {
        if !self.is_effective {
            return Ok(self.poll);
        }
        while !shutdown.is_set() {
            let moment = self.clock.moment();
            let now = seen.date + TimeDelta::from_std(moment.since(&seen).time).unwrap_or_default();
            let Some(node) = self.node.id_to_lease(moment.steady) else { return Ok(self.node.renew_interval()) };
            match self.store.find_next_due(self.systems()).await? {
                Some(due) if due <= now => {}
                next => {
                    self.slots.run_is_idle();
                    let pause = next.and_then(|due| (due - now).to_std().ok());
                    return Ok(pause.unwrap_or(self.poll).min(self.poll));
                }
            }
            let slots = self.slots.take_for_run();
            if slots.is_empty() {
                // The next slot that becomes free wakes the run.
                return Ok(self.poll);
            }
            // The contract by which requests are leased together is also the contract of their call, even if another is
            // loaded meanwhile.
            let contract = self.contract.load_full();
            let most_cards = self.most_cards(&contract);
            // Every due request is leased, or noted as waiting for another request.
            let claimed = self.store.claim_requests(now, slots.len(), &node, self.systems(), &most_cards).await?;
            self.spawn(claimed, slots, &contract);
        }
        Ok(self.poll)
    }

    fn spawn(self: &Arc<Self>, claimed: Vec<LeasedCall>, slots: Vec<Slot>, contract: &Arc<Contract>) {
        for (call, slot) in claimed.into_iter().zip(slots) {
            let (processor, contract) = (Arc::clone(self), Arc::clone(contract));
            let content = &call.first.request.content;
            let request_id = content.correlation.as_ref().map(|correlation| correlation.request_id.as_str());
            // All log lines about a request have the id of its API call, even much later.
            let span = tracing::error_span!("request", request_id, user = content.created_by.username);
            let attempt = async move {
                if call.joined.is_empty() {
                    // The request may have been accepted under a contract that was loaded after the claim began.
                    let contract = processor.contract.load_full();
                    // `attempt` logs its failures.
                    drop(processor.attempt(call.first, contract, slot).await);
                } else {
                    processor.attempt_jointly(call, contract, slot).await;
                }
            };
            self.tasks.spawn(attempt.instrument(span));
        }
    }
}
