//! Limits attempts to sign in: guessing passwords becomes slow, but users can still sign in.
//!
//! Rule: failures count against the pair of user name and address, which has to pause longer and longer. The same name
//! may sign in from other addresses, with fewer free failures while its password is being guessed. An address that failed
//! with many names may try a new name only now and then. A pair that signed in before is exempt from both limits, and its
//! password checks have slots of their own. Unknown names count like known names. Nodes of one store count together:
//! before a password check an admitted attempt is also looked up in the store, and a failure is stored before the client
//! gets the error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, Code};
use super::guesses::{Attempts, FAILURE_COUNTS, Keys};
use crate::pace::Pace;
use crate::peer::Peer;
use crate::store::{LimitStore, SignInKeys, StoreError};

/// The number of password checks at the same time (each takes 19 MiB and tens of milliseconds), and how many of them may
/// be for pairs that never signed in.
const CHECKS: usize = 2;
const CHECKS_OF_STRANGERS: usize = 1;
/// The number of checks that may wait, separately for unknown and known pairs, and the longest wait.
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

/// An attempt under way; if dropped before [`Attempt::end`], neither a failure nor a success is counted.
pub(super) struct Attempt {
    attempts: Arc<Mutex<Attempts>>,
    keys: Keys,
    /// The keys of the counts that nodes share.
    shared: SignInKeys,
    /// Has the name signed in from this address before?
    is_known: bool,
}

/// An attempt that this node has counted.
pub(super) struct Ended {
    keys: SignInKeys,
    is_good: bool,
    /// Do the other nodes have to know?
    is_news: bool,
}

/// A slot for one password check.
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
    /// Begins an attempt of a name (or a key) from an address.
    ///
    /// # Errors
    /// TOO_MANY_REQUESTS after too many failures, or the store.
    pub(super) async fn begin(
        &self,
        store: &dyn LimitStore,
        name: &str,
        peer: Peer,
        now: Instant,
    ) -> Result<Attempt, ApiError> {
        let too_many = |pause| {
            let message = "Too many attempts to sign in have failed; pause before the next one.";
            ApiError::later(Code::TooManyRequests, message, pause)
        };
        let keys = lock(&self.attempts).keys(name, peer);
        // The node's own counts are checked first: a client that has to pause causes no query of the store.
        lock(&self.attempts).check(keys, now).map_err(too_many)?;
        let shared = shared_keys(name, peer);
        let traces = store.find_sign_ins(&shared).await?;
        let mut attempts = lock(&self.attempts);
        if let Some(traces) = traces {
            attempts.learn(keys, traces, now);
        }
        let is_known = attempts.begin(keys, now).map_err(too_many)?;
        Ok(Attempt { attempts: Arc::clone(&self.attempts), keys, shared, is_known })
    }

    /// Waits for a slot to check a password.
    ///
    /// # Errors
    /// TOO_MANY_REQUESTS if too many checks wait.
    pub(super) async fn turn(&self, attempt: &Attempt) -> Result<Turn, ApiError> {
        let ([known, strangers], is_known) = (&self.waiting, attempt.is_known);
        let (queue, at_once) = if is_known { (known, CHECKS) } else { (strangers, CHECKS_OF_STRANGERS) };
        let full = || {
            let wait = lock(&self.pace).time_for(WAITING - queue.available_permits() + 1, at_once, Duration::ZERO);
            ApiError::later(Code::TooManyRequests, "Too many users are signing in at once.", wait)
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
    /// Ends the attempt, and counts its result at this node; [`Ended::tell`] tells the other nodes.
    pub(super) fn end(self, is_good: bool, now: Instant) -> Ended {
        let is_news = lock(&self.attempts).end(self.keys, is_good, now);
        Ended { keys: self.shared, is_good, is_news }
    }
}

impl Ended {
    /// Tells the other nodes through the store; if that fails, the attempt ends all the same.
    pub(super) async fn tell(self, store: &dyn LimitStore) {
        let told: Result<(), StoreError> = match self.is_news {
            true => store.note_sign_in(&self.keys, self.is_good, FAILURE_COUNTS).await,
            false => Ok(()),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the other nodes do not know of an attempt to sign in");
        }
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

/// The hashed keys under which the store counts an attempt, so that it has neither names nor addresses.
fn shared_keys(name: &str, peer: Peer) -> SignInKeys {
    let hash = |kind: &str, text: String| {
        Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize().into()
    };
    [hash("pair", format!("{peer:?} {name}")), hash("name", name.to_owned()), hash("peer", format!("{peer:?}"))]
}
