//! API calls that wait for the outcome of a request that another task sends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::request::ProvisioningRequest;

/// The calls waiting, by the number of their request.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    calls: HashMap<i64, broadcast::Sender<ProvisioningRequest>>,
    /// No further attempts are made, so that no call may wait.
    is_closed: bool,
}

impl Waiting {
    /// Starts to wait for the next attempt at a request.
    pub(super) fn watch(&self, number: i64) -> Watch<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = match state.is_closed {
            true => broadcast::channel(1).1,
            false => state.calls.entry(number).or_insert_with(|| broadcast::channel(1).0).subscribe(),
        };
        Watch { waiting: self, number, ended: Some(ended) }
    }

    /// Ends all waiting, now and from now on.
    pub(super) fn close(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        state.calls.clear();
    }

    /// Those of `numbers` that a call waits for.
    pub(super) fn among(&self, numbers: &[i64]) -> Vec<i64> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.iter().copied().filter(|number| state.calls.contains_key(number)).collect()
    }

    /// All requests that a call waits for.
    pub(super) fn all(&self) -> Vec<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.keys().copied().collect()
    }

    /// Gives the calls that wait for a request its record after an attempt.
    pub(super) fn tell(&self, request: &ProvisioningRequest) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.remove(&request.number);
        if let Some(sender) = sender {
            // The calls may have gone.
            drop(sender.send(request.clone()));
        }
    }
}

/// A call that waits for a request; dropping the watch ends the wait.
pub(super) struct Watch<'w> {
    waiting: &'w Waiting,
    number: i64,
    ended: Option<broadcast::Receiver<ProvisioningRequest>>,
}

impl Watch<'_> {
    /// The record after the next attempt at it.
    pub(super) async fn ended(&mut self) -> Option<ProvisioningRequest> {
        self.ended.as_mut()?.recv().await.ok()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        drop(self.ended.take());
        let mut state = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.calls.get(&self.number).is_some_and(|sender| sender.receiver_count() == 0) {
            state.calls.remove(&self.number);
        }
    }
}
