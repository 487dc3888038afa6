//! Writing requests: accept (the first of the two commits that an immediate request costs) and settle (the second).

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::request::{Failure, NewRequest, ProvisioningRequest, State, process};
use crate::store::{Acceptance, Accepted, Settlement, StoreError};

/// Value of `request.lease` while the API call itself sends a request.
const IMMEDIATE: &str = "immediate";

/// A request with everything prepared that needs no database, so that the one writer thread need not do it.
pub(super) struct Row {
    acceptance: Acceptance,
    items: String,
    cards: String,
    refusal: Option<String>,
}

impl Row {
    pub(super) fn new(acceptance: Acceptance) -> Result<Self, StoreError> {
        let request = &acceptance.request;
        let items: Vec<_> = request.items.iter().map(|i| (&i.id, &i.name, &i.value)).collect();
        let (items, cards) = (to_json(&items)?, to_json(&request.cards)?);
        let refusal = request.refusal.as_ref().map(failure_to_json).transpose()?;
        Ok(Self { acceptance, items, cards, refusal })
    }
}

/// Where a request came to stand.
pub(super) struct Placed {
    number: i64,
    sequence_number: i64,
    leased: bool,
}

impl Placed {
    /// The record of a request that was just accepted.
    pub(super) fn accepted(self, asked: Arc<NewRequest>) -> Accepted {
        let request = ProvisioningRequest {
            number: self.number,
            sequence_number: self.sequence_number,
            state: State::Pending,
            executed_at: None,
            updated_at: asked.created_at,
            asked,
            attempts: 0,
            next_attempt_at: None,
            uncertain: false,
            sent: false,
            response: None,
            reference_number: None,
            failure: None,
            process_name: process::MANUAL,
            process_id: None,
        };
        Accepted { request, leased: self.leased }
    }
}

pub(super) fn accept(db: &Connection, row: &Row) -> Result<Placed, StoreError> {
    let new = &row.acceptance.request;
    let sequence_number = next_sequence_number(db, &new.cards)?;
    let leased = row.acceptance.lease && !is_held_up(db, new)?;
    insert_request(db, row, sequence_number, leased)?;
    let number = db.last_insert_rowid();
    insert_devices(db, new, number, sequence_number)?;
    Ok(Placed { number, sequence_number, leased })
}

/// One more than the greatest of any of the cards, so that it ascends for each of them.
fn next_sequence_number(db: &Connection, cards: &[String]) -> Result<i64, StoreError> {
    let mut statement = db.prepare_cached(
        "-- next_sequence_number
         SELECT sequence_number FROM device WHERE kind = 'card' AND ca_id = ?1 ORDER BY number DESC LIMIT 1",
    )?;
    let mut last = 0;
    for card in cards {
        let found: Option<i64> = statement.query_row([card], |row| row.get(0)).optional()?;
        last = last.max(found.unwrap_or(0));
    }
    Ok(last + 1)
}

/// Is another due request of one of its cards open, or under way?
fn is_held_up(db: &Connection, new: &NewRequest) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached(
        "-- is_held_up
         SELECT 1 FROM lane WHERE card = ?1
             AND (due <= ?2 OR EXISTS (SELECT 1 FROM request o WHERE o.number = lane.number AND o.lease IS NOT NULL))
         LIMIT 1",
    )?;
    for card in &new.cards {
        if statement.exists(params![card, new.created_at.timestamp_millis()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn insert_request(db: &Connection, row: &Row, sequence_number: i64, leased: bool) -> Result<(), StoreError> {
    let new = &row.acceptance.request;
    let (scheduled_at, created_at) = (new.scheduled_at.timestamp_millis(), new.created_at.timestamp_millis());
    db.prepare_cached(
        "-- insert_request
         INSERT INTO request (id, family, type, priority, process_immediately, scheduled_at, items, cards, subscription,
             body, refusal, sequence_number, created_by, created_at, state, ready_at, lease, updated_at, process_name)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?6, ?16, ?14, ?17)",
    )?
    .execute(params![
        new.id.as_str(),
        new.family.as_str(),
        new.kind.as_str(),
        new.priority.as_str(),
        new.process_immediately,
        scheduled_at,
        row.items,
        row.cards,
        new.subscription,
        new.body,
        row.refusal,
        sequence_number,
        new.created_by.id,
        created_at,
        State::Pending.as_str(),
        leased.then_some(IMMEDIATE),
        process::MANUAL,
    ])?;
    Ok(())
}

fn insert_devices(db: &Connection, new: &NewRequest, number: i64, sequence_number: i64) -> Result<(), StoreError> {
    let mut device = db.prepare_cached(
        "-- insert_devices
         INSERT OR IGNORE INTO device (kind, ca_id, number, sequence_number) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut lane = db.prepare_cached(
        "-- insert_devices: lane\nINSERT OR IGNORE INTO lane (card, number, due) VALUES (?1, ?2, ?3)",
    )?;
    for card in &new.cards {
        device.execute(params!["card", card, number, sequence_number])?;
        lane.execute(params![card, number, new.scheduled_at.timestamp_millis()])?;
    }
    for stb in &new.boxes {
        device.execute(params!["stb", stb, number, sequence_number])?;
    }
    Ok(())
}

pub(super) fn settle(db: &Connection, settlement: &Settlement) -> Result<(), StoreError> {
    let request = &settlement.request;
    let updated = db
        .prepare_cached(
            "-- settle
             UPDATE request SET state = ?2, ready_at = coalesce(?3, ready_at), lease = NULL, uncertain = ?4,
                 attempts = ?5, sent = ?6, executed_at = ?7, updated_at = ?8, reference_number = ?9, failure = ?10,
                 process_name = ?11, process_id = ?12
             WHERE number = ?1 AND state = 'PENDING'",
        )?
        .execute(params![
            request.number,
            request.state.as_str(),
            request.next_attempt_at.map(|t| t.timestamp_millis()),
            request.uncertain,
            request.attempts,
            request.sent,
            request.executed_at.map(|t| t.timestamp_millis()),
            request.updated_at.timestamp_millis(),
            request.reference_number,
            request.failure.as_ref().map(failure_to_json).transpose()?,
            request.process_name,
            request.process_id,
        ])?;
    if updated != 1 {
        return Err(StoreError::Other(format!("request {} has ended already", request.number)));
    }
    if request.state != State::Pending || request.uncertain {
        leave_lanes(db, request.number, &request.asked.cards)?;
    }
    if let Some(attempt) = &settlement.attempt {
        db.prepare_cached(
            "-- settle: attempt
             INSERT INTO attempt (number, attempt, started_at, duration_ms, sent, http_status, error, response)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            request.number,
            attempt.attempt,
            attempt.started_at.timestamp_millis(),
            attempt.duration_ms,
            attempt.sent,
            attempt.http_status,
            attempt.error,
            attempt.response,
        ])?;
    }
    Ok(())
}

/// A request that has ended, or whose outcome only an operator can tell, holds up no other.
pub(super) fn leave_lanes(db: &Connection, number: i64, cards: &[String]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached("-- leave_lanes\nDELETE FROM lane WHERE card = ?1 AND number = ?2")?;
    for card in cards {
        statement.execute(params![card, number])?;
    }
    Ok(())
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Other(e.to_string()))
}

pub(super) fn failure_to_json(failure: &Failure) -> Result<String, StoreError> {
    let Failure { code, description, provider_code, provider_description } = failure;
    to_json(&(code, description, provider_code, provider_description))
}
