//! The gateway as a node of the store: it holds its leases for as long as it renews them in time.
//!
//! Rule: nothing is sent with a lease that may have ended: a node that could not renew its leases sends nothing until it can.
//! Attempts under way go on, and their outcome is committed if no other node took the request over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Lease, NodeId, RequestStore, StoreError};

/// How often leases are renewed within the time that they last.
const RENEWALS: u32 = 3;

/// This node. A node that was declared dead goes on under a new id.
pub(super) struct Node {
    /// How long leases last unless they are renewed.
    lease_time: Duration,
    life: Mutex<Life>,
}

struct Life {
    id: NodeId,
    /// By the clock of this machine, and no later than by that of the store.
    leases_end_at: Instant,
}

impl Node {
    /// A node that the store does not know yet.
    pub(super) fn new(lease_time: Duration) -> Self {
        Self { lease_time, life: Mutex::new(Life { id: NodeId::random(), leases_end_at: Instant::now() }) }
    }

    /// How often leases are to be renewed.
    pub(super) fn renew_interval(&self) -> Duration {
        self.lease_time / RENEWALS
    }

    pub(super) fn id(&self) -> NodeId {
        self.life().id.clone()
    }

    /// May an attempt be sent with this lease now?
    pub(super) fn holds(&self, lease: &Lease, now: Instant) -> bool {
        let life = self.life();
        life.id == lease.owner && now < life.leases_end_at
    }

    /// Renews the leases of this node.
    pub(super) async fn renew(&self, store: &dyn RequestStore) -> Result<(), StoreError> {
        let (id, began) = (self.id(), Instant::now());
        let id = if store.renew_leases(&id, self.lease_time).await? {
            id
        } else {
            tracing::error!(
                node = id.as_str(),
                "another gateway took over what was under way: this one was found dead"
            );
            let id = NodeId::random();
            store.renew_leases(&id, self.lease_time).await?;
            id
        };
        *self.life() = Life { id, leases_end_at: began + self.lease_time };
        Ok(())
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, load};
    use crate::observer::Observers;
    use crate::store::{self, Access};

    const LEASE_TIME: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_lease_is_held_until_a_sign_of_life_is_late_or_the_node_was_found_dead() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = load(&Inputs::default()).into_config().unwrap();
        config.store.data_dir = folder.path().to_owned();
        let store = store::open(&config.store, Access::Gateway(Observers::default())).await.unwrap();
        let node = Node::new(LEASE_TIME);
        let lease_of = |owner| Lease { owner, token: 1 };
        let (lease, now) = (lease_of(node.id()), Instant::now);
        assert!(!node.holds(&lease, now()), "the store does not know it yet");
        node.renew(store.as_ref()).await.unwrap();
        assert!(node.holds(&lease, now()) && !node.holds(&lease_of(NodeId::random()), now()));
        assert!(!node.holds(&lease, now() + LEASE_TIME), "another node may have it");
        store.renew_leases(&lease.owner, Duration::ZERO).await.unwrap();
        node.renew(store.as_ref()).await.unwrap();
        assert!(node.holds(&lease, now()), "it was late, and none took it");
        store.renew_leases(&lease.owner, Duration::ZERO).await.unwrap();
        store.take_over_requests(&NodeId::random(), 1).await.unwrap();
        node.renew(store.as_ref()).await.unwrap();
        assert!(!node.holds(&lease, now()) && node.holds(&lease_of(node.id()), now()), "a new life");
    }
}
