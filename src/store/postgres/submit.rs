//! Accepting requests: the first of the two commits that an immediate request costs. What comes at the same time is accepted
//! together, in its order.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::cards::{self, Views};
use super::columns::{Columns, storable, storable_option};
use super::database::Transaction;
use super::fault::Fault;
use super::{idempotency, parts, record};
use crate::request::{Event, EventKind, NewRequest, State, process};
use crate::store::policy::{self, Cards, Due};
use crate::store::rows::{NewRow, ReadColumns as _, accepted_record, failure_to_json, rendered_request, to_json};
use crate::store::{DeviceKind, Lease, StoreError, Submission, SubmitResult};
use crate::words::Word as _;

/// The token of the first lease of a request.
const FIRST_TOKEN: i64 = 1;

/// A request that is new, and not known by its key.
struct Accepted<'s> {
    submission: &'s Submission,
    content: Arc<NewRequest>,
    number: i64,
    sequence_number: i64,
    lease: Option<Lease>,
}

pub(super) async fn submit_requests(
    transaction: &Transaction,
    batch: &[Submission],
) -> Result<Vec<SubmitResult>, Fault> {
    let mut results = idempotency::find_earlier(transaction, batch).await?;
    // Of several with one key the first is accepted, and the others are looked at when it is there.
    let mut keys = BTreeSet::new();
    let is_first = |submission: &Submission| submission.key.as_ref().is_none_or(|key| keys.insert(key.key));
    let firsts: Vec<bool> = batch.iter().map(is_first).collect();
    let is_new = |index: usize| firsts[index] && results[index].is_none();
    let new: Vec<&Submission> = (0..batch.len()).filter(|index| is_new(*index)).map(|index| &batch[index]).collect();
    let mut accepted = accept(transaction, &new).await?.into_iter();
    for (index, is_first) in firsts.iter().enumerate() {
        if *is_first && results[index].is_none() {
            results[index] = accepted.next();
        }
    }
    drop(accepted);
    for index in 0..batch.len() {
        if results[index].is_none() {
            results[index] = idempotency::find_earlier(transaction, &batch[index..=index]).await?.pop().flatten();
        }
    }
    let missing = || StoreError::Other("a request with a known key is gone".to_owned());
    Ok(results.into_iter().map(|result| result.ok_or_else(missing)).collect::<Result<_, _>>()?)
}

async fn accept(transaction: &Transaction, new: &[&Submission]) -> Result<Vec<SubmitResult>, Fault> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut last = cards::lock_cards(transaction, new.iter().flat_map(|s| &s.request.cards)).await?;
    let mut accepted: Vec<Accepted<'_>> = Vec::new();
    for submission in new {
        let known = submission.request.cards.iter().filter_map(|card| last.get(card).copied());
        let sequence_number = policy::next_sequence_number(known);
        for card in &submission.request.cards {
            last.insert(card.clone(), sequence_number);
        }
        let content = match &submission.render {
            None => Arc::clone(&submission.request),
            Some(render) => Arc::new(rendered_request(&submission.request, render(sequence_number))),
        };
        accepted.push(Accepted { submission, content, number: 0, sequence_number, lease: None });
    }
    // From here on all others wait for a number, until this is committed.
    let first = take_numbers(transaction, new.len()).await?;
    for (number, request) in (first..).zip(&mut accepted) {
        request.number = number;
    }
    lease_free(transaction, &mut accepted).await?;
    insert_requests(transaction, &accepted).await?;
    parts::insert_parts(transaction, accepted.iter().map(|r| (r.number, r.content.parts()))).await?;
    insert_devices(transaction, &accepted).await?;
    let cards_of = |request: &Accepted<'_>| (request.number, request.lease.is_some());
    let leased = accepted.iter().filter(|request| cards_of(request).1);
    cards::take_cards(transaction, leased.map(|r| (r.number, Cards::of(&r.content)))).await?;
    let queued = accepted.iter().filter(|request| request.lease.is_none());
    let queued = queued.map(|r| (r.number, Cards::of(&r.content), Due::of_new(&r.content)));
    cards::queue_cards(transaction, queued).await?;
    note_sequence_numbers(transaction, &last).await?;
    for Accepted { submission, content, number, .. } in &accepted {
        if let Some(key) = &submission.key {
            idempotency::remember(transaction, key, *number).await?;
        }
        if let Some(link) = &submission.resubmission {
            let text = format!("as request {number}: {}", link.reason);
            let event = Event::new(content.created_at, EventKind::Resubmitted, Some(&link.user), Some(&text));
            record::add_event(transaction, link.of, &event).await?;
            let text = format!("of request {}: {}", link.of, link.reason);
            let event = Event::new(content.created_at, EventKind::Resubmission, Some(&link.user), Some(&text));
            record::add_event(transaction, *number, &event).await?;
        }
    }
    let result = |Accepted { content, number, sequence_number, lease, .. }: Accepted<'_>| SubmitResult::New {
        request: accepted_record(number, sequence_number, content),
        lease,
    };
    Ok(accepted.into_iter().map(result).collect())
}

/// The first of so many new numbers.
async fn take_numbers(transaction: &Transaction, count: usize) -> Result<i64, Fault> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let sql = "-- take_numbers
        UPDATE counter SET number = number + $1 WHERE name = 'request' RETURNING number - $1 + 1 AS first";
    let row = transaction.query_first(sql, &[&count]).await?;
    let row = row.ok_or_else(|| StoreError::Damaged("there is no counter of requests".to_owned()))?;
    Columns(&row).get("first")
}

/// Leases those that are to be leased and whose cards are free, in their order.
async fn lease_free(transaction: &Transaction, accepted: &mut [Accepted<'_>]) -> Result<(), Fault> {
    let Some(now) = accepted.iter().filter(|r| r.submission.lease_to.is_some()).map(|r| r.content.created_at).max()
    else {
        return Ok(());
    };
    let asked: Vec<_> = accepted.iter().map(|request| (request.number, Cards::of(&request.content))).collect();
    let mut views = Views::read(transaction, &asked, now.timestamp_millis()).await?;
    for request in accepted {
        let cards = Cards::of(&request.content);
        let is_free = || views.find_blocker(request.number, cards).is_none();
        match &request.submission.lease_to {
            Some(node) if is_free() => {
                request.lease = Some(Lease { owner: node.clone(), token: FIRST_TOKEN });
                views.note_lock(request.number, cards);
            }
            _ if Due::of_new(&request.content).0 <= now.timestamp_millis() => views.note_queue(request.number, cards),
            _ => {}
        }
    }
    Ok(())
}

async fn insert_requests(transaction: &Transaction, accepted: &[Accepted<'_>]) -> Result<(), Fault> {
    let mut texts = Vec::new();
    for request in accepted {
        texts.push(NewRow::of(&request.content)?);
    }
    let each = || accepted.iter().zip(&texts);
    let content = |of: fn(&NewRequest) -> &str| each().map(|(r, _)| of(&r.content)).collect::<Vec<_>>();
    let time = |of: fn(&NewRequest) -> i64| each().map(|(r, _)| of(&r.content)).collect::<Vec<_>>();
    let numbers: Vec<i64> = each().map(|(r, _)| r.number).collect();
    let ids = content(|r| r.id.as_str());
    let families = content(|r| r.family.as_str());
    let systems = content(|r| r.family.cas().as_str());
    let types = content(|r| r.request_type.as_str());
    let priorities = content(|r| r.priority.as_str());
    let immediate: Vec<Option<bool>> = each().map(|(r, _)| r.content.process_immediately).collect();
    let scheduled = time(|r| r.scheduled_at.timestamp_millis());
    let items: Vec<_> = each().map(|(_, t)| storable(&t.items)).collect();
    let cards: Vec<&str> = each().map(|(_, t)| t.cards.as_str()).collect();
    let subscriptions: Vec<Option<&str>> = each().map(|(r, _)| r.content.subscription.as_deref()).collect();
    let bodies: Vec<Option<&str>> =
        each().map(|(r, _)| r.content.envelope(None).map(|e| e.redacted.as_str())).collect();
    let raw: Vec<Option<&str>> = each().map(|(r, _)| r.content.envelope(None).and_then(|e| e.raw.as_deref())).collect();
    let calls: Vec<Option<&str>> = each().map(|(r, _)| r.content.api_call.as_deref()).collect();
    let rejections: Vec<Option<String>> =
        each().map(|(r, _)| r.content.rejection.as_ref().map(failure_to_json).transpose()).collect::<Result<_, _>>()?;
    let correlations = each().map(|(r, _)| r.content.correlation.as_ref().map(to_json).transpose());
    let correlations: Vec<Option<String>> = correlations.collect::<Result<_, _>>()?;
    let parts: Vec<i64> = each().map(|(r, _)| i64::try_from(r.content.parts().len()).unwrap_or(i64::MAX)).collect();
    let joint_keys: Vec<Option<&[u8]>> = each().map(|(_, t)| t.joint_key.as_ref().map(<[u8; 32]>::as_slice)).collect();
    let joint_fields: Vec<_> = each().map(|(_, t)| storable_option(t.joint_fields.as_ref())).collect();
    let sequence: Vec<i64> = each().map(|(r, _)| r.sequence_number).collect();
    let users = content(|r| r.created_by.id.as_str());
    let created = time(|r| r.created_at.timestamp_millis());
    let owners: Vec<Option<&str>> = each().map(|(r, _)| r.lease.as_ref().map(|lease| lease.owner.as_str())).collect();
    let tokens: Vec<i64> = each().map(|(r, _)| r.lease.as_ref().map_or(0, |lease| lease.token)).collect();
    let sql = "-- insert_requests
        INSERT INTO request (number, id, family, cas, type, priority, process_immediately, scheduled_at, ready_at, items, cards,
            subscription, body, raw_body, api_call, rejection, sequence_number, created_by, created_at, updated_at,
            lease_owner, lease_token, state, process_name, correlation, parts, joint_key, joint_fields)
        SELECT number, id, family, cas, type, priority, immediate, scheduled_at, scheduled_at, items, cards,
            subscription, body, raw_body, api_call, rejection, sequence_number, created_by, created_at, created_at,
            lease_owner, lease_token, $20, $21, correlation, parts, joint_key, joint_fields
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::text[],
            $17::bigint[], $18::text[], $19::bigint[], $22::text[], $23::text[], $24::bigint[], $25::bytea[], $26::text[])
            AS new (number, id, family, type, priority, immediate, scheduled_at, items, cards, subscription, body,
                raw_body, api_call, rejection, sequence_number, created_by, created_at, lease_owner, lease_token, correlation,
                cas, parts, joint_key, joint_fields)";
    transaction
        .execute(
            sql,
            &[
                &numbers,
                &ids,
                &families,
                &types,
                &priorities,
                &immediate,
                &scheduled,
                &items,
                &cards,
                &subscriptions,
                &bodies,
                &raw,
                &calls,
                &rejections,
                &sequence,
                &users,
                &created,
                &owners,
                &tokens,
                &State::Pending.as_str(),
                &process::MANUAL,
                &correlations,
                &systems,
                &parts,
                &joint_keys,
                &joint_fields,
            ],
        )
        .await?;
    Ok(())
}

async fn insert_devices(transaction: &Transaction, accepted: &[Accepted<'_>]) -> Result<(), Fault> {
    let (mut kinds, mut ids, mut numbers, mut sequence) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Accepted { content, number, sequence_number, .. } in accepted {
        for (kind, devices) in [(DeviceKind::Card, &content.cards), (DeviceKind::Stb, &content.stbs)] {
            for id in devices {
                kinds.push(kind.as_str());
                ids.push(id);
                numbers.push(*number);
                sequence.push(*sequence_number);
            }
        }
    }
    let sql = "-- insert_devices
        INSERT INTO request_device (kind, ca_id, number, sequence_number)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[&kinds, &ids, &numbers, &sequence]).await?;
    Ok(())
}

async fn note_sequence_numbers(transaction: &Transaction, last: &HashMap<String, i64>) -> Result<(), Fault> {
    let (cards, numbers): (Vec<&String>, Vec<&i64>) = last.iter().unzip();
    let sql = "-- note_sequence_numbers
        UPDATE card SET sequence_number = last.number FROM unnest($1::text[], $2::bigint[]) AS last (card, number)
        WHERE card.card = last.card";
    transaction.execute(sql, &[&cards, &numbers]).await?;
    Ok(())
}
