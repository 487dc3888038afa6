//! Leases due requests to the processing run.

use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, ToSql, params};

use super::columns::Columns;
use super::{cards, request_read, request_write};
use crate::request::{Cas, process};
use crate::store::leases::into_calls;
use crate::store::policy::{Step, turns};
use crate::store::rows::{CANDIDATE_COLUMNS, Candidate, row_to_candidate};
use crate::store::{Lease, LeasedCall, MostCards, NodeId, StoreError};
use crate::words::Word as _;

/// The largest number of requests that one claim looks at, so that other writes need not wait long.
const LOOKED_AT: usize = 1000;

/// The due requests of one CA system and priority that are not known to wait for another request.
const CANDIDATES: &str = "
    WHERE cas = ?4 AND priority = ?1 AND ready_at <= ?2
        AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR'
    ORDER BY ready_at, number LIMIT ?3";

/// The requests that may join a call.
const JOINABLE: &str = "
    WHERE joint_key = ?1 AND ready_at <= ?2
        AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NULL
    ORDER BY ready_at, number LIMIT ?3";

/// The requests leased so far, and the sizes of their calls.
struct Claim<'c> {
    db: &'c Connection,
    now: DateTime<Utc>,
    node: &'c NodeId,
    leased: Vec<(i64, Lease)>,
    calls: Vec<usize>,
    /// Requests that may still be looked at.
    left: usize,
}

pub(super) fn claim_requests(
    db: &Connection,
    now: DateTime<Utc>,
    limit: usize,
    (node, systems, most_cards): (&NodeId, &[Cas], &MostCards),
    secrets: &AtomicBool,
) -> Result<Vec<LeasedCall>, StoreError> {
    let mut claim = Claim { db, now, node, leased: Vec::new(), calls: Vec::new(), left: LOOKED_AT };
    for (priority, cas) in turns(systems) {
        // A candidate is looked at once: afterwards the request is leased, or known to wait.
        while claim.left > 0 && claim.calls.len() < limit {
            let room = to_limit(claim.left.min(limit - claim.calls.len()));
            let found = claim.find(
                "candidates",
                CANDIDATES,
                params![priority.as_str(), now.timestamp_millis(), room, cas.as_str()],
            )?;
            if found.is_empty() {
                break;
            }
            for candidate in &found {
                let Candidate { number, in_doubt, .. } = candidate;
                if claim.leased.iter().any(|(leased, _)| leased == number) {
                    // The request has joined the call of an earlier request.
                    continue;
                }
                let room = candidate.room(most_cards);
                if room > 0 && claim.left == 0 && !claim.calls.is_empty() {
                    // The next claim has room to look for requests that may join this request.
                    break;
                }
                match Step::of(*in_doubt, now, || cards::find_blocker(db, *number, candidate.cards(), now))? {
                    Step::GiveUp => give_up(db, *number, now, secrets)?,
                    Step::WaitFor(other) => wait_for(db, *number, other)?,
                    Step::Lease => {
                        let before = claim.leased.len();
                        claim.leased.push((*number, lease(db, candidate, now, node)?));
                        claim.join(candidate, room)?;
                        claim.note_call(before)?;
                    }
                }
            }
        }
    }
    Ok(into_calls(request_read::find_leased(db, claim.leased)?, &claim.calls))
}

fn to_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Claim<'_> {
    fn find(&mut self, name: &str, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<Candidate>, StoreError> {
        let sql = format!("-- {name}\nSELECT {CANDIDATE_COLUMNS} FROM request {condition}");
        let mut statement = self.db.prepare_cached(&sql)?;
        let found = statement.query_map(values, |row| row_to_candidate(&Columns::new(row)))?;
        let found = found.collect::<Result<Vec<_>, _>>()?;
        self.left = self.left.saturating_sub(found.len());
        Ok(found)
    }

    /// Notes the call of the requests leased from `before` on; several requests are not sent before their joint call is
    /// stored.
    fn note_call(&mut self, before: usize) -> Result<(), StoreError> {
        let members = self.leased.get(before..).unwrap_or_default();
        self.calls.push(members.len());
        if members.len() > 1 {
            let mut note =
                self.db.prepare_cached("-- note_call\nUPDATE request SET joint_call = '' WHERE number = ?1")?;
            for (number, _) in members {
                note.execute([number])?;
            }
        }
        Ok(())
    }

    /// Leases further requests that join the call of `first`, until the call has no `room` for more cards.
    fn join(&mut self, first: &Candidate, mut room: usize) -> Result<(), StoreError> {
        while room > 0 && self.left > 0 {
            let limit = to_limit(room.min(LOOKED_AT));
            let found =
                self.find("joinable", JOINABLE, params![first.joint_key, self.now.timestamp_millis(), limit])?;
            if found.is_empty() {
                break;
            }
            for candidate in found {
                let (number, cards) = (candidate.number, candidate.cards());
                if let Some(other) = cards::find_blocker(self.db, number, cards, self.now)? {
                    wait_for(self.db, number, other)?;
                    continue;
                }
                // A request that is too large ends the search, so that no later request overtakes it.
                let Some(left) = room.checked_sub(cards.ca_ids.len()) else { return Ok(()) };
                self.leased.push((number, lease(self.db, &candidate, self.now, self.node)?));
                room = left;
            }
        }
        Ok(())
    }
}

/// Notes that request `number` has to wait for request `other`.
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
                 updated_at = ?4, joint_call = NULL
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
