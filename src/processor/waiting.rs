//! API calls that wait for a request which the processing run sends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::request::ProvisioningRequest;

/// The calls waiting, by the number of their request.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    calls: HashMap<i64, oneshot::Sender<ProvisioningRequest>>,
    /// Nothing is sent any more: waiting is in vain.
    is_closed: bool,
}

impl Waiting {
    /// Starts to watch a request.
    pub(super) fn watch(&self, number: i64) -> Watch<'_> {
        let (sender, ended) = oneshot::channel();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_closed {
            state.calls.insert(number, sender);
        }
        drop(state);
        Watch { waiting: self, number, ended }
    }

    /// Ends all waiting, now and from now on.
    pub(super) fn close(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        state.calls.clear();
    }

    /// Tells whoever watches the request how an attempt left it.
    pub(super) fn tell(&self, request: &ProvisioningRequest) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.remove(&request.number);
        if let Some(sender) = sender {
            drop(sender.send(request.clone()));
        }
    }
}

/// One call that watches; dropping it ends the watch.
pub(super) struct Watch<'w> {
    waiting: &'w Waiting,
    number: i64,
    ended: oneshot::Receiver<ProvisioningRequest>,
}

impl Watch<'_> {
    /// The record after the next attempt at it.
    pub(super) async fn ended(&mut self) -> Option<ProvisioningRequest> {
        (&mut self.ended).await.ok()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).calls.remove(&self.number);
    }
}
