//! Writes the outcomes of attempts and the history of requests: the second of the two commits that an immediate request
//! costs.

use std::collections::{HashMap, HashSet};

use super::columns::{Columns, storable, storable_option};
use super::database::Transaction;
use super::fault::Fault;
use super::script::{Script, values};
use super::{cards, idempotency, joint, parts, request_read};
use crate::request::{Attempt, Event, ProvisioningRequest, State};
use crate::store::rows::{InDoubtColumns, ReadColumns as _, failure_to_json, own_response, timings_to_json};
use crate::store::{AttemptCommit, CommitResult, DeviceKind, Lease, StoreError};
use crate::words::Word as _;

pub(super) async fn commit_attempts(
    transaction: &Transaction,
    batch: &[AttemptCommit],
) -> Result<Vec<CommitResult>, Fault> {
    cards::lock_cards(transaction, batch.iter().flat_map(|commit| &commit.request.content.cards)).await?;
    joint::forget_unsent_calls(transaction, batch).await?;
    let records: Vec<_> = batch.iter().map(|c| (&c.request, Some((&c.lease, c.keeps_lease)))).collect();
    let mut script = Script::default();
    let updated = update_requests(transaction, &records, &mut script).await?;
    let is_updated = |commit: &&AttemptCommit| updated.contains(&commit.request.number);
    let changed = batch.iter().filter(is_updated).filter(|commit| !commit.keeps_lease);
    let changed: Vec<_> = changed.map(|commit| &commit.request).collect();
    let releasing = cards::change_cards(&mut script, &changed);
    let attempts = batch.iter().filter(is_updated).filter_map(|c| Some((c.request.number, c.attempt.as_ref()?)));
    insert_attempts(&mut script, &attempts.collect::<Vec<_>>())?;
    joint::note_responses(&mut script, batch);
    for commit in batch.iter().filter(is_updated) {
        for event in &commit.events {
            add_event(&mut script, commit.request.number, event);
        }
    }
    let lost: Vec<i64> = batch.iter().filter(|commit| !is_updated(commit)).map(|c| c.request.number).collect();
    let mut found = request_read::find_by_numbers(transaction, &lost).await?;
    let gone = |number: i64| StoreError::Other(format!("there is no request {number} any more"));
    // Checked here, since no error may follow the commit.
    if let Some(number) = lost.iter().find(|number| !found.contains_key(number)) {
        return Err(gone(*number).into());
    }
    let released = match (transaction.run_last(&script).await?, releasing) {
        (Some(rows), Some(place)) => cards::read_released(&rows[place])?,
        (Some(_), None) => HashMap::new(),
        // Assumes that others waited for each request: the processing run then looks for them.
        (None, _) => changed.iter().map(|request| (request.number, 1)).collect(),
    };
    let mut results = Vec::new();
    for commit in batch {
        let number = commit.request.number;
        results.push(if updated.contains(&number) {
            CommitResult::Committed { released: released.get(&number).copied().unwrap_or_default() }
        } else {
            CommitResult::LeaseLost(Box::new(found.remove(&number).ok_or_else(|| gone(number))?))
        });
    }
    Ok(results)
}

/// Writes records as they now stand, and ends each lease that is not to be kept; returns the numbers of the written
/// records. A record that has another lease by now is not written (`None` stands for no lease). Secret bodies are kept
/// until the request has ended. The remaining statements are added to `script`.
pub(super) async fn update_requests<'a>(
    transaction: &Transaction,
    records: &[(&'a ProvisioningRequest, Option<(&'a Lease, bool)>)],
    script: &mut Script<'a>,
) -> Result<HashSet<i64>, Fault> {
    if records.is_empty() {
        return Ok(HashSet::new());
    }
    let each = || records.iter().map(|(request, _)| *request);
    let numbers: Vec<i64> = each().map(|r| r.number).collect();
    let states: Vec<&str> = each().map(|r| r.state.as_str()).collect();
    let next: Vec<Option<i64>> = each().map(|r| r.next_attempt_at.map(|t| t.timestamp_millis())).collect();
    let (in_doubt, until): (Vec<Option<&str>>, Vec<Option<i64>>) =
        each().map(|r| InDoubtColumns::of(r.in_doubt)).map(|columns| (columns.in_doubt, columns.resolve_until)).unzip();
    let attempts: Vec<i64> = each().map(|r| i64::from(r.attempts)).collect();
    let sent: Vec<bool> = each().map(|r| r.sent).collect();
    let executed: Vec<Option<i64>> = each().map(|r| r.executed_at.map(|t| t.timestamp_millis())).collect();
    let changed: Vec<i64> = each().map(|r| r.updated_at.timestamp_millis()).collect();
    let references: Vec<_> = each().map(|r| storable_option(r.reference_number.as_ref())).collect();
    let results: Vec<_> = each().map(|r| r.result.as_ref().map(|json| storable(json.get()))).collect();
    let failures =
        each().map(|r| r.failure.as_ref().map(failure_to_json).transpose()).collect::<Result<Vec<_>, _>>()?;
    let failures: Vec<_> = failures.iter().map(|json| storable_option(json.as_ref())).collect();
    let processes: Vec<&str> = each().map(|r| r.process_name).collect();
    let ids: Vec<Option<&str>> = each().map(|r| r.process_id.as_deref()).collect();
    let owners: Vec<Option<&str>> =
        records.iter().map(|(_, lease)| lease.map(|(lease, _)| lease.owner.as_str())).collect();
    let tokens: Vec<Option<i64>> = records.iter().map(|(_, lease)| lease.map(|(lease, _)| lease.token)).collect();
    let kept: Vec<bool> = records.iter().map(|(_, lease)| lease.is_some_and(|(_, is_kept)| is_kept)).collect();
    let joinable: Vec<bool> = each().map(|r| r.content.joint_fields.is_some()).collect();
    let sql = "-- update_requests
        UPDATE request r SET state = new.state, ready_at = coalesce(new.next, r.ready_at),
            lease_owner = CASE WHEN new.is_kept THEN r.lease_owner END,
            waits_for = NULL, in_doubt = new.in_doubt, resolve_until = new.until, attempts = new.attempts,
            sent = new.sent, executed_at = new.executed, updated_at = new.changed, reference_number = new.reference,
            result = new.result, failure = new.failure, process_name = new.process, process_id = new.process_id,
            raw_body = CASE WHEN new.state = 'PENDING' THEN r.raw_body END, joint_call = NULL,
            joint_key = CASE WHEN new.state = 'PENDING' AND new.joinable THEN r.joint_key END,
            joint_fields = CASE WHEN new.state = 'PENDING' AND new.joinable THEN r.joint_fields END
        FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::boolean[],
            $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
            $16::bigint[], $17::boolean[], $18::boolean[])
            AS new (number, state, next, in_doubt, until, attempts, sent, executed, changed, reference, result, failure,
                process, process_id, owner, token, is_kept, joinable)
        WHERE r.number = new.number AND r.state IS NOT DISTINCT FROM 'PENDING' -- which no index answers: the number leads
            AND r.lease_owner IS NOT DISTINCT FROM new.owner AND r.lease_token = coalesce(new.token, r.lease_token)
        RETURNING r.number";
    let rows = transaction
        .query(
            sql,
            &[
                &numbers,
                &states,
                &next,
                &in_doubt,
                &until,
                &attempts,
                &sent,
                &executed,
                &changed,
                &references,
                &results,
                &failures,
                &processes,
                &ids,
                &owners,
                &tokens,
                &kept,
                &joinable,
            ],
        )
        .await?;
    let updated: HashSet<i64> = rows.iter().map(|row| Columns(row).get("number")).collect::<Result<_, _>>()?;
    parts::update_parts(script, each().filter(|r| updated.contains(&r.number)))?;
    let ended = || each().filter(|r| updated.contains(&r.number) && r.state != State::Pending);
    let secret = ended().filter(|r| r.content.request_type.secret().is_some()).map(|r| r.number).collect();
    idempotency::forget_secrets(script, secret);
    insert_rejected(script, ended().filter(|r| r.state == State::Rejected));
    Ok(updated)
}

/// Notes the devices of rejected requests, so that a list finds these requests quickly.
fn insert_rejected<'a>(script: &mut Script<'a>, rejected: impl Iterator<Item = &'a ProvisioningRequest>) {
    let (mut kinds, mut ids, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for request in rejected {
        for (kind, devices) in [(DeviceKind::Card, &request.content.cards), (DeviceKind::Stb, &request.content.stbs)] {
            for id in devices {
                kinds.push(kind.as_str());
                ids.push(id);
                numbers.push(request.number);
            }
        }
    }
    if numbers.is_empty() {
        return;
    }
    let sql = "-- insert_rejected
        INSERT INTO rejected_device (kind, ca_id, number) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
        ON CONFLICT DO NOTHING";
    script.add(sql, values![kinds, ids, numbers]);
}

fn insert_attempts<'a>(script: &mut Script<'a>, attempts: &[(i64, &'a Attempt)]) -> Result<(), Fault> {
    if attempts.is_empty() {
        return Ok(());
    }
    let each = || attempts.iter().map(|(_, attempt)| *attempt);
    let numbers: Vec<i64> = attempts.iter().map(|(number, _)| *number).collect();
    let counts: Vec<i64> = each().map(|a| i64::from(a.attempt)).collect();
    let started: Vec<i64> = each().map(|a| a.started_at.timestamp_millis()).collect();
    let durations: Vec<i64> = each().map(|a| a.duration_ms).collect();
    let sent: Vec<bool> = each().map(|a| a.sent).collect();
    let statuses: Vec<Option<i64>> = each().map(|a| a.http_status.map(i64::from)).collect();
    let errors: Vec<_> = each().map(|a| storable_option(a.error.as_ref())).collect();
    let responses: Vec<_> = each().map(|a| storable_option(own_response(a))).collect();
    let types: Vec<_> = each().map(|a| storable_option(a.content_type.as_ref())).collect();
    let timings = each().map(|a| timings_to_json(a.timings.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<Option<i64>> = each().map(|a| a.part.map(i64::from)).collect();
    let joint_calls: Vec<Option<&str>> = each().map(|a| a.joint_call.as_ref().map(|call| call.id.as_str())).collect();
    let sql = "-- insert_attempts
        INSERT INTO attempt (number, attempt, started_at, duration_ms, sent, http_status, error, response, content_type,
            timings, part, joint_call)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::bigint[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[])";
    let values = values![
        numbers,
        counts,
        started,
        durations,
        sent,
        statuses,
        errors,
        responses,
        types,
        timings,
        parts,
        joint_calls,
    ];
    script.add(sql, values);
    Ok(())
}

/// Adds an event to the history of a request.
pub(super) fn add_event<'a>(script: &mut Script<'a>, number: i64, event: &'a Event) {
    let sql = "-- add_event
        INSERT INTO event (number, event, at, kind, \"user\", text, duration_ms, http_status, request, response)
        SELECT $1::bigint, coalesce(max(event), 0) + 1, $2::bigint, $3::text, $4::text, $5::text, $6::bigint, $7::bigint, $8::text, $9::text
        FROM event WHERE number = $1";
    let (at, kind, status) = (event.at.timestamp_millis(), event.kind.as_str(), event.http_status.map(i64::from));
    let (text, user) = (storable_option(event.text.as_ref()), event.user.as_deref());
    let (request, response) = (storable_option(event.request.as_ref()), storable_option(event.response.as_ref()));
    let values = values![number, at, kind, user, text, event.duration_ms, status, request, response];
    script.add(sql, values);
}
