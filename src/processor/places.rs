//! Places to send from: so many requests are under way at the same time, so many calls wait for that, and every further
//! one is told at once when to come again, before anything was accepted for it.
//!
//! A call waits in memory, before it is written to disk: it costs what one that goes at once costs. Whose turn it is, is
//! decided in `turns`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::turns::{Entry, Next, Turns};
use crate::request::Priority;

/// All places.
pub(super) struct Places {
    turns: Mutex<Turns<oneshot::Sender<Place>>>,
    /// Wakes the processing run.
    wake: Arc<Notify>,
}

type LockedTurns<'p> = MutexGuard<'p, Turns<oneshot::Sender<Place>>>;

/// One place; dropping it gives it to whoever is next.
pub(super) struct Place {
    places: Arc<Places>,
    taken_at: Instant,
    was_used: bool,
}

/// What is under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Requests that have a place to be sent from.
    pub under_way: usize,
    /// Immediate requests that wait for one.
    pub waiting: usize,
}

/// Too many calls wait already, or the wait would be, or was, too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// When it will be one's turn, as things go now.
    pub(super) retry_after: Duration,
}

impl Places {
    /// So many `places`, and so many calls that may `wait` for one.
    pub(super) fn new(places: usize, waiting: usize, wake: Arc<Notify>) -> Self {
        Self { turns: Mutex::new(Turns::new(places, waiting, Instant::now())), wake }
    }

    /// May a call enter now?
    pub(super) fn check_room(&self, priority: Priority, patience: Duration) -> Result<(), Full> {
        self.lock_with_room(priority, patience).map(drop)
    }

    fn lock_with_room(&self, priority: Priority, patience: Duration) -> Result<LockedTurns<'_>, Full> {
        let (now, mut turns) = (Instant::now(), self.lock());
        if turns.check_room(priority, patience, now).is_err() {
            turns.retain(|call| !call.is_closed());
            turns.check_room(priority, patience, now)?;
        }
        Ok(turns)
    }

    /// A place for a call, which waits for one if it may, but not longer than `patience`.
    pub(super) async fn enter(self: &Arc<Self>, priority: Priority, patience: Duration) -> Result<Place, Full> {
        let waiting = {
            let mut turns = self.lock_with_room(priority, patience)?;
            let now = Instant::now();
            match turns.enter(now) {
                Entry::Go => return Ok(self.place(now)),
                Entry::Wait => {
                    let (call, place) = oneshot::channel();
                    turns.wait(priority, call);
                    place
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.lock().full(priority, Instant::now())),
        }
    }

    /// The places that the run may have now, for requests that are due.
    pub(super) fn take_for_run(self: &Arc<Self>) -> Vec<Place> {
        let now = Instant::now();
        let count = self.lock().take_for_run(now);
        (0..count).map(|_| self.place(now)).collect()
    }

    /// How many are taken, and how many calls wait.
    pub(super) fn load(&self) -> Load {
        let turns = self.lock();
        Load { under_way: turns.held(), waiting: turns.waiting().filter(|call| !call.is_closed()).count() }
    }

    /// Nothing is due any more: what was set aside for the run is for calls.
    pub(super) fn run_is_idle(self: &Arc<Self>) {
        let mut turns = self.lock();
        turns.run_is_idle();
        self.give(turns);
    }

    /// Gives what is free to whoever is next.
    fn give(self: &Arc<Self>, mut turns: LockedTurns<'_>) {
        let (now, mut calls, mut is_runs) = (Instant::now(), Vec::new(), false);
        loop {
            match turns.next(now) {
                // Its client has gone, or it waited too long.
                Next::Call(call) if call.is_closed() => turns.put_back(now),
                Next::Call(call) => calls.push(call),
                Next::Run => is_runs = true,
                Next::Nobody => break,
            }
        }
        drop(turns);
        for call in calls {
            // Whoever goes at this very moment gives it on by dropping it.
            drop(call.send(self.place(now)));
        }
        if is_runs {
            self.wake.notify_one();
        }
    }

    fn place(self: &Arc<Self>, taken_at: Instant) -> Place {
        Place { places: Arc::clone(self), taken_at, was_used: false }
    }

    fn lock(&self) -> LockedTurns<'_> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Gives it back after a request was sent from it: how long that took is taken into account.
    pub(super) fn leave(mut self) {
        self.was_used = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.places.lock();
        if self.was_used {
            turns.note_pace(self.taken_at.elapsed());
        }
        turns.put_back(self.taken_at);
        self.places.give(turns);
    }
}
