//! Joint calls: one row each, on disk before the call is sent, later with its answer; and the requests that may join one.

use chrono::{DateTime, Utc};

use super::columns::{Columns, storable};
use super::database::Transaction;
use super::fault::Fault;
use super::script::{Script, values};
use crate::request::JointCall;
use crate::store::rows::{CANDIDATE_COLUMNS, Candidate, ReadColumns as _, joint_responses, row_to_candidate, to_json};
use crate::store::{AttemptCommit, Lease, MostCards};

/// Requests looked at in one step for all its calls, at most; a little more for the last call.
const LOOKED_AT: usize = 1000;

/// The first of the candidates, as many as may be looked at in one step with all that may join their calls.
pub(super) fn first_of(mut found: Vec<Candidate>, most_cards: &MostCards) -> Vec<Candidate> {
    let mut left = LOOKED_AT;
    let is_within = |candidate: &&Candidate| {
        let is_within = left > 0;
        left = left.saturating_sub(candidate.room(most_cards));
        is_within
    };
    let count = found.iter().take_while(is_within).count();
    found.truncate(count);
    found
}

/// Notes which leased requests are one call with others: several are not sent before their joint call is stored.
pub(super) async fn note_calls(
    transaction: &Transaction,
    leased: &[(i64, Lease)],
    sizes: &[usize],
) -> Result<(), Fault> {
    let (mut left, mut numbers): (_, Vec<i64>) = (leased, Vec::new());
    for size in sizes {
        let (call, rest) = left.split_at((*size).min(left.len()));
        if call.len() > 1 {
            numbers.extend(call.iter().map(|(number, _)| number));
        }
        left = rest;
    }
    if !numbers.is_empty() {
        let sql = "-- note_calls\nUPDATE request SET joint_call = '' WHERE number = ANY ($1)";
        transaction.execute(sql, &[&numbers]).await?;
    }
    Ok(())
}

/// The due requests that may join the calls of the candidates `found`, for each of their keys in order; none of `found`.
pub(super) async fn find_joinable(
    transaction: &Transaction,
    found: &[Candidate],
    most_cards: &MostCards,
    now: DateTime<Utc>,
) -> Result<Vec<Candidate>, Fault> {
    let (mut keys, mut rooms): (Vec<&[u8]>, Vec<i64>) = (Vec::new(), Vec::new());
    for candidate in found {
        let room = i64::try_from(candidate.room(most_cards).min(LOOKED_AT)).unwrap_or(i64::MAX);
        let Some(key) = candidate.joint_key.as_deref().filter(|_| room > 0) else { continue };
        match keys.iter().position(|known| *known == key).and_then(|at| rooms.get_mut(at)) {
            Some(known) => *known += room,
            None => {
                keys.push(key);
                rooms.push(room);
            }
        }
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i64> = found.iter().map(|candidate| candidate.number).collect();
    let sql = format!(
        "-- find_joinable
         SELECT joinable.* FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS wanted (key, room, place)
         CROSS JOIN LATERAL (
             SELECT {CANDIDATE_COLUMNS}, ready_at FROM request
             WHERE joint_key = wanted.key AND ready_at <= $3 AND number <> ALL ($4)
                 AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NULL
             ORDER BY ready_at, number LIMIT wanted.room FOR UPDATE SKIP LOCKED) AS joinable
         ORDER BY place, joinable.ready_at, joinable.number"
    );
    let rows = transaction.query(&sql, &[&keys, &rooms, &now.timestamp_millis(), &numbers]).await?;
    let mut fitting = Vec::new();
    for row in &rows {
        let candidate = row_to_candidate(&Columns(row))?;
        let at = keys.iter().position(|key| Some(*key) == candidate.joint_key.as_deref());
        // What does not fit need not be looked at, whose cards would all be locked.
        if let Some(room) = at.and_then(|at| rooms.get_mut(at)).filter(|room| **room > 0) {
            *room -= i64::try_from(candidate.cards.len()).unwrap_or(i64::MAX);
            fitting.push(candidate);
        }
    }
    Ok(fitting)
}

pub(super) async fn begin_joint_call(
    transaction: &Transaction,
    call: &JointCall,
    leases: &[(i64, Lease)],
) -> Result<bool, Fault> {
    let numbers: Vec<i64> = leases.iter().map(|(number, _)| *number).collect();
    let owners: Vec<&str> = leases.iter().map(|(_, lease)| lease.owner.as_str()).collect();
    let tokens: Vec<i64> = leases.iter().map(|(_, lease)| lease.token).collect();
    let sql = "-- begin_joint_call: leases
        SELECT r.number FROM request r
        JOIN unnest($1::bigint[], $2::text[], $3::bigint[]) AS held (number, owner, token) ON r.number = held.number
        WHERE r.state IS NOT DISTINCT FROM 'PENDING' AND r.lease_owner = held.owner AND r.lease_token = held.token
        ORDER BY r.number FOR UPDATE OF r";
    if transaction.query(sql, &[&numbers, &owners, &tokens]).await?.len() < leases.len() {
        return Ok(false);
    }
    let joint = to_json(&call.numbers)?;
    let insert = "-- begin_joint_call\nINSERT INTO joint_call (id, numbers, body) VALUES ($1, $2, $3)";
    let note = "-- begin_joint_call: note\nUPDATE request SET joint_call = $2 WHERE number = ANY ($1)";
    let mut script = Script::default();
    script.add(insert, values![&call.id, joint, storable(&call.body)]);
    script.add(note, values![numbers, &call.id]);
    transaction.run_last(&script).await?;
    Ok(true)
}

/// Keeps the answers to joint calls, each once.
pub(super) fn note_responses<'a>(script: &mut Script<'a>, batch: &'a [AttemptCommit]) {
    for (id, response) in joint_responses(batch) {
        let sql = "-- note_responses\nUPDATE joint_call SET response = $2 WHERE id = $1";
        script.add(sql, values![id, storable(response)]);
    }
}

/// Deletes the joint calls of requests that are given back: no attempt was made in them, and none will be. (The gateway gives
/// requests back when it does not learn whether their call was stored.)
pub(super) async fn forget_unsent_calls(transaction: &Transaction, batch: &[AttemptCommit]) -> Result<(), Fault> {
    let unsent: Vec<_> = batch.iter().filter(|commit| commit.attempt.is_none()).collect();
    if unsent.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = unsent.iter().map(|commit| commit.request.number).collect();
    let owners: Vec<&str> = unsent.iter().map(|commit| commit.lease.owner.as_str()).collect();
    let tokens: Vec<i64> = unsent.iter().map(|commit| commit.lease.token).collect();
    let sql = "-- forget_unsent_calls
        WITH given_back AS (
            SELECT r.joint_call FROM request r
            JOIN unnest($1::bigint[], $2::text[], $3::bigint[]) AS held (number, owner, token) ON r.number = held.number
            WHERE r.lease_owner = held.owner AND r.lease_token = held.token
            ORDER BY r.number FOR UPDATE OF r)
        DELETE FROM joint_call WHERE id IN (SELECT joint_call FROM given_back)";
    transaction.execute(sql, &[&numbers, &owners, &tokens]).await?;
    Ok(())
}

/// The joint calls of the attempts at requests, locked.
pub(super) async fn find_joint_calls(transaction: &Transaction, numbers: &[i64]) -> Result<Vec<String>, Fault> {
    let sql = "-- find_joint_calls
        SELECT DISTINCT joint_call FROM attempt WHERE number = ANY ($1) AND joint_call IS NOT NULL";
    let rows = transaction.query(sql, &[&numbers]).await?;
    let ids = rows.iter().map(|row| Columns(row).get("joint_call")).collect::<Result<Vec<String>, _>>()?;
    // Of two nodes that delete requests of one call, the second waits here, and then sees that it deletes the last.
    let lock = "-- find_joint_calls: lock\nSELECT id FROM joint_call WHERE id = ANY ($1) ORDER BY id FOR UPDATE";
    transaction.query(lock, &[&ids]).await?;
    Ok(ids)
}

/// Deletes those joint calls whose last request is gone.
pub(super) async fn forget_joint_calls(transaction: &Transaction, ids: &[String]) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "-- forget_joint_calls
        DELETE FROM joint_call j WHERE id = ANY ($1) AND NOT EXISTS (
            SELECT 1 FROM json_array_elements_text(j.numbers::json) AS n (number)
            JOIN request r ON r.number = n.number::bigint)";
    transaction.execute(sql, &[&ids]).await?;
    Ok(())
}
