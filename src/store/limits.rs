//! The limits of callers, shared by all nodes of a store.
//!
//! Rule: the gateway can go on without these counts. An engine with one node at a time shares nothing, since that node
//! knows all calls. Shared counts may be lost with the server, just as a node's counts are lost when the node ends.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The counts of callers that all nodes share.
#[async_trait]
pub trait LimitStore: Send + Sync {
    /// Subtracts from the allowances of users the calls that they made at this node since the last time; each allowance
    /// refills by `per_second` calls a second, up to `per_second` calls. Returns the rest of each allowance, negative if
    /// overdrawn; `None` if no other node shares the store.
    async fn take_allowances(
        &self,
        _taken: &[Allowance],
        _per_second: f64,
    ) -> Result<Option<Vec<Allowance>>, StoreError> {
        Ok(None)
    }
    /// Finds the attempts to sign in under each key; `None` if no other node shares the store.
    async fn find_sign_ins(&self, _keys: &SignInKeys) -> Result<Option<[SignInTrace; 3]>, StoreError> {
        Ok(None)
    }
    /// Records the end of an attempt to sign in. A failure counts for every key, and expires after `counts_for`; a
    /// success ends the failures of the first key.
    async fn note_sign_in(&self, _keys: &SignInKeys, _is_good: bool, _counts_for: Duration) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A number of a user's calls: made, or left.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    /// The user's id.
    pub user: String,
    /// The number of calls.
    pub calls: f64,
}

/// Hashes of the keys under which an attempt to sign in counts: name with address, name, address.
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
