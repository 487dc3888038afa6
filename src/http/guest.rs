//! A connection as the rest of the server sees it: reports its progress to the [`Admission`], and ends when it is displaced.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Face;
use super::admission::{Access, Admission, Limits};
use crate::peer::Peer;

/// The entry for all connections of an address.
pub(super) struct Door {
    admission: Mutex<Admission<CancellationToken>>,
    face: Face,
}

/// An open connection; dropping it frees its slot.
pub(super) struct Guest {
    door: Arc<Door>,
    id: u64,
    address: IpAddr,
    leave: CancellationToken,
    /// True from the head of a request until every byte of the answer is sent.
    is_asking: AtomicBool,
    /// True from the end of an answer until its last byte is sent.
    is_answered: AtomicBool,
    requests: AtomicU64,
}

impl Door {
    pub(super) fn new(limits: Limits, face: Face) -> Arc<Self> {
        Arc::new(Self { admission: Mutex::new(Admission::new(limits)), face })
    }

    /// Lets a connection in.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Arc<Guest> {
        let leave = CancellationToken::new();
        let (id, displaced) = self.lock().admit(address.into(), leave.clone(), Instant::now());
        end(displaced);
        Arc::new(Guest {
            door: Arc::clone(self),
            id,
            address,
            leave,
            is_asking: AtomicBool::default(),
            is_answered: AtomicBool::default(),
            requests: AtomicU64::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Admission<CancellationToken>> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(displaced: Option<CancellationToken>) {
    if let Some(connection) = displaced {
        tracing::debug!("a connection was displaced by a new one");
        connection.cancel();
    }
}

impl Guest {
    /// The peer of the connection, by its address.
    pub(super) fn peer(&self) -> Peer {
        self.address.into()
    }

    /// The address of the client.
    pub(super) fn address(&self) -> IpAddr {
        self.address.to_canonical()
    }

    /// The paths that this connection may ask for.
    pub(super) fn face(&self) -> Face {
        self.door.face
    }

    /// Waits until the connection is displaced by another connection.
    pub(super) async fn has_to_go(&self) {
        self.leave.cancelled().await;
    }

    /// Reports the first bytes of the client.
    pub(super) fn speaks(&self) {
        self.door.lock().wait(self.id, Instant::now());
    }

    /// Reports the head of a request; returns the paths that the client may ask for.
    pub(super) fn asks(&self) -> Access {
        self.is_asking.store(true, Ordering::Release);
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (access, displaced) = self.door.lock().ask(self.id, Instant::now());
        end(displaced);
        access
    }

    /// Counts the requests of the connection.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Reports that a request is complete; returns false if the connection was displaced, and the request must not be
    /// carried out.
    pub(super) fn begins(&self) -> bool {
        self.is_answered.store(false, Ordering::Release);
        self.door.lock().begin(self.id, Instant::now())
    }

    /// Is a request of the connection being answered?
    pub(super) fn is_asking(&self) -> bool {
        self.is_asking.load(Ordering::Acquire)
    }

    /// Reports the end of the answer's body.
    pub(super) fn is_answered(&self) {
        self.is_answered.store(true, Ordering::Release);
    }

    /// Reports that every written byte is sent.
    pub(super) fn is_sent(&self) {
        if self.is_answered.swap(false, Ordering::AcqRel) {
            self.is_asking.store(false, Ordering::Release);
            self.door.lock().wait(self.id, Instant::now());
        }
    }

    /// Estimated time until the connection can have a slot.
    pub(super) fn retry_after(&self) -> Duration {
        self.door.lock().retry_after(Instant::now())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.door.lock().close(self.id);
    }
}
