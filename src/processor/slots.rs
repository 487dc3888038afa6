//! Slots bound how many requests are under way (`upstream.max_concurrency`). A bounded number of immediate requests waits
//! for a slot; a further request is rejected at once, before anything is stored, with the time to come again.
//!
//! A request waits in memory, before its commit, so that waiting is cheap. `slot_queue` decides which request is next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::slot_queue::{Entry, Next, SlotQueue};
use crate::request::Priority;

/// All slots.
pub(super) struct Slots {
    queue: Mutex<SlotQueue<oneshot::Sender<Slot>>>,
    /// Wakes the processing run.
    wake: Arc<Notify>,
}

type LockedQueue<'p> = MutexGuard<'p, SlotQueue<oneshot::Sender<Slot>>>;

/// One slot; dropping it gives the slot to the next in the queue.
pub(super) struct Slot {
    slots: Arc<Slots>,
    taken_at: Instant,
    was_used: bool,
}

/// How many slots are in use, and how many calls wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Requests that hold a slot.
    pub under_way: usize,
    /// Immediate requests that wait for a slot.
    pub waiting: usize,
}

/// Too many calls wait, or the wait for a slot would be or was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// How long until a further call would get a slot, at the present rate.
    pub(super) retry_after: Duration,
}

impl Slots {
    /// Creates free slots, for which at most `waiting` calls wait.
    pub(super) fn new(slots: usize, waiting: usize, wake: Arc<Notify>) -> Self {
        Self { queue: Mutex::new(SlotQueue::new(slots, waiting, Instant::now())), wake }
    }

    /// Checks that a call may enter the queue now.
    pub(super) fn check_room(&self, priority: Priority, patience: Duration) -> Result<(), Full> {
        self.lock_with_room(priority, patience).map(drop)
    }

    fn lock_with_room(&self, priority: Priority, patience: Duration) -> Result<LockedQueue<'_>, Full> {
        let (now, mut queue) = (Instant::now(), self.lock());
        if queue.check_room(priority, patience, now).is_err() {
            queue.retain(|call| !call.is_closed());
            queue.check_room(priority, patience, now)?;
        }
        Ok(queue)
    }

    /// Takes a slot for a call, after waiting at most `patience`.
    pub(super) async fn enter(self: &Arc<Self>, priority: Priority, patience: Duration) -> Result<Slot, Full> {
        let waiting = {
            let mut queue = self.lock_with_room(priority, patience)?;
            let now = Instant::now();
            match queue.enter(now) {
                Entry::Go => return Ok(self.slot(now)),
                Entry::Wait => {
                    let (call, slot) = oneshot::channel();
                    queue.wait(priority, call);
                    slot
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(self.lock().full(priority, Instant::now())),
        }
    }

    /// Takes the slots that the processing run may use now.
    pub(super) fn take_for_run(self: &Arc<Self>) -> Vec<Slot> {
        let now = Instant::now();
        let count = self.lock().take_for_run(now);
        (0..count).map(|_| self.slot(now)).collect()
    }

    /// Counts the slots held and the calls that wait.
    pub(super) fn load(&self) -> Load {
        let queue = self.lock();
        Load { under_way: queue.held(), waiting: queue.waiting().filter(|call| !call.is_closed()).count() }
    }

    /// Returns the slots reserved for the processing run to the calls, since no request is due.
    pub(super) fn run_is_idle(self: &Arc<Self>) {
        let mut queue = self.lock();
        queue.run_is_idle();
        self.give(queue);
    }

    /// Gives the free slots to the next in the queue.
    fn give(self: &Arc<Self>, mut queue: LockedQueue<'_>) {
        let (now, mut calls, mut is_runs) = (Instant::now(), Vec::new(), false);
        loop {
            match queue.next(now) {
                // The client has gone, or the call waited too long.
                Next::Call(call) if call.is_closed() => queue.put_back(now),
                Next::Call(call) => calls.push(call),
                Next::Run => is_runs = true,
                Next::Nobody => break,
            }
        }
        drop(queue);
        for call in calls {
            // If the call has just left, the slot is dropped, and goes to the next call.
            drop(call.send(self.slot(now)));
        }
        if is_runs {
            self.wake.notify_one();
        }
    }

    fn slot(self: &Arc<Self>, taken_at: Instant) -> Slot {
        Slot { slots: Arc::clone(self), taken_at, was_used: false }
    }

    fn lock(&self) -> LockedQueue<'_> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Gives the slot back after an attempt; the time held counts in the estimate of waiting times.
    pub(super) fn leave(mut self) {
        self.was_used = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queue = self.slots.lock();
        if self.was_used {
            queue.note_pace(self.taken_at.elapsed());
        }
        queue.put_back(self.taken_at);
        self.slots.give(queue);
    }
}
