//! Places to send from: so many requests are under way at the same time, so many calls wait for that, and every further
//! one is told at once when to come again, before anything was accepted for it.
//!
//! Rule: while the processing run has due requests, the places that become free go to it and to the calls that wait by
//! turns, so that neither keeps the other from going on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::pace::Pace;

/// All places.
pub(super) struct Places {
    turns: Mutex<Turns<oneshot::Sender<Place>>>,
    /// Wakes the processing run.
    wake: Arc<Notify>,
}

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
    pub(super) fn check_room(&self, patience: Duration) -> Result<(), Full> {
        let mut turns = self.lock();
        turns.waiting.retain(|call| !call.is_closed());
        turns.check_room(Instant::now(), patience)
    }

    /// A place for a call, which waits for one if it may, but not longer than `patience`.
    pub(super) async fn enter(self: &Arc<Self>, patience: Duration) -> Result<Place, Full> {
        let waiting = {
            let (now, mut turns) = (Instant::now(), self.lock());
            turns.waiting.retain(|call| !call.is_closed());
            match turns.enter(now, patience)? {
                Entry::Go => return Ok(self.place(now)),
                Entry::Wait => {
                    let (call, place) = oneshot::channel();
                    turns.waiting.push_back(call);
                    place
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.lock().full(Instant::now())),
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
        let under_way = turns.places - turns.free - turns.for_run;
        Load { under_way, waiting: turns.waiting.iter().filter(|call| !call.is_closed()).count() }
    }

    /// Nothing is due any more: what was set aside for the run is for calls.
    pub(super) fn run_is_idle(self: &Arc<Self>) {
        let mut turns = self.lock();
        turns.run_is_idle();
        self.give(turns);
    }

    /// Gives what is free to whoever is next.
    fn give(self: &Arc<Self>, mut turns: MutexGuard<'_, Turns<oneshot::Sender<Place>>>) {
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

    fn lock(&self) -> MutexGuard<'_, Turns<oneshot::Sender<Place>>> {
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
            turns.pace.note(self.taken_at.elapsed());
        }
        turns.put_back(self.taken_at);
        self.places.give(turns);
    }
}

/// Who goes next. Told what happens and when, it does nothing by itself.
struct Turns<W> {
    places: usize,
    most_waiting: usize,
    /// Places that nobody has.
    free: usize,
    /// Places that the run may fetch.
    for_run: usize,
    waiting: VecDeque<W>,
    /// The run has due requests that wait for a place.
    is_crowded: bool,
    was_runs_turn: bool,
    /// How long a place is held, and since when those are that are held now: their sum, counted from `origin`.
    pace: Pace,
    origin: Instant,
    taken: Duration,
}

/// What a call is to do.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Go,
    Wait,
}

/// Whose place it is that became free.
#[derive(Debug, PartialEq, Eq)]
enum Next<W> {
    Call(W),
    Run,
    Nobody,
}

impl<W> Turns<W> {
    fn new(places: usize, most_waiting: usize, origin: Instant) -> Self {
        Self {
            places,
            most_waiting,
            free: places,
            for_run: 0,
            waiting: VecDeque::new(),
            is_crowded: false,
            was_runs_turn: false,
            pace: Pace::default(),
            origin,
            taken: Duration::ZERO,
        }
    }

    fn enter(&mut self, now: Instant, patience: Duration) -> Result<Entry, Full> {
        self.check_room(now, patience)?;
        if self.free == 0 {
            return Ok(Entry::Wait);
        }
        self.take(1, now);
        Ok(Entry::Go)
    }

    fn check_room(&self, now: Instant, patience: Duration) -> Result<(), Full> {
        let full = self.full(now);
        // Half of it: whoever waits is to get a place, also when things go slower than they did.
        let may_wait = self.waiting.len() < self.most_waiting && full.retry_after <= patience / 2;
        if self.free > 0 || may_wait { Ok(()) } else { Err(full) }
    }

    /// How long one waits that comes behind all others.
    fn full(&self, now: Instant) -> Full {
        let held = self.places - self.free - self.for_run;
        let since = now.saturating_duration_since(self.origin);
        let all = since.saturating_mul(u32::try_from(held).unwrap_or(u32::MAX)).saturating_sub(self.taken);
        let so_far = all / u32::try_from(held).unwrap_or(u32::MAX).max(1);
        let turns = if self.is_crowded { 2 } else { 1 };
        Full { retry_after: self.pace.time_for(turns * (self.waiting.len() + 1), self.places, so_far) }
    }

    fn take_for_run(&mut self, now: Instant) -> usize {
        self.is_crowded = true;
        self.free += std::mem::take(&mut self.for_run);
        let count = self.free;
        self.take(count, now);
        count
    }

    fn run_is_idle(&mut self) {
        self.is_crowded = false;
        self.free += std::mem::take(&mut self.for_run);
    }

    fn take(&mut self, count: usize, now: Instant) {
        self.free -= count;
        let since = now.saturating_duration_since(self.origin);
        self.taken += since.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn put_back(&mut self, taken_at: Instant) {
        self.taken = self.taken.saturating_sub(taken_at.saturating_duration_since(self.origin));
        self.free += 1;
    }

    /// Gives a free place to whoever is next.
    fn next(&mut self, now: Instant) -> Next<W> {
        if self.free == 0 {
            return Next::Nobody;
        }
        let is_runs_turn = self.is_crowded && (!self.was_runs_turn || self.waiting.is_empty());
        self.was_runs_turn = is_runs_turn;
        if is_runs_turn {
            self.free -= 1;
            self.for_run += 1;
            return Next::Run;
        }
        match self.waiting.pop_front() {
            Some(call) => {
                self.take(1, now);
                Next::Call(call)
            }
            None => Next::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIT_TIMEOUT: Duration = Duration::from_secs(30);

    fn turns(places: usize, waiting: usize) -> (Turns<u32>, impl Fn(u64) -> Instant) {
        let origin = Instant::now();
        (Turns::new(places, waiting, origin), move |seconds| origin + Duration::from_secs(seconds))
    }

    fn wait(turns: &mut Turns<u32>, call: u32, now: Instant) {
        assert_eq!(turns.enter(now, ADMIT_TIMEOUT), Ok(Entry::Wait));
        turns.waiting.push_back(call);
    }

    #[test]
    fn so_many_go_so_many_wait_in_their_order_and_the_others_are_told_when_to_come() {
        let (mut turns, at) = turns(2, 2);
        assert_eq!(
            [turns.enter(at(0), ADMIT_TIMEOUT), turns.enter(at(2), ADMIT_TIMEOUT)],
            [Ok(Entry::Go), Ok(Entry::Go)]
        );
        wait(&mut turns, 1, at(2));
        wait(&mut turns, 2, at(2));
        // Two have been under way for 4 and 2 s, three are to come, two at a time.
        assert_eq!(turns.enter(at(4), ADMIT_TIMEOUT), Err(Full { retry_after: Duration::from_millis(4500) }));
        turns.pace.note(Duration::from_secs(4));
        turns.put_back(at(0));
        assert_eq!((turns.next(at(4)), turns.next(at(4))), (Next::Call(1), Next::Nobody));
        turns.put_back(at(2));
        assert_eq!((turns.next(at(4)), turns.next(at(4))), (Next::Call(2), Next::Nobody));
        turns.put_back(at(4));
        assert_eq!(turns.next(at(5)), Next::Nobody);
        assert_eq!(turns.enter(at(5), ADMIT_TIMEOUT), Ok(Entry::Go));
    }

    #[test]
    fn none_waits_who_would_wait_too_long() {
        let (mut turns, at) = turns(1, 10);
        turns.pace.note(Duration::from_secs(10));
        assert_eq!(turns.enter(at(0), ADMIT_TIMEOUT), Ok(Entry::Go));
        wait(&mut turns, 1, at(0));
        assert_eq!(turns.enter(at(0), ADMIT_TIMEOUT), Err(Full { retry_after: Duration::from_secs(20) }));
    }

    #[test]
    fn the_run_and_the_calls_go_by_turns() {
        let (mut turns, at) = turns(1, 10);
        assert_eq!(turns.take_for_run(at(0)), 1);
        (1..=2).for_each(|call| wait(&mut turns, call, at(0)));
        let mut order = Vec::new();
        for _ in 0..4 {
            turns.put_back(at(0));
            order.push(turns.next(at(0)));
            if order.last() == Some(&Next::Run) {
                assert_eq!(turns.enter(at(0), ADMIT_TIMEOUT), Ok(Entry::Wait), "it is set aside");
                assert_eq!(turns.take_for_run(at(0)), 1);
            }
        }
        assert_eq!(order, [Next::Run, Next::Call(1), Next::Run, Next::Call(2)]);
        turns.put_back(at(0));
        assert_eq!(turns.next(at(0)), Next::Run);
        turns.run_is_idle();
        assert_eq!(turns.enter(at(0), ADMIT_TIMEOUT), Ok(Entry::Go));
    }
}
