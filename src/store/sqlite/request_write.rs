//! Writes requests and their history: `submit` is the first of the two commits that an immediate request costs,
//! `commit_attempts` the second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{cards, connection, idempotency, joint, parts, request_read};
use crate::request::{Event, EventKind, NewRequest, ProvisioningRequest, State, process};
use crate::store::policy::{self, Cards, Due};
use crate::store::rows::{
    InDoubtColumns, NewRow, accepted_record, failure_to_json, own_response, rendered_request, timings_to_json, to_json,
};
use crate::store::{
    AttemptCommit, CommitResult, DeviceKind, Lease, Resubmission, StoreError, Submission, SubmitResult,
};
use crate::words::Word as _;

/// The token of the first lease of a request.
const FIRST_TOKEN: i64 = 1;

/// A new request, prepared as far as possible before the one writer thread takes it.
pub(super) struct Row {
    submission: Submission,
    texts: NewRow,
}

impl Row {
    pub(super) fn new(submission: Submission) -> Result<Self, StoreError> {
        let texts = NewRow::of(&submission.request)?;
        Ok(Self { submission, texts })
    }
}

pub(super) fn submit_request(db: &Connection, row: &Row) -> Result<SubmitResult, StoreError> {
    let Submission { request: new, render, lease_to, key, resubmission } = &row.submission;
    if let Some(earlier) = key.as_ref().map(|key| idempotency::earlier(db, key, new.created_at)).transpose()?.flatten()
    {
        return Ok(earlier);
    }
    let sequence_number = policy::next_sequence_number(find_last_sequence_numbers(db, &new.cards)?);
    let new = match render {
        None => Arc::clone(new),
        Some(render) => Arc::new(rendered_request(new, render(sequence_number))),
    };
    let lease = match lease_to {
        Some(node) if !is_held_up(db, &new)? => Some(Lease { owner: node.clone(), token: FIRST_TOKEN }),
        _ => None,
    };
    insert_request(db, row, &new, sequence_number, lease.as_ref())?;
    let number = db.last_insert_rowid();
    parts::insert_parts(db, &new, number)?;
    insert_devices(db, &new, number, sequence_number)?;
    if lease.is_some() {
        cards::lock_cards(db, number, Cards::of(&new))?;
    } else {
        cards::queue_cards(db, number, Cards::of(&new), Due::of_new(&new))?;
    }
    if let Some(key) = key {
        idempotency::remember(db, key, number)?;
    }
    if let Some(resubmission) = resubmission {
        link_requests(db, resubmission, number, new.created_at)?;
    }
    Ok(SubmitResult::New { request: accepted_record(number, sequence_number, new), lease })
}

/// Adds to the histories of both requests that one repeats the other.
fn link_requests(db: &Connection, link: &Resubmission, number: i64, at: DateTime<Utc>) -> Result<(), StoreError> {
    let Resubmission { of, user, reason } = link;
    let text = format!("as request {number}: {reason}");
    add_event(db, *of, &Event::new(at, EventKind::Resubmitted, Some(user), Some(&text)))?;
    let text = format!("of request {of}: {reason}");
    add_event(db, number, &Event::new(at, EventKind::Resubmission, Some(user), Some(&text)))
}

/// The last sequence number of each card.
fn find_last_sequence_numbers(db: &Connection, cards: &[String]) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- find_last_sequence_numbers
         SELECT sequence_number FROM request_device WHERE kind = 'card' AND ca_id = ?1 ORDER BY number DESC LIMIT 1",
    )?;
    let mut last = Vec::new();
    for card in cards {
        last.extend(statement.query_row([card], |row| row.get::<_, i64>("sequence_number")).optional()?);
    }
    Ok(last)
}

/// Does another due request hold or wait for one of its cards?
fn is_held_up(db: &Connection, new: &NewRequest) -> Result<bool, StoreError> {
    Ok(cards::find_blocker(db, i64::MAX, Cards::of(new), new.created_at)?.is_some())
}

fn insert_request(
    db: &Connection,
    row: &Row,
    new: &NewRequest,
    sequence_number: i64,
    lease: Option<&Lease>,
) -> Result<(), StoreError> {
    let (scheduled_at, created_at) = (new.scheduled_at.timestamp_millis(), new.created_at.timestamp_millis());
    let rejection = match &row.texts.rejection {
        Some(rejection) => Some(rejection.clone()),
        None => new.rejection.as_ref().map(failure_to_json).transpose()?,
    };
    db.prepare_cached(
        "-- insert_request
         INSERT INTO request (id, family, type, priority, process_immediately, scheduled_at, items, cards, subscription,
             body, raw_body, rejection, sequence_number, created_by, created_at, state, ready_at, lease_owner,
             lease_token, updated_at, process_name, api_call, correlation, cas, parts, joint_key, joint_fields)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?18, ?11, ?12, ?13, ?14, ?15, ?6, ?16, ?20, ?14, ?17, ?19,
             ?21, ?22, ?23, ?24, ?25)",
    )?
    .execute(params![
        new.id.as_str(),
        new.family.as_str(),
        new.request_type.as_str(),
        new.priority.as_str(),
        new.process_immediately,
        scheduled_at,
        row.texts.items,
        row.texts.cards,
        new.subscription,
        new.envelope(None).map(|body| &body.redacted),
        rejection,
        sequence_number,
        new.created_by.id,
        created_at,
        State::Pending.as_str(),
        lease.map(|lease| lease.owner.as_str()),
        process::MANUAL,
        new.envelope(None).and_then(|body| body.raw.as_ref()),
        new.api_call,
        lease.map_or(0, |lease| lease.token),
        new.correlation.as_ref().map(to_json).transpose()?,
        new.family.cas().as_str(),
        i64::try_from(new.parts().len()).unwrap_or(i64::MAX),
        row.texts.joint_key,
        row.texts.joint_fields,
    ])?;
    Ok(())
}

fn insert_devices(db: &Connection, new: &NewRequest, number: i64, sequence_number: i64) -> Result<(), StoreError> {
    let mut device = db.prepare_cached(
        "-- insert_devices
         INSERT OR IGNORE INTO request_device (kind, ca_id, number, sequence_number) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (kind, ids) in [(DeviceKind::Card, &new.cards), (DeviceKind::Stb, &new.stbs)] {
        for id in ids {
            device.execute(params![kind.as_str(), id, number, sequence_number])?;
        }
    }
    Ok(())
}

pub(super) fn commit_attempts(
    db: &Connection,
    batch: &[AttemptCommit],
    secrets: &AtomicBool,
) -> Result<Vec<CommitResult>, StoreError> {
    joint::forget_unsent_calls(db, batch)?;
    joint::note_responses(db, batch)?;
    batch.iter().map(|commit| commit_attempt(db, commit, secrets)).collect()
}

fn commit_attempt(db: &Connection, commit: &AttemptCommit, secrets: &AtomicBool) -> Result<CommitResult, StoreError> {
    let AttemptCommit { request, lease, keeps_lease, attempt, events } = commit;
    let number = request.number;
    if !update(db, request, Some((lease, *keeps_lease)), secrets)? {
        let record = request_read::find_by_numbers(db, &[number])?.pop();
        let record = record.ok_or_else(|| StoreError::Other(format!("there is no request {number} any more")))?;
        return Ok(CommitResult::LeaseLost(Box::new(record)));
    }
    let released = if *keeps_lease { 0 } else { cards::change_cards(db, request)? };
    for event in events {
        add_event(db, number, event)?;
    }
    let Some(attempt) = attempt else { return Ok(CommitResult::Committed { released }) };
    db.prepare_cached(
        "-- commit_attempt
         INSERT INTO attempt (number, attempt, started_at, duration_ms, sent, http_status, error, response,
             content_type, timings, part, joint_call)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        number,
        attempt.attempt,
        attempt.started_at.timestamp_millis(),
        attempt.duration_ms,
        attempt.sent,
        attempt.http_status,
        attempt.error,
        own_response(attempt),
        attempt.content_type,
        timings_to_json(attempt.timings.as_ref())?,
        attempt.part,
        attempt.joint_call.as_ref().map(|call| &call.id),
    ])?;
    Ok(CommitResult::Committed { released })
}

/// Writes the record as it now stands, and ends its lease unless that is kept. Returns false, and writes nothing, if the
/// record has another lease by now (`None` stands for no lease). The secret body is kept until the request has ended; its
/// deletion sets `secrets`.
pub(super) fn update(
    db: &Connection,
    request: &ProvisioningRequest,
    lease: Option<(&Lease, bool)>,
    secrets: &AtomicBool,
) -> Result<bool, StoreError> {
    let ends_secret = request.state != State::Pending && request.content.request_type.secret().is_some();
    if ends_secret {
        connection::overwrite_deleted(db, true)?;
        secrets.store(true, Ordering::Release);
    }
    let InDoubtColumns { in_doubt, resolve_until } = InDoubtColumns::of(request.in_doubt);
    let updated = db
        .prepare_cached(
            "-- update
             UPDATE request SET state = ?2, ready_at = coalesce(?3, ready_at), lease_owner = ?17, waits_for = NULL,
                 in_doubt = ?4, attempts = ?5, sent = ?6, executed_at = ?7, updated_at = ?8, reference_number = ?9,
                 failure = ?10, process_name = ?11, process_id = ?12, resolve_until = ?13, result = ?14,
                 raw_body = iif(?2 = 'PENDING', raw_body, NULL), joint_call = NULL,
                 joint_key = iif(?2 = 'PENDING' AND ?18, joint_key, NULL),
                 joint_fields = iif(?2 = 'PENDING' AND ?18, joint_fields, NULL)
             WHERE number = ?1 AND state = 'PENDING' AND lease_owner IS ?15 AND lease_token = coalesce(?16, lease_token)",
        )?
        .execute(params![
            request.number,
            request.state.as_str(),
            request.next_attempt_at.map(|t| t.timestamp_millis()),
            in_doubt,
            request.attempts,
            request.sent,
            request.executed_at.map(|t| t.timestamp_millis()),
            request.updated_at.timestamp_millis(),
            request.reference_number,
            request.failure.as_ref().map(failure_to_json).transpose()?,
            request.process_name,
            request.process_id,
            resolve_until,
            request.result.as_ref().map(|json| json.get()),
            lease.map(|(lease, _)| lease.owner.as_str()),
            lease.map(|(lease, _)| lease.token),
            lease.filter(|(_, is_kept)| *is_kept).map(|(lease, _)| lease.owner.as_str()),
            request.content.joint_fields.is_some(),
        ])?;
    if updated == 1 {
        parts::update_parts(db, request)?;
    }
    if ends_secret {
        if updated == 1 {
            idempotency::forget_secret(db, request.number)?;
        }
        connection::overwrite_deleted(db, false)?;
    }
    if updated == 1 && request.state == State::Rejected {
        insert_rejected(db, request)?;
    }
    Ok(updated == 1)
}

/// Notes the devices of a rejected request, so that a list finds the request quickly.
fn insert_rejected(db: &Connection, request: &ProvisioningRequest) -> Result<(), StoreError> {
    let mut rejected =
        db.prepare_cached("-- insert_rejected\nINSERT INTO rejected_device (kind, ca_id, number) VALUES (?1, ?2, ?3)")?;
    for (kind, ids) in [(DeviceKind::Card, &request.content.cards), (DeviceKind::Stb, &request.content.stbs)] {
        for id in ids {
            rejected.execute(params![kind.as_str(), id, request.number])?;
        }
    }
    Ok(())
}

/// Adds an event to the history of a request.
pub(super) fn add_event(db: &Connection, number: i64, event: &Event) -> Result<(), StoreError> {
    db.prepare_cached(
        "-- add_event
         INSERT INTO event (number, event, at, kind, user, text, duration_ms, http_status, request, response)
         SELECT ?1, coalesce(max(event), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM event WHERE number = ?1",
    )?
    .execute(params![
        number,
        event.at.timestamp_millis(),
        event.kind.as_str(),
        event.user,
        event.text,
        event.duration_ms,
        event.http_status,
        event.request,
        event.response,
    ])?;
    Ok(())
}
