//! Attempts to sign in: who guesses is slowed down, and nobody else is.
//!
//! Rule: failures count against the user name at the address that they came from, which has to pause longer and longer;
//! the same name from elsewhere goes on, with fewer attempts before it pauses while somebody guesses it. An address that
//! failed with many names may try new ones only now and then. Whoever signed in before, from that address, is let alone by
//! both, and has password checks that strangers do not take up. An unknown name counts like a known one.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, Code};
use crate::pace::Pace;
use crate::peer::Peer;

/// Failures of a name at an address before it has to pause; where many failed with that name, at other addresses too.
const FREE: u32 = 5;
const FREE_WHERE_GUESSED: u32 = 1;
/// Failures with a name, wherever they come from, after which somebody seems to guess its password.
const GUESSED: u32 = 20;
/// Failures at an address, whatever the names, after which new names have to take turns there.
const MANY: u32 = 100;
/// The first pause, which doubles, and the longest; and the pause between new names at an address that failed with many.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Attempts with a name at an address that may be under way at the same time.
const UNDER_WAY: u32 = 32;
/// How long a failure, and how long a success, is remembered.
const FAILURE_COUNTS: Duration = Duration::from_secs(15 * 60);
const SUCCESS_COUNTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Names, addresses and pairs of them that are remembered.
const REMEMBERED: usize = 30_000;

/// Passwords checked at the same time: each takes 19 MiB and tens of milliseconds. And those of strangers among them.
const CHECKS: usize = 2;
const CHECKS_OF_STRANGERS: usize = 1;
/// Checks that may wait, of strangers and of others; and how long.
const WAITING: usize = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// All attempts to sign in.
pub(super) struct SignIns {
    attempts: Arc<Mutex<Attempts>>,
    checks: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
    waiting: [Arc<Semaphore>; 2],
    pace: Arc<Mutex<Pace>>,
}

/// An attempt under way. Dropped without an end it counts as neither.
pub(super) struct Attempt {
    attempts: Arc<Mutex<Attempts>>,
    keys: Keys,
    /// The same name has signed in from the same address.
    is_known: bool,
}

/// The right to check a password now.
pub(super) struct Turn {
    began: Instant,
    pace: Arc<Mutex<Pace>>,
    _permits: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
}

impl Default for SignIns {
    fn default() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            attempts: Arc::default(),
            checks: semaphore(CHECKS),
            of_strangers: semaphore(CHECKS_OF_STRANGERS),
            waiting: [semaphore(WAITING), semaphore(WAITING)],
            pace: Arc::default(),
        }
    }
}

impl SignIns {
    /// Begins an attempt with a name (or a key) from an address.
    ///
    /// # Errors
    /// TOO_MANY_REQUESTS after too many failures.
    pub(super) fn begin(&self, name: &str, peer: Peer, now: Instant) -> Result<Attempt, ApiError> {
        let mut attempts = lock(&self.attempts);
        let keys = attempts.keys(name, peer);
        match attempts.begin(keys, now) {
            Ok(is_known) => Ok(Attempt { attempts: Arc::clone(&self.attempts), keys, is_known }),
            Err(pause) => {
                let message = "Too many attempts to sign in have failed; pause before the next one.";
                Err(ApiError::later(Code::TooManyRequests, message, pause))
            }
        }
    }

    /// Waits for the right to check a password.
    ///
    /// # Errors
    /// TOO_MANY_REQUESTS when too many wait.
    pub(super) async fn turn(&self, attempt: &Attempt) -> Result<Turn, ApiError> {
        let ([known, strangers], is_known) = (&self.waiting, attempt.is_known);
        let (queue, at_once) = if is_known { (known, CHECKS) } else { (strangers, CHECKS_OF_STRANGERS) };
        let full = || {
            let wait = lock(&self.pace).time_for(WAITING - queue.available_permits() + 1, at_once, Duration::ZERO);
            ApiError::later(Code::TooManyRequests, "Too many are signing in at once.", wait)
        };
        let _place = queue.try_acquire().map_err(|_| full())?;
        let permits = async {
            let strangers = Arc::clone(&self.of_strangers);
            let stranger = if is_known { None } else { Some(strangers.acquire_owned().await?) };
            Ok::<_, tokio::sync::AcquireError>((stranger, Arc::clone(&self.checks).acquire_owned().await?))
        };
        match tokio::time::timeout(LONGEST_WAIT, permits).await {
            Ok(Ok(permits)) => Ok(Turn { began: Instant::now(), pace: Arc::clone(&self.pace), _permits: permits }),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.pace).note(self.began.elapsed());
    }
}

impl Attempt {
    /// Ends it: was it good?
    pub(super) fn end(self, is_good: bool, now: Instant) {
        lock(&self.attempts).end(self.keys, is_good, now);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        lock(&self.attempts).leave(self.keys);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is remembered, by hashes that nobody else can compute.
#[derive(Default)]
struct Attempts {
    seen: HashMap<u64, Seen>,
    hasher: RandomState,
}

/// What an attempt counts for: its name at its address, its name, its address.
#[derive(Clone, Copy, Debug)]
struct Keys {
    pair: u64,
    name: u64,
    peer: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    failures: u32,
    /// When the last failure was; or for an address when a new name was last tried.
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

    /// What is left of a pause since the last failure.
    fn left(&self, pause: Duration, now: Instant) -> Option<Duration> {
        pause.checked_sub(now.saturating_duration_since(self.at)).filter(|left| !left.is_zero())
    }
}

impl Attempts {
    fn keys(&self, name: &str, peer: Peer) -> Keys {
        let of = |name: Option<&str>, peer: Option<Peer>| self.hasher.hash_one((name, peer));
        Keys { pair: of(Some(name), Some(peer)), name: of(Some(name), None), peer: of(None, Some(peer)) }
    }

    /// Begins an attempt, which tells whether it is one of somebody known; or says how long to pause.
    fn begin(&mut self, keys: Keys, now: Instant) -> Result<bool, Duration> {
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
        if !is_known && peer.failures(now) >= MANY {
            if let Some(left) = peer.left(PAUSE, now) {
                return Err(left);
            }
            self.remember(keys.peer, now).at = now;
        }
        self.remember(keys.pair, now).under_way += 1;
        Ok(is_known)
    }

    fn end(&mut self, keys: Keys, is_good: bool, now: Instant) {
        if is_good {
            let pair = self.remember(keys.pair, now);
            (pair.failures, pair.succeeded_at) = (0, Some(now));
            return;
        }
        for key in [keys.pair, keys.name, keys.peer] {
            let seen = self.remember(key, now);
            (seen.failures, seen.at) = (seen.failures(now).saturating_add(1), now);
        }
    }

    fn leave(&mut self, keys: Keys) {
        if let Some(pair) = self.seen.get_mut(&keys.pair) {
            pair.under_way = pair.under_way.saturating_sub(1);
            if pair.under_way == 0 && pair.failures == 0 && pair.succeeded_at.is_none() {
                self.seen.remove(&keys.pair);
            }
        }
    }

    /// Makes room for a while: looking at all of them for each new one would take too long.
    fn forget_oldest(&mut self, now: Instant) {
        let Some(too_many) = self.seen.len().checked_sub(REMEMBERED - REMEMBERED / 8) else { return };
        let mut all: Vec<_> =
            self.seen.iter().map(|(key, seen)| (seen.is_known(now), seen.under_way > 0, seen.at, *key)).collect();
        all.sort_unstable();
        for (.., key) in all.into_iter().take(too_many) {
            self.seen.remove(&key);
        }
    }

    /// What is known of a key; where there is too much, what is of no use any more is forgotten, or else what is oldest.
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

        /// An attempt from beginning to end; how long it has to pause if it is not let in.
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
        // By now somebody seems to guess it from everywhere: one attempt each, and a good one gets in.
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
