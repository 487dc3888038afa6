//! A connection as the rest of the server knows it: it tells the [`Admission`] what happens, and leaves when told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Face;
use super::admission::{Access, Admission, Limits};
use crate::peer::Peer;

/// Where all connections come in.
pub(super) struct Door {
    admission: Mutex<Admission<CancellationToken>>,
    face: Face,
}

/// One connection; it is over when this is dropped.
pub(super) struct Guest {
    door: Arc<Door>,
    id: u64,
    peer: Peer,
    leave: CancellationToken,
    /// A request is being answered: until all of its answer is sent.
    is_asking: AtomicBool,
    /// The answer has come to its end, and may not have been sent to its end.
    is_answered: AtomicBool,
}

impl Door {
    pub(super) fn new(limits: Limits, face: Face) -> Arc<Self> {
        Arc::new(Self { admission: Mutex::new(Admission::new(limits)), face })
    }

    /// Lets a connection in.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Arc<Guest> {
        let leave = CancellationToken::new();
        let (id, displaced) = self.lock().admit(peer, leave.clone(), Instant::now());
        end(displaced);
        Arc::new(Guest {
            door: Arc::clone(self),
            id,
            peer,
            leave,
            is_asking: AtomicBool::default(),
            is_answered: AtomicBool::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Admission<CancellationToken>> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(displaced: Option<CancellationToken>) {
    if let Some(connection) = displaced {
        tracing::debug!("a connection had to go for another one");
        connection.cancel();
    }
}

impl Guest {
    /// Where it comes from.
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// What it came for.
    pub(super) fn face(&self) -> Face {
        self.door.face
    }

    /// Waits until it has to go for another one.
    pub(super) async fn has_to_go(&self) {
        self.leave.cancelled().await;
    }

    /// It said its first word.
    pub(super) fn speaks(&self) {
        self.door.lock().wait(self.id, Instant::now());
    }

    /// The head of a request has come: what may it ask for?
    pub(super) fn asks(&self) -> Access {
        self.is_asking.store(true, Ordering::Release);
        let (access, displaced) = self.door.lock().ask(self.id, Instant::now());
        end(displaced);
        access
    }

    /// A request was received whole: false if this connection has to go, and nothing may be done for it any more.
    pub(super) fn begins(&self) -> bool {
        self.is_answered.store(false, Ordering::Release);
        self.door.lock().begin(self.id, Instant::now())
    }

    /// Is a request being answered?
    pub(super) fn is_asking(&self) -> bool {
        self.is_asking.load(Ordering::Acquire)
    }

    /// The answer has come to its end.
    pub(super) fn is_answered(&self) {
        self.is_answered.store(true, Ordering::Release);
    }

    /// All that was written is sent.
    pub(super) fn is_sent(&self) {
        if self.is_answered.swap(false, Ordering::AcqRel) {
            self.is_asking.store(false, Ordering::Release);
            self.door.lock().wait(self.id, Instant::now());
        }
    }

    /// When there may be a place for it.
    pub(super) fn retry_after(&self) -> Duration {
        self.door.lock().retry_after(Instant::now())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.door.lock().close(self.id);
    }
}
