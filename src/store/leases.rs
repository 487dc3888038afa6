//! Leases: which node may work on a request, and for how long.
//!
//! Rule: a node extends all its leases at once, by renewing its sign of life. A node that did not renew in time is dead
//! for good: another node takes over its requests, with new leases. Each lease of a request has a greater token than
//! the lease before, and a commit needs the present lease.

use std::sync::Arc;

use crate::request::{ProvisioningRequest, random_hex};

/// The id of one life of a gateway: from its start, or from the moment it was found dead, to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_hex().into())
    }

    #[cfg(test)]
    pub(super) fn named(id: &str) -> Self {
        Self(id.into())
    }

    /// The text that is stored, and shown as `process_id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The right to work on a request, until the owner is found dead or the attempt is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The node that has the lease.
    pub owner: NodeId,
    /// Ascends with each lease of the request, so that an old lease can be told from the present lease.
    pub token: i64,
}

/// A request, and the right to work on it.
#[derive(Clone, Debug)]
pub struct LeasedRequest {
    /// The record.
    pub request: ProvisioningRequest,
    /// The lease.
    pub lease: Lease,
}

/// Requests that are sent in one call.
#[derive(Clone, Debug)]
pub struct LeasedCall {
    /// The request whose turn it is.
    pub first: LeasedRequest,
    /// Other requests with the same content that join the call.
    pub joined: Vec<LeasedRequest>,
}

/// Groups leased requests, in the order of their leases, into calls; `sizes` has the number of requests per call.
pub(super) fn into_calls(leased: Vec<LeasedRequest>, sizes: &[usize]) -> Vec<LeasedCall> {
    let mut leased = leased.into_iter();
    let call = |size: &usize| {
        let first = leased.next()?;
        Some(LeasedCall { first, joined: leased.by_ref().take(size.saturating_sub(1)).collect() })
    };
    sizes.iter().map_while(call).collect()
}
