//! The processing run: wakes on arrival, when something falls due, or by the poll; leases what is ready, and spawns it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Processor;
use crate::request::ProvisioningRequest;
use crate::shutdown::Shutdown;
use crate::store::StoreError;

impl Processor {
    /// Runs until shutdown; then nothing new is started.
    pub async fn run(self: Arc<Self>, mut shutdown: Shutdown) {
        while !shutdown.is_set() {
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
                () = tokio::time::sleep(pause) => {}
                () = shutdown.wait() => {}
            }
        }
        self.waiting.close();
    }

    /// Starts all that is ready, and returns how long nothing else will be.
    async fn start_ready(self: &Arc<Self>, shutdown: &Shutdown) -> Result<Duration, StoreError> {
        if !self.is_effective {
            return Ok(self.poll);
        }
        while !shutdown.is_set() {
            let now = self.clock.now();
            match self.store.next_due().await? {
                Some(due) if due <= now => {}
                next => {
                    self.is_crowded.store(false, Ordering::Release);
                    let pause = next.and_then(|due| (due - now).to_std().ok());
                    return Ok(pause.unwrap_or(self.poll).min(self.poll));
                }
            }
            // Before looking for a place: whoever frees one afterwards wakes the run.
            self.is_crowded.store(true, Ordering::Release);
            let Some(permits) = self.free_permits() else { return Ok(self.poll) };
            // Whatever was due is leased now, or known to wait for another one.
            let claimed = self.store.claim(now, permits.num_permits(), &self.run_id).await?;
            self.spawn(claimed, permits);
        }
        Ok(self.poll)
    }

    /// As many permits as are free now; `None` when all requests that may be under way are.
    fn free_permits(&self) -> Option<OwnedSemaphorePermit> {
        let free = self.permits.available_permits();
        let free = u32::try_from(free).ok().filter(|n| *n > 0)?;
        Arc::clone(&self.permits).try_acquire_many_owned(free).ok()
    }

    fn spawn(self: &Arc<Self>, claimed: Vec<ProvisioningRequest>, mut permits: OwnedSemaphorePermit) {
        for request in claimed {
            let processor = Arc::clone(self);
            let Some(permit) = permits.split(1) else { break };
            self.tasks.spawn(async move {
                // A failure is logged there; nobody waits for it here.
                drop(processor.attempt(request, permit).await);
            });
        }
    }
}
