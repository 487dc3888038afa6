//! Leases: which node may work on a request, and for how long.
//!
//! Rule: a node keeps all its leases at once, by a sign of life that it renews in time. One that did not is dead, and stays
//! so: another node takes its requests over, with leases of its own. Each lease of a request has a greater token than the
//! one before, and only what comes with the present one is committed.

use std::sync::Arc;

use crate::request::{ProvisioningRequest, random_hex};

/// A life of a gateway: from its start, or from when it was found dead, to its end.
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

/// The right to work on a request, until the owner dies or the attempt is committed.
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
    /// Others of the same content that join its call.
    pub joined: Vec<LeasedRequest>,
}

/// Requests in the order in which they were leased, as the calls that they are sent in; `sizes` has the requests of each call.
pub(super) fn into_calls(leased: Vec<LeasedRequest>, sizes: &[usize]) -> Vec<LeasedCall> {
    let mut leased = leased.into_iter();
    let call = |size: &usize| {
        let first = leased.next()?;
        Some(LeasedCall { first, joined: leased.by_ref().take(size.saturating_sub(1)).collect() })
    };
    sizes.iter().map_while(call).collect()
}
