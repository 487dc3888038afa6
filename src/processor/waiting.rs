//! API calls that wait for a request which the processing run sends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::request::ProvisioningRequest;

/// The calls waiting, by the number of their request.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<i64, oneshot::Sender<ProvisioningRequest>>>);

impl Waiting {
    /// Starts to watch a request.
    pub(super) fn watch(&self, number: i64) -> Watch<'_> {
        let (sender, ended) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        Watch { waiting: self, number, ended }
    }

    /// Tells whoever watches the request how an attempt left it.
    pub(super) fn tell(&self, request: &ProvisioningRequest) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.number);
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
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
