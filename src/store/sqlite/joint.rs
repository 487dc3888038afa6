//! Joint calls: one row each, on disk before the call is sent, later with its answer.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::request::JointCall;
use crate::store::rows::{joint_responses, to_json};
use crate::store::{AttemptCommit, Lease, StoreError};

pub(super) fn begin_joint_call(db: &Connection, call: &JointCall, leases: &[(i64, Lease)]) -> Result<bool, StoreError> {
    let mut present = db.prepare_cached(
        "-- begin_joint_call: leases
         SELECT number FROM request WHERE number = ?1 AND state = 'PENDING' AND lease_owner = ?2 AND lease_token = ?3",
    )?;
    for (number, lease) in leases {
        let found = present.query_row(params![number, lease.owner.as_str(), lease.token], |_| Ok(())).optional()?;
        if found.is_none() {
            return Ok(false);
        }
    }
    db.prepare_cached("-- begin_joint_call\nINSERT INTO joint_call (id, numbers, body) VALUES (?1, ?2, ?3)")?
        .execute(params![call.id, to_json(&call.numbers)?, call.body])?;
    let mut note =
        db.prepare_cached("-- begin_joint_call: note\nUPDATE request SET joint_call = ?2 WHERE number = ?1")?;
    for (number, _) in leases {
        note.execute(params![number, call.id])?;
    }
    Ok(true)
}

/// Keeps the answers to joint calls, each once.
pub(super) fn note_responses(db: &Connection, batch: &[AttemptCommit]) -> Result<(), StoreError> {
    for (id, response) in joint_responses(batch) {
        db.prepare_cached("-- note_responses\nUPDATE joint_call SET response = ?2 WHERE id = ?1")?
            .execute(params![id, response])?;
    }
    Ok(())
}

/// Deletes the joint calls of requests that are given back: no attempt was made in them, and none will be. (The gateway gives
/// requests back when it does not learn whether their call was stored.)
pub(super) fn forget_unsent_calls(db: &Connection, batch: &[AttemptCommit]) -> Result<(), StoreError> {
    for AttemptCommit { request, lease, .. } in batch.iter().filter(|commit| commit.attempt.is_none()) {
        db.prepare_cached(
            "-- forget_unsent_calls
             DELETE FROM joint_call WHERE id =
                 (SELECT joint_call FROM request WHERE number = ?1 AND lease_owner = ?2 AND lease_token = ?3)",
        )?
        .execute(params![request.number, lease.owner.as_str(), lease.token])?;
    }
    Ok(())
}

/// The joint calls of a request's attempts.
pub(super) fn find_joint_calls(db: &Connection, number: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- find_joint_calls\nSELECT joint_call FROM attempt WHERE number = ?1 AND joint_call IS NOT NULL",
    )?;
    let found = statement.query_map([number], |row| row.get("joint_call"))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Deletes those joint calls whose last request is gone.
pub(super) fn forget_joint_calls(db: &Connection, ids: impl IntoIterator<Item = String>) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "-- forget_joint_calls
         DELETE FROM joint_call WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM json_each(numbers) n JOIN request r ON r.number = n.value)",
    )?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}
