//! Attempts to sign in, as far as this node knows them: which names and addresses have to pause, and for how long.
//!
//! Rule: the memory is bounded, and pairs that have signed in are forgotten last.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::store::SignInTrace;

/// Failures of a name at an address before a pause; fewer while the name's password is being guessed.
const FREE: u32 = 5;
const FREE_WHERE_GUESSED: u32 = 1;
/// Failures of a name at all addresses after which its password counts as being guessed.
const GUESSED: u32 = 20;
/// Failures at an address with all names after which new names have to take turns there.
const MANY: u32 = 100;
/// The first pause, which doubles with each failure, and the longest pause. `PAUSE` is also the pause between new names
/// at an address with [`MANY`] failures.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Most attempts under way for a name at an address.
const UNDER_WAY: u32 = 32;
/// How long a failure and a success are remembered.
pub(super) const FAILURE_COUNTS: Duration = Duration::from_secs(15 * 60);
const SUCCESS_COUNTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most names, addresses and pairs that are remembered.
const REMEMBERED: usize = 30_000;
/// A success is told to the other nodes again after this time.
const SUCCESS_TOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Failures and successes under keyed hashes, which only this process can compute.
#[derive(Default)]
pub(super) struct Attempts {
    seen: HashMap<u64, Seen>,
    hasher: RandomState,
}

/// The keys that an attempt counts for: the pair of name and address, the name, the address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pair: u64,
    name: u64,
    peer: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    failures: u32,
    /// Time of the last failure; for an address, of the last attempt with a new name.
    at: Instant,
    succeeded_at: Option<Instant>,
    under_way: u32,
}

impl Seen {
    fn new(at: Instant) -> Self {
        Self { failures: 0, at, succeeded_at: None, under_way: 0 }
    }

    fn failures(&self, now: Instant) -> u32 {
        if now.saturating_duration_since(self.at) > FAILURE_COUNTS { 0 } else { self.failures }
    }

    fn is_known(&self, now: Instant) -> bool {
        self.succeeded_at.is_some_and(|at| now.saturating_duration_since(at) <= SUCCESS_COUNTS)
    }

    /// Adds the store's counts for all nodes: a success ends earlier failures.
    fn learn(&mut self, failures: u32, failed: Option<Instant>, succeeded: Option<Instant>, now: Instant) {
        if succeeded > self.succeeded_at {
            self.succeeded_at = succeeded;
            if succeeded > Some(self.at) {
                self.failures = 0;
            }
        }
        if let Some(failed) = failed.filter(|_| failures > 0) {
            (self.failures, self.at) = (self.failures(now).max(failures), self.at.max(failed));
        }
    }

    /// The rest of a pause that began with the last failure.
    fn left(&self, pause: Duration, now: Instant) -> Option<Duration> {
        pause.checked_sub(now.saturating_duration_since(self.at)).filter(|left| !left.is_zero())
    }
}

impl Attempts {
    pub(super) fn keys(&self, name: &str, peer: Peer) -> Keys {
        let of = |name: Option<&str>, peer: Option<Peer>| self.hasher.hash_one((name, peer));
        Keys { pair: of(Some(name), Some(peer)), name: of(Some(name), None), peer: of(None, Some(peer)) }
    }

    /// True if the pair has signed in before.
    ///
    /// # Errors
    /// The pause until the pair may try again.
    pub(super) fn check(&self, keys: Keys, now: Instant) -> Result<bool, Duration> {
        let seen = |key| self.seen.get(&key).copied().unwrap_or_else(|| Seen::new(now));
        let (pair, name, peer) = (seen(keys.pair), seen(keys.name), seen(keys.peer));
        let is_known = pair.is_known(now);
        let free = if name.failures(now) >= GUESSED && !is_known { FREE_WHERE_GUESSED } else { FREE };
        if let Some(more) = pair.failures(now).checked_sub(free) {
            let pause = PAUSE.saturating_mul(2u32.saturating_pow(more)).min(LONGEST_PAUSE);
            if let Some(left) = pair.left(pause, now).or((pair.under_way > 0).then_some(PAUSE)) {
                return Err(left);
            }
        } else if pair.under_way >= UNDER_WAY {
            return Err(PAUSE);
        }
        match peer.left(PAUSE, now) {
            Some(left) if !is_known && peer.failures(now) >= MANY => Err(left),
            _ => Ok(is_known),
        }
    }

    /// Begins an attempt, if [`Attempts::check`] allows it.
    pub(super) fn begin(&mut self, keys: Keys, now: Instant) -> Result<bool, Duration> {
        let is_known = self.check(keys, now)?;
        if !is_known && self.seen.get(&keys.peer).is_some_and(|peer| peer.failures(now) >= MANY) {
            self.remember(keys.peer, now).at = now;
        }
        self.remember(keys.pair, now).under_way += 1;
        Ok(is_known)
    }

    /// Adds the store's counts for all nodes.
    pub(super) fn learn(&mut self, keys: Keys, traces: [SignInTrace; 3], now: Instant) {
        for (key, trace) in [keys.pair, keys.name, keys.peer].into_iter().zip(traces) {
            let at = |ago: Option<Duration>| now.checked_sub(ago?);
            let (failed, succeeded) = (at(trace.failed_ago), at(trace.succeeded_ago));
            if let Some(first) = failed.min(succeeded).or(failed).or(succeeded) {
                let is_new = !self.seen.contains_key(&key);
                let seen = self.remember(key, now);
                if is_new {
                    seen.at = first;
                }
                seen.learn(trace.failures, failed, succeeded, now);
            }
        }
    }

    /// Counts the result of an attempt; returns true if the other nodes have to know.
    pub(super) fn end(&mut self, keys: Keys, is_good: bool, now: Instant) -> bool {
        if is_good {
            let pair = self.remember(keys.pair, now);
            let was_told = pair.succeeded_at.is_some_and(|at| now.saturating_duration_since(at) < SUCCESS_TOLD);
            let is_news = pair.failures > 0 || !was_told;
            // A success that was told long ago is to be told again.
            let at = if is_news { now } else { pair.succeeded_at.unwrap_or(now) };
            (pair.failures, pair.succeeded_at) = (0, Some(at));
            return is_news;
        }
        for key in [keys.pair, keys.name, keys.peer] {
            let seen = self.remember(key, now);
            (seen.failures, seen.at) = (seen.failures(now).saturating_add(1), now);
        }
        true
    }

    pub(super) fn leave(&mut self, keys: Keys) {
        if let Some(pair) = self.seen.get_mut(&keys.pair) {
            pair.under_way = pair.under_way.saturating_sub(1);
            if pair.under_way == 0 && pair.failures == 0 && pair.succeeded_at.is_none() {
                self.seen.remove(&keys.pair);
            }
        }
    }

    /// Makes room for many new entries at a time: a search for each new entry would take too long.
    fn forget_oldest(&mut self, now: Instant) {
        let Some(too_many) = self.seen.len().checked_sub(REMEMBERED - REMEMBERED / 8) else { return };
        let mut all: Vec<_> =
            self.seen.iter().map(|(key, seen)| (seen.is_known(now), seen.under_way > 0, seen.at, *key)).collect();
        all.sort_unstable();
        for (.., key) in all.into_iter().take(too_many) {
            self.seen.remove(&key);
        }
    }

    /// The entry of a key. A full table first loses the entries that have no effect any more, then the oldest.
    fn remember(&mut self, key: u64, now: Instant) -> &mut Seen {
        if self.seen.len() >= REMEMBERED && !self.seen.contains_key(&key) {
            self.seen.retain(|_, seen| seen.under_way > 0 || seen.failures(now) > 0 || seen.is_known(now));
            self.forget_oldest(now);
        }
        self.seen.entry(key).or_insert_with(|| Seen::new(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Guard(Attempts, Instant);

    impl Guard {
        fn keys(&self, name: &str, host: u16) -> Keys {
            let [high, low] = host.to_be_bytes();
            self.0.keys(name, Peer::from(std::net::IpAddr::from([192, 0, high, low])))
        }

        /// Makes a whole attempt; `Err` is the pause if the attempt is not admitted.
        fn attempt(&mut self, name: &str, host: u16, is_good: bool, millis: u64) -> Result<bool, Duration> {
            let (keys, now) = (self.keys(name, host), self.1 + Duration::from_millis(millis));
            let is_known = self.0.begin(keys, now)?;
            self.0.end(keys, is_good, now);
            self.0.leave(keys);
            Ok(is_known)
        }
    }

    #[test]
    fn who_guesses_pauses_longer_and_longer_and_the_same_name_from_elsewhere_gets_in() {
        let mut guard = Guard(Attempts::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(guard.attempt("u", 1, false, 0), Ok(false));
        }
        assert_eq!(guard.attempt("u", 1, true, 0), Err(Duration::from_secs(1)));
        assert_eq!(guard.attempt("u", 1, false, 999), Err(Duration::from_millis(1)), "what is refused does not count");
        assert_eq!(guard.attempt("u", 1, false, 1000), Ok(false));
        assert_eq!(guard.attempt("u", 1, false, 1000), Err(Duration::from_secs(2)));
        for host in 2..22 {
            assert_eq!(guard.attempt("u", host, false, 1000), Ok(false));
        }
        // The name now counts as being guessed from everywhere: one attempt each, and a good password gets in.
        assert_eq!(guard.attempt("u", 30, false, 1000), Ok(false));
        assert_eq!(guard.attempt("u", 30, false, 1000), Err(Duration::from_secs(1)));
        assert_eq!(guard.attempt("u", 31, true, 1000), Ok(false));
        assert_eq!(guard.attempt("u", 31, true, 1000), Ok(true));
        assert_eq!(guard.attempt("u", 1, true, 1_000_000), Ok(false), "failures are forgotten");
    }

    #[test]
    fn an_address_that_fails_with_many_names_may_try_new_ones_now_and_then() {
        let mut guard = Guard(Attempts::default(), Instant::now());
        assert_eq!(guard.attempt("known", 1, true, 0), Ok(false));
        for n in 0..100 {
            assert_eq!(guard.attempt(&format!("n{n}"), 1, false, 0), Ok(false));
        }
        assert_eq!(guard.attempt("new", 1, true, 1), Err(Duration::from_millis(999)));
        assert_eq!(guard.attempt("known", 1, true, 1), Ok(true), "who signed in there before does not notice");
        assert_eq!(guard.attempt("new", 2, true, 1), Ok(false), "nor does another address");
        assert_eq!(guard.attempt("new", 1, true, 1000), Ok(false));
    }

    #[test]
    fn what_is_under_way_is_bounded_and_so_is_the_memory() {
        let mut guard = Guard(Attempts::default(), Instant::now());
        let (keys, now) = (guard.keys("u", 1), guard.1);
        for _ in 0..UNDER_WAY {
            assert_eq!(guard.0.begin(keys, now), Ok(false));
        }
        assert_eq!(guard.0.begin(keys, now), Err(PAUSE));
        (0..UNDER_WAY).for_each(|_| guard.0.leave(keys));
        assert!(guard.0.seen.is_empty(), "what came to nothing leaves nothing");
        assert_eq!(guard.attempt("known", 9, true, 0), Ok(false));
        for n in 0..20_000u16 {
            guard.attempt(&format!("n{n}"), n, false, u64::from(n)).unwrap();
        }
        assert!(guard.0.seen.len() <= REMEMBERED);
        assert_eq!(guard.attempt("known", 9, true, 20_000), Ok(true), "a flood does not make anybody a stranger");
    }
}
