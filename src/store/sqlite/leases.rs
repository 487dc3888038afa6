//! Tells live nodes from dead ones, and takes over the requests that dead nodes left under way.
//!
//! One process has the data folder to itself (`files::lock`), so it keeps the live nodes in memory: every unknown owner
//! of a lease was a process that has ended. So neither a changed date nor a disk that cannot be written ends a lease. (An
//! engine for several machines keeps the signs of life in a table, by its own clock.)

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::request_read;
use crate::request::Family;
use crate::store::{Lease, LeasedRequest, NodeId, StoreError};

/// The nodes that this process has heard of.
#[derive(Default)]
pub(super) struct Nodes {
    /// When the leases of each live node end.
    alive: HashMap<NodeId, Instant>,
    /// Nodes found dead; they stay dead.
    dead: HashSet<NodeId>,
    /// All requests of dead nodes were taken over.
    is_taken_over: bool,
}

impl Nodes {
    pub(super) fn renew(&mut self, node: &NodeId, lease_time: Duration) -> bool {
        if self.dead.contains(node) {
            return false;
        }
        self.alive.insert(node.clone(), Instant::now() + lease_time);
        true
    }

    /// Finds dead nodes; returns the live nodes if a dead node may have left requests under way, or else `None`.
    pub(super) fn find_dead(&mut self) -> Option<Vec<NodeId>> {
        let now = Instant::now();
        let dead: Vec<_> = self.alive.extract_if(|_, until| *until <= now).map(|(node, _)| node).collect();
        self.is_taken_over &= dead.is_empty();
        self.dead.extend(dead);
        (!self.is_taken_over).then(|| self.alive.keys().cloned().collect())
    }

    /// Notes that only the nodes in `alive` still have leases.
    pub(super) fn note_taken_over(&mut self, alive: &[NodeId]) {
        self.is_taken_over = alive.iter().all(|node| self.alive.contains_key(node));
    }
}

/// Leases to `node` the requests leased to nodes that are not in `alive`; requests that waited for them are looked at again.
pub(super) fn take_over_requests(
    db: &Connection,
    alive: &[NodeId],
    node: &NodeId,
    limit: usize,
) -> Result<Vec<LeasedRequest>, StoreError> {
    db.execute("-- take_over_requests: waiting\nUPDATE request SET waits_for = NULL WHERE waits_for IS NOT NULL", [])?;
    let alive: Vec<&str> = alive.iter().map(NodeId::as_str).collect();
    let alive = serde_json::to_string(&alive).map_err(|e| StoreError::Other(e.to_string()))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "-- take_over_requests
         UPDATE request SET lease_owner = ?1, lease_token = lease_token + 1
         WHERE number IN (
             SELECT number FROM request
             WHERE family IN (SELECT value FROM json_each(?2)) AND state = 'PENDING' AND lease_owner IS NOT NULL
                 AND lease_owner NOT IN (SELECT value FROM json_each(?3))
             ORDER BY number LIMIT ?4)
         RETURNING number, lease_token",
    )?;
    let rows = statement.query_map(params![node.as_str(), Family::all_as_json(), alive, limit], |row| {
        Ok((row.get("number")?, Lease { owner: node.clone(), token: row.get("lease_token")? }))
    })?;
    let mut leased = rows.collect::<Result<Vec<(i64, Lease)>, _>>()?;
    leased.sort_by_key(|(number, _)| *number);
    request_read::find_leased(db, leased)
}
