//! The limits of callers that nodes share, so that a limit holds for all nodes together.
//!
//! Rule: nothing here is needed to go on. A store that has one node at a time shares nothing: what that node knows is all
//! there is to know. What is shared may be lost with the server, as what a node knows is lost with its end.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The counts of callers that all nodes share.
#[async_trait]
pub trait LimitStore: Send + Sync {
    /// Takes from the allowances of users, each of which fills with `per_second` up to that, what they took at this node since
    /// the last time. What is left of each; less than 0 if they took too much. `None`: nobody shares.
    async fn take_allowances(
        &self,
        _taken: &[Allowance],
        _per_second: f64,
    ) -> Result<Option<Vec<Allowance>>, StoreError> {
        Ok(None)
    }
    /// The attempts to sign in under each key. `None`: no other node shares the store.
    async fn find_sign_ins(&self, _keys: &SignInKeys) -> Result<Option<[SignInTrace; 3]>, StoreError> {
        Ok(None)
    }
    /// Notes the end of an attempt: a failure counts for every key, and one that is older than `counts_for` does not count any
    /// more; a success ends the failures of the first key.
    async fn note_sign_in(&self, _keys: &SignInKeys, _is_good: bool, _counts_for: Duration) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Calls of a user: taken, or left.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    /// The user's id.
    pub user: String,
    /// Calls.
    pub calls: f64,
}

/// Hashes of what an attempt to sign in counts for: name and address together, the name, the address.
pub type SignInKeys = [[u8; 32]; 3];

/// The attempts to sign in under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInTrace {
    /// Failures in a row.
    pub failures: u32,
    /// Time since the last failure.
    pub failed_ago: Option<Duration>,
    /// Time since the last success.
    pub succeeded_ago: Option<Duration>,
}
