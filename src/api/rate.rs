//! Limits the requests of each user: a token bucket that holds the requests of one second.
//!
//! Rule: no call waits for the store. Every second, nodes of one store tell each other the calls of users. A user who
//! made too many calls at several nodes at the same time has to wait until the excess is paid off. So the limit holds for
//! all nodes together, a second late.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::{ApiError, Code};
use crate::store::{Allowance, LimitStore, StoreError};

/// Most users remembered; beyond that, users with a full bucket are forgotten.
const REMEMBERED: usize = 10_000;
/// How often nodes share their counts.
pub(super) const SHARE_INTERVAL: Duration = Duration::from_secs(1);

/// The buckets of all users.
pub struct Rates {
    /// Requests per second; 0 sets no limit.
    per_second: u64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    filled_at: DateTime<Utc>,
    /// Calls made here that the other nodes do not know yet.
    untold: f64,
}

impl Bucket {
    fn fill(&mut self, per_second: f64, now: DateTime<Utc>) {
        // A clock that is set back does not fill a bucket.
        let passed = (now - self.filled_at).to_std().unwrap_or_default();
        self.left = passed.as_secs_f64().mul_add(per_second, self.left).min(per_second);
        self.filled_at = now;
    }
}

impl Rates {
    /// Buckets for `per_second` requests per user and second.
    pub fn new(per_second: u64) -> Self {
        Self { per_second, buckets: Mutex::default() }
    }

    /// Takes one request from a user's bucket.
    ///
    /// # Errors
    /// TOO_MANY_REQUESTS if the bucket is empty.
    pub fn take(&self, user: &str, now: DateTime<Utc>) -> Result<(), ApiError> {
        if !self.has_limit() {
            return Ok(());
        }
        let per_second = self.per_second();
        let mut buckets = self.buckets();
        if buckets.len() >= REMEMBERED && !buckets.contains_key(user) {
            buckets.retain(|_, bucket| {
                bucket.fill(per_second, now);
                bucket.left < per_second || bucket.untold > 0.0
            });
        }
        let bucket = buckets.entry(user.to_owned()).or_insert(Bucket { left: per_second, filled_at: now, untold: 0.0 });
        bucket.fill(per_second, now);
        if bucket.left < 1.0 {
            let message = format!("This user makes more than {} requests per second.", self.per_second);
            let until_next = Duration::from_secs_f64((1.0 - bucket.left) / per_second);
            return Err(ApiError::later(Code::TooManyRequests, message, until_next));
        }
        bucket.left -= 1.0;
        bucket.untold += 1.0;
        Ok(())
    }

    /// Tells the other nodes the calls of users at this node, and subtracts the calls at other nodes from the buckets.
    ///
    /// # Errors
    /// The store; calls that could not be told are told the next time.
    pub(super) async fn share(&self, store: &dyn LimitStore) -> Result<(), StoreError> {
        let told: Vec<_> = {
            let buckets = self.buckets();
            let told = buckets.iter().filter(|(_, bucket)| bucket.untold > 0.0);
            told.map(|(user, bucket)| Allowance { user: user.clone(), calls: bucket.untold }).collect()
        };
        if told.is_empty() {
            return Ok(());
        }
        let left = store.take_allowances(&told, self.per_second()).await?;
        let mut buckets = self.buckets();
        for Allowance { user, calls } in told {
            if let Some(bucket) = buckets.get_mut(&user) {
                bucket.untold -= calls;
            }
        }
        for Allowance { user, calls } in left.into_iter().flatten() {
            if let Some(bucket) = buckets.get_mut(&user) {
                // Calls made here meanwhile are told the next time.
                bucket.left = bucket.left.min(calls - bucket.untold);
            }
        }
        Ok(())
    }

    pub(super) fn has_limit(&self) -> bool {
        self.per_second != 0
    }

    #[expect(clippy::cast_precision_loss, reason = "a limit so large limits nothing")]
    fn per_second(&self) -> f64 {
        self.per_second as f64
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn each_user_has_a_bucket_that_fills_steadily() {
        let rates = Rates::new(2);
        let now = DateTime::UNIX_EPOCH;
        let take = |user: &str, millis| rates.take(user, now + TimeDelta::milliseconds(millis));
        let took = |user: &str, millis| take(user, millis).is_ok();
        assert_eq!([took("a", 0), took("a", 0), took("a", 0), took("b", 0)], [true, true, false, true]);
        let refused = take("a", 300).expect_err("the bucket is empty");
        assert_eq!(refused.retry_after, Some(Duration::from_millis(200)));
        assert_eq!([took("a", 499), took("a", 500), took("a", 501)], [false, true, false]);
        assert_eq!([took("a", 60_000), took("a", 60_000), took("a", 60_000)], [true, true, false]);
        assert!(Rates::new(0).take("a", now).is_ok());
    }
}
