//! Finds dead nodes, and takes over the requests that they left under way.
//!
//! Rule: each node counts its signs of life in its row. A node that sees another node's count unchanged for the time of
//! that node's leases, by its own steady clock, marks the other node as dead, for good. So neither the dates of machines
//! nor that of the server matter.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::claim::read_lease;
use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use super::request_read;
use crate::store::rows::ReadColumns as _;
use crate::store::{LeasedRequest, NodeId};

/// The signs of life of other nodes, as this node saw them.
#[derive(Default)]
pub(super) struct Sightings {
    /// The count of each node, and since when it is unchanged.
    nodes: HashMap<String, (i64, Instant)>,
    looked_at: Option<Instant>,
}

impl Sightings {
    /// Notes the present counts of all live nodes; returns the nodes whose leases have ended. After a long time without a
    /// look, all nodes get their full time again: the outage that kept this node from looking also kept them from
    /// counting.
    fn note(&mut self, seen: Vec<(String, i64, Duration)>, now: Instant) -> Vec<(String, i64)> {
        let mut before = std::mem::take(&mut self.nodes);
        let unseen_for = self.looked_at.replace(now).map(|at| now.duration_since(at));
        let mut late = Vec::new();
        for (node, beat, lease_time) in seen {
            let has_looked = unseen_for.is_some_and(|time| time <= lease_time / 2);
            let since = match before.remove(&node) {
                Some((known, since)) if known == beat && has_looked => since,
                _ => now,
            };
            if now.duration_since(since) >= lease_time {
                late.push((node.clone(), beat));
            }
            self.nodes.insert(node, (beat, since));
        }
        late
    }
}

/// Counts a sign of life; returns the server's time in milliseconds since 1970, or `None` for a node that was found dead.
pub(super) async fn renew(
    transaction: &Transaction,
    node: &NodeId,
    lease_time: Duration,
) -> Result<Option<i64>, Fault> {
    let sql = "-- renew
        INSERT INTO node (id, lease_ms) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET beat = node.beat + 1, lease_ms = excluded.lease_ms, seen_at = clock_timestamp()
            WHERE NOT node.is_dead
        RETURNING CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS date";
    let lease_ms = i64::try_from(lease_time.as_millis()).unwrap_or(i64::MAX);
    let row = transaction.query_first(sql, &[&node.as_str(), &lease_ms]).await?;
    row.map(|row| Columns(&row).get("date")).transpose()
}

/// Deletes the rows of transactions and of dead nodes that are days old.
pub(super) async fn forget_old(transaction: &Transaction) -> Result<(), Fault> {
    let tokens = "-- forget_old: tokens\nDELETE FROM commit_token WHERE at < now() - interval '1 day'";
    let nodes = "-- forget_old: nodes\nDELETE FROM node WHERE is_dead AND seen_at < now() - interval '30 days'";
    transaction.execute_all(&[(tokens, &[]), (nodes, &[])]).await
}

/// The nodes that may be dead: those whose count was unchanged for too long.
pub(super) fn find_late(rows: &[tokio_postgres::Row], sightings: &mut Sightings) -> Result<Vec<(String, i64)>, Fault> {
    let read = |row: &tokio_postgres::Row| {
        let row = Columns(row);
        let lease_time = Duration::from_millis(row.get::<i64>("lease_ms")?.unsigned_abs());
        Ok::<_, Fault>((row.get("id")?, row.get("beat")?, lease_time))
    };
    let seen = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(sightings.note(seen, Instant::now()))
}

/// Lists all nodes that were not found dead.
pub(super) const LIST_NODES: &str = "-- list_nodes\nSELECT id, beat, lease_ms FROM node WHERE NOT is_dead";

/// Marks those late nodes as dead whose count is still unchanged, and leases requests of dead or unknown owners to `node`.
pub(super) async fn take_over_requests(
    transaction: &Transaction,
    late: &[(String, i64)],
    node: &NodeId,
    limit: usize,
) -> Result<Vec<LeasedRequest>, Fault> {
    let (ids, beats): (Vec<&String>, Vec<i64>) = late.iter().map(|(id, beat)| (id, *beat)).unzip();
    let end = "-- take_over_requests: dead nodes
        UPDATE node SET is_dead = TRUE FROM unnest($1::text[], $2::bigint[]) AS late (id, beat)
        WHERE node.id = late.id AND node.beat = late.beat AND node.id <> $3";
    transaction.execute(end, &[&ids, &beats, &node.as_str()]).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "-- take_over_requests
        UPDATE request SET lease_owner = $1, lease_token = lease_token + 1
        WHERE number IN (
            SELECT number FROM request r
            WHERE lease_owner IS NOT NULL AND lease_owner <> $1
                AND NOT EXISTS (SELECT 1 FROM node WHERE node.id = r.lease_owner AND NOT node.is_dead)
            ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING number, lease_token";
    let rows = transaction.query(sql, &[&node.as_str(), &limit]).await?;
    let mut leased = rows.iter().map(|row| read_lease(row, node)).collect::<Result<Vec<_>, _>>()?;
    leased.sort_by_key(|(number, _)| *number);
    request_read::find_leased(transaction, leased).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_late_when_its_count_stands_for_as_long_as_its_leases_last() {
        let (mut sightings, start) = (Sightings::default(), Instant::now());
        let mut note = |beat, seconds| {
            let seen = vec![("a".to_owned(), beat, Duration::from_secs(30))];
            sightings.note(seen, start + Duration::from_secs(seconds)).len()
        };
        assert_eq!([note(1, 0), note(1, 15), note(1, 29), note(2, 40), note(2, 55), note(2, 69)], [0; 6]);
        assert_eq!(note(2, 70), 1);
        assert_eq!([note(3, 80), note(3, 200), note(3, 215)], [0; 3], "an outage");
        assert_eq!(note(3, 230), 1);
    }
}
