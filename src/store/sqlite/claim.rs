//! Leasing due requests to the processing run.

use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::columns::Columns;
use super::{cards, request_read, request_write};
use crate::request::{Cas, process};
use crate::store::policy::{Step, turns};
use crate::store::rows::{Candidate, row_to_candidate};
use crate::store::{Lease, LeasedRequest, NodeId, StoreError};
use crate::words::Word as _;

/// Requests looked at in one claim, at most: the writer has others to serve.
const LOOKED_AT: usize = 1000;

/// The waiting requests of one CA system and priority that are due, and not known to wait for another one.
const CANDIDATES: &str = "-- candidates
    SELECT number, cas, cards, resolve_until, in_doubt FROM request
    WHERE cas = ?4 AND priority = ?1 AND ready_at <= ?2
        AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR'
    ORDER BY ready_at, number LIMIT ?3";

pub(super) fn claim_requests(
    db: &Connection,
    now: DateTime<Utc>,
    limit: usize,
    node: &NodeId,
    systems: &[Cas],
    secrets: &AtomicBool,
) -> Result<Vec<LeasedRequest>, StoreError> {
    let mut leased = Vec::new();
    let mut left = LOOKED_AT;
    for (priority, cas) in turns(systems) {
        // A candidate is looked at once: afterwards the request is leased, or known to wait.
        while left > 0 && leased.len() < limit {
            let room = i64::try_from(left.min(limit - leased.len())).unwrap_or(i64::MAX);
            let values = params![priority.as_str(), now.timestamp_millis(), room, cas.as_str()];
            let found: Vec<Candidate> = db
                .prepare_cached(CANDIDATES)?
                .query_map(values, |row| row_to_candidate(&Columns::new(row)))?
                .collect::<Result<_, _>>()?;
            if found.is_empty() {
                break;
            }
            left -= found.len();
            for candidate in &found {
                let Candidate { number, in_doubt, .. } = candidate;
                match Step::of(*in_doubt, now, || cards::find_blocker(db, *number, candidate.cards(), now))? {
                    Step::GiveUp => give_up(db, *number, now, secrets)?,
                    Step::WaitFor(other) => wait_for(db, *number, other)?,
                    Step::Lease => {
                        leased.push((*number, lease(db, candidate, now, node)?));
                    }
                }
            }
        }
    }
    request_read::find_leased(db, leased)
}

/// Notes which request another one has to wait for.
fn wait_for(db: &Connection, number: i64, other: i64) -> Result<(), StoreError> {
    db.prepare_cached("-- wait_for\nUPDATE request SET waits_for = ?2 WHERE number = ?1")?.execute([number, other])?;
    Ok(())
}

fn lease(db: &Connection, candidate: &Candidate, now: DateTime<Utc>, node: &NodeId) -> Result<Lease, StoreError> {
    let (number, cards) = (&candidate.number, candidate.cards());
    let values = params![number, node.as_str(), process::RUN, now.timestamp_millis()];
    let token = db
        .prepare_cached(
            "-- lease
             UPDATE request SET lease_owner = ?2, lease_token = lease_token + 1, process_name = ?3, process_id = ?2,
                 updated_at = ?4
             WHERE number = ?1 RETURNING lease_token",
        )?
        .query_row(values, |row| row.get("lease_token"))?;
    cards::unqueue_cards(db, *number, cards)?;
    cards::lock_cards(db, *number, cards)?;
    Ok(Lease { owner: node.clone(), token })
}

fn give_up(db: &Connection, number: i64, now: DateTime<Utc>, secrets: &AtomicBool) -> Result<(), StoreError> {
    for mut request in request_read::find_by_numbers(db, &[number])? {
        let event = request.give_up(now);
        request_write::update(db, &request, None, secrets)?;
        cards::change_cards(db, &request)?;
        request_write::add_event(db, number, &event)?;
        tracing::error!(number, "outcome unknown: an operator must settle it");
    }
    Ok(())
}

pub(super) fn find_next_due(db: &Connection, systems: &[Cas]) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- find_next_due
         SELECT min(ready_at) AS ready_at FROM request
         WHERE cas = ?2 AND priority = ?1
             AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR'",
    )?;
    let mut next: Option<i64> = None;
    for (priority, cas) in turns(systems) {
        let due: Option<i64> = statement.query_row([priority.as_str(), cas.as_str()], |row| row.get("ready_at"))?;
        next = next.into_iter().chain(due).min();
    }
    Ok(next.and_then(DateTime::from_timestamp_millis))
}
