//! The queue for slots as pure state: EXPRESS calls before REGULAR calls, each in the order of arrival.
//!
//! Rule: while the processing run has due requests, free slots go to the run and to waiting calls alternately, so that neither
//! starves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::slots::Full;
use crate::pace::Pace;
use crate::request::Priority;

/// The queue for slots; callers report each event and its time.
pub(super) struct SlotQueue<W> {
    slots: usize,
    most_waiting: usize,
    /// Slots that are free.
    free: usize,
    /// Slots set aside for the processing run.
    for_run: usize,
    /// The waiting calls, EXPRESS first.
    waiting: BTreeMap<Priority, VecDeque<W>>,
    /// Does the processing run have due requests that wait for a slot?
    is_crowded: bool,
    was_runs_turn: bool,
    /// How long slots are held. `taken` is the sum of the moments, counted from `origin`, at which the held slots were
    /// taken.
    pace: Pace,
    origin: Instant,
    taken: Duration,
}

/// Has a call a slot, or must it wait?
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Go,
    Wait,
}

/// Who gets a free slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<W> {
    Call(W),
    Run,
    Nobody,
}

impl<W> SlotQueue<W> {
    pub(super) fn new(slots: usize, most_waiting: usize, origin: Instant) -> Self {
        Self {
            slots,
            most_waiting,
            free: slots,
            for_run: 0,
            waiting: BTreeMap::new(),
            is_crowded: false,
            was_runs_turn: false,
            pace: Pace::default(),
            origin,
            taken: Duration::ZERO,
        }
    }

    /// Takes a slot for a new call, if one is free.
    pub(super) fn enter(&mut self, now: Instant) -> Entry {
        if self.free == 0 {
            return Entry::Wait;
        }
        self.take(1, now);
        Entry::Go
    }

    pub(super) fn wait(&mut self, priority: Priority, call: W) {
        self.waiting.entry(priority).or_default().push_back(call);
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &W> {
        self.waiting.values().flatten()
    }

    /// Removes the calls that no longer wait.
    pub(super) fn retain(&mut self, mut is_waiting: impl FnMut(&W) -> bool) {
        self.waiting.values_mut().for_each(|calls| calls.retain(&mut is_waiting));
    }

    /// Checks that a call may enter: a slot is free, or the wait would be short enough.
    pub(super) fn check_room(&self, priority: Priority, patience: Duration, now: Instant) -> Result<(), Full> {
        if self.free > 0 {
            return Ok(());
        }
        let full = self.full(priority, now);
        let waiting: usize = self.waiting.values().map(VecDeque::len).sum();
        // Half of the patience, so that a waiting call gets a slot even if attempts become slower.
        let may_wait = waiting < self.most_waiting && full.retry_after <= patience / 2;
        if may_wait { Ok(()) } else { Err(full) }
    }

    /// The number of slots held.
    pub(super) fn held(&self) -> usize {
        self.slots - self.free - self.for_run
    }

    /// Estimates how long a new call with this priority would wait.
    pub(super) fn full(&self, priority: Priority, now: Instant) -> Full {
        let held = self.held();
        let since = now.saturating_duration_since(self.origin);
        let all = since.saturating_mul(u32::try_from(held).unwrap_or(u32::MAX)).saturating_sub(self.taken);
        let so_far = all / u32::try_from(held).unwrap_or(u32::MAX).max(1);
        let turns = if self.is_crowded { 2 } else { 1 };
        let before: usize = self.waiting.range(..=priority).map(|(_, calls)| calls.len()).sum();
        Full { retry_after: self.pace.time_for(turns * (before + 1), self.slots, so_far) }
    }

    pub(super) fn take_for_run(&mut self, now: Instant) -> usize {
        self.is_crowded = true;
        self.free += std::mem::take(&mut self.for_run);
        let count = self.free;
        self.take(count, now);
        count
    }

    pub(super) fn run_is_idle(&mut self) {
        self.is_crowded = false;
        self.free += std::mem::take(&mut self.for_run);
    }

    fn take(&mut self, count: usize, now: Instant) {
        self.free -= count;
        let since = now.saturating_duration_since(self.origin);
        self.taken += since.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(super) fn put_back(&mut self, taken_at: Instant) {
        self.taken = self.taken.saturating_sub(taken_at.saturating_duration_since(self.origin));
        self.free += 1;
    }

    /// Notes how long a slot was held.
    pub(super) fn note_pace(&mut self, took: Duration) {
        self.pace.note(took);
    }

    /// Gives a free slot to the next in the queue.
    pub(super) fn next(&mut self, now: Instant) -> Next<W> {
        if self.free == 0 {
            return Next::Nobody;
        }
        let calls = self.waiting.values_mut().find(|calls| !calls.is_empty());
        let is_runs_turn = self.is_crowded && (!self.was_runs_turn || calls.is_none());
        self.was_runs_turn = is_runs_turn;
        if is_runs_turn {
            self.free -= 1;
            self.for_run += 1;
            return Next::Run;
        }
        match calls.and_then(VecDeque::pop_front) {
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

    fn new_queue(slots: usize, waiting: usize) -> (SlotQueue<u32>, impl Fn(u64) -> Instant) {
        let origin = Instant::now();
        (SlotQueue::new(slots, waiting, origin), move |seconds| origin + Duration::from_secs(seconds))
    }

    /// Lets a call enter.
    fn enter(queue: &mut SlotQueue<u32>, now: Instant) -> Result<Entry, Full> {
        queue.check_room(Priority::Regular, ADMIT_TIMEOUT, now)?;
        Ok(queue.enter(now))
    }

    fn wait(queue: &mut SlotQueue<u32>, call: u32, now: Instant) {
        assert_eq!(enter(queue, now), Ok(Entry::Wait));
        queue.wait(Priority::Regular, call);
    }

    #[test]
    fn so_many_go_so_many_wait_in_their_order_and_the_others_are_told_when_to_come() {
        let (mut queue, at) = new_queue(2, 2);
        assert_eq!([enter(&mut queue, at(0)), enter(&mut queue, at(2))], [Ok(Entry::Go), Ok(Entry::Go)]);
        wait(&mut queue, 1, at(2));
        wait(&mut queue, 2, at(2));
        // Two calls have been under way for 4 and 2 s, three are to come, two at a time.
        assert_eq!(enter(&mut queue, at(4)), Err(Full { retry_after: Duration::from_millis(4500) }));
        queue.pace.note(Duration::from_secs(4));
        queue.put_back(at(0));
        assert_eq!((queue.next(at(4)), queue.next(at(4))), (Next::Call(1), Next::Nobody));
        queue.put_back(at(2));
        assert_eq!((queue.next(at(4)), queue.next(at(4))), (Next::Call(2), Next::Nobody));
        queue.put_back(at(4));
        assert_eq!(queue.next(at(5)), Next::Nobody);
        assert_eq!(enter(&mut queue, at(5)), Ok(Entry::Go));
    }

    #[test]
    fn none_waits_who_would_wait_too_long() {
        let (mut queue, at) = new_queue(1, 10);
        queue.pace.note(Duration::from_secs(10));
        assert_eq!(enter(&mut queue, at(0)), Ok(Entry::Go));
        wait(&mut queue, 1, at(0));
        assert_eq!(enter(&mut queue, at(0)), Err(Full { retry_after: Duration::from_secs(20) }));
    }

    #[test]
    fn the_run_and_the_calls_go_by_turns() {
        let (mut queue, at) = new_queue(1, 10);
        assert_eq!(queue.take_for_run(at(0)), 1);
        (1..=2).for_each(|call| wait(&mut queue, call, at(0)));
        let mut order = Vec::new();
        for _ in 0..4 {
            queue.put_back(at(0));
            order.push(queue.next(at(0)));
            if order.last() == Some(&Next::Run) {
                assert_eq!(enter(&mut queue, at(0)), Ok(Entry::Wait), "it is set aside");
                assert_eq!(queue.take_for_run(at(0)), 1);
            }
        }
        assert_eq!(order, [Next::Run, Next::Call(1), Next::Run, Next::Call(2)]);
        queue.put_back(at(0));
        assert_eq!(queue.next(at(0)), Next::Run);
        queue.run_is_idle();
        assert_eq!(enter(&mut queue, at(0)), Ok(Entry::Go));
    }

    #[test]
    fn express_calls_go_first_and_wait_for_each_other_only() {
        let (mut queue, at) = new_queue(1, 10);
        queue.pace.note(Duration::from_secs(5));
        assert_eq!(enter(&mut queue, at(0)), Ok(Entry::Go));
        let [express, regular] = [Priority::Express, Priority::Regular];
        for (priority, call) in [(regular, 1), (express, 2), (regular, 3), (express, 4)] {
            queue.wait(priority, call);
        }
        let wait = |priority| queue.full(priority, at(0)).retry_after.as_secs();
        assert_eq!([wait(express), wait(regular)], [15, 25]);
        let order = [(); 4].map(|()| {
            queue.put_back(at(0));
            queue.next(at(0))
        });
        assert_eq!(order, [2, 4, 1, 3].map(Next::Call));
    }
}
