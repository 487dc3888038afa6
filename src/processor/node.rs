//! The gateway as a node of the store: it holds its leases as long as it renews them in time.
//!
//! Rule: no call to Conax is under way with a lease that may have ended. A node that could not renew its leases in time
//! sends nothing, and cuts its calls before another node may take the requests over: so Conax never has two calls for one
//! request at the same time. The request of a cut call is in doubt; that outcome is committed unless another node took
//! the request over.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::store::{Lease, NodeId, RequestStore, StoreError};

/// How often leases are renewed within their duration.
const RENEWALS: u32 = 3;
/// The last fraction of a lease in which a node sends nothing: one in `MARGIN`, since cutting calls takes a moment.
const MARGIN: u32 = 10;

/// This node. A node that was declared dead goes on under a new id.
pub(super) struct Node {
    /// How long leases last unless they are renewed.
    lease_time: Duration,
    life: watch::Sender<Life>,
}

struct Life {
    id: NodeId,
    /// The end of the leases by this machine's clock, never later than by the store's.
    leases_end_at: Instant,
}

impl Node {
    /// A node that is not yet known to the store.
    pub(super) fn new(lease_time: Duration) -> Self {
        Self { lease_time, life: watch::Sender::new(Life { id: NodeId::random(), leases_end_at: Instant::now() }) }
    }

    /// How often leases are to be renewed.
    pub(super) fn renew_interval(&self) -> Duration {
        self.lease_time / RENEWALS
    }

    pub(super) fn id(&self) -> NodeId {
        self.life.borrow().id.clone()
    }

    /// The id for new leases; `None` if leases may have ended, since nothing could be sent with a new lease.
    pub(super) fn id_to_lease(&self, now: Instant) -> Option<NodeId> {
        let life = self.life.borrow();
        (now < life.leases_end_at).then(|| life.id.clone())
    }

    /// May an attempt be sent with this lease now?
    pub(super) fn holds(&self, lease: &Lease, now: Instant) -> bool {
        let life = self.life.borrow();
        life.id == lease.owner && now < life.leases_end_at
    }

    /// Returns when nothing may be sent with this lease any more.
    pub(super) async fn lost(&self, lease: &Lease) {
        let mut life = self.life.subscribe();
        loop {
            let (is_own, end) = {
                let life = life.borrow_and_update();
                (life.id == lease.owner, life.leases_end_at)
            };
            if !is_own || end <= Instant::now() {
                return;
            }
            // The next round checks whether the leases were renewed meanwhile.
            drop(tokio::time::timeout_at(end.into(), life.changed()).await);
        }
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
        self.life.send_replace(Life { id, leases_end_at: began + self.lease_time - self.lease_time / MARGIN });
        Ok(())
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
        assert_eq!(node.id_to_lease(now()), None);
        node.renew(store.as_ref()).await.unwrap();
        assert!(node.holds(&lease, now()) && !node.holds(&lease_of(NodeId::random()), now()));
        assert_eq!(node.id_to_lease(now()).as_ref(), Some(&lease.owner));
        assert!(!node.holds(&lease, now() + LEASE_TIME * 9 / 10), "another node may have it soon");
        assert_eq!(node.id_to_lease(now() + LEASE_TIME * 9 / 10), None);
        let lost = node.lost(&lease);
        tokio::pin!(lost);
        assert!(futures_util::poll!(&mut lost).is_pending());
        store.renew_leases(&lease.owner, Duration::ZERO).await.unwrap();
        node.renew(store.as_ref()).await.unwrap();
        assert!(node.holds(&lease, now()), "it was late, and none took it");
        store.renew_leases(&lease.owner, Duration::ZERO).await.unwrap();
        store.take_over_requests(&NodeId::random(), 1).await.unwrap();
        node.renew(store.as_ref()).await.unwrap();
        assert!(!node.holds(&lease, now()) && node.holds(&lease_of(node.id()), now()), "a new life");
        lost.await;
    }
}
