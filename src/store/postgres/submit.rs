//! Accepts new requests: the first of the two commits that an immediate request costs. Requests that come at the same
//! time are accepted together, in their order.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::cards::{self, Views};
use super::columns::{Columns, storable, storable_option};
use super::database::Transaction;
use super::fault::Fault;
use super::script::{Script, values};
use super::{idempotency, parts, record};
use crate::request::{Event, EventKind, NewRequest, State, process};
use crate::store::policy::{self, Cards, Due};
use crate::store::rows::{NewRow, ReadColumns as _, accepted_record, rendered_request, to_json};
use crate::store::{DeviceKind, Lease, Resubmission, StoreError, Submission, SubmitResult};
use crate::words::Word as _;

/// The token of the first lease of a request.
const FIRST_TOKEN: i64 = 1;

/// The first of the provisional numbers that new requests have until they are numbered: higher than all real numbers.
const NOT_NUMBERED: i64 = i64::MAX / 2;

/// A new request that no idempotency key has matched.
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
    // Of several requests with one key the first is accepted; the others are matched with it afterwards.
    let mut keys = BTreeSet::new();
    let is_first = |submission: &Submission| submission.key.as_ref().is_none_or(|key| keys.insert(key.key));
    let firsts: Vec<bool> = batch.iter().map(is_first).collect();
    let is_new = |index: usize| firsts[index] && results[index].is_none();
    let new: Vec<&Submission> = (0..batch.len()).filter(|index| is_new(*index)).map(|index| &batch[index]).collect();
    let is_all = firsts.iter().all(|is_first| *is_first);
    let mut accepted = accept(transaction, &new, is_all).await?.into_iter();
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

/// Accepts requests; `is_all` ends the transaction with this call.
async fn accept(transaction: &Transaction, new: &[&Submission], is_all: bool) -> Result<Vec<SubmitResult>, Fault> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut last = cards::lock_or_make_cards(transaction, new.iter().flat_map(|s| &s.request.cards)).await?;
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
    take_numbers_and_cards(transaction, &mut accepted).await?;
    let links = accepted.iter().filter_map(|request| Some((request, request.submission.resubmission.as_ref()?)));
    let events: Vec<_> = links.flat_map(|(request, link)| resubmission_events(request, link)).collect();
    let mut script = Script::default();
    insert_requests(&mut script, &accepted)?;
    parts::insert_parts(&mut script, accepted.iter().map(|r| (r.number, r.content.parts())))?;
    insert_devices(&mut script, &accepted);
    let (leased, queued): (Vec<_>, Vec<_>) = accepted.iter().partition(|request| request.lease.is_some());
    cards::take_cards(&mut script, leased.iter().map(|r| (r.number, Cards::of(&r.content))));
    let queued = queued.iter().map(|r| (r.number, Cards::of(&r.content), Due::of_new(&r.content)));
    cards::queue_cards(&mut script, queued);
    note_sequence_numbers(&mut script, &last);
    for (number, event) in &events {
        record::add_event(&mut script, *number, event);
    }
    for Accepted { submission, number, .. } in &accepted {
        if let Some(key) = &submission.key {
            idempotency::remember(&mut script, key, *number);
        }
    }
    match is_all {
        true => drop(transaction.run_last(&script).await?),
        false => drop(transaction.run(&script).await?),
    }
    drop(script);
    let result = |Accepted { content, number, sequence_number, lease, .. }: Accepted<'_>| SubmitResult::New {
        request: accepted_record(number, sequence_number, content),
        lease,
    };
    Ok(accepted.into_iter().map(result).collect())
}

/// The events that link a resubmitted request and its new request in both histories.
fn resubmission_events(request: &Accepted<'_>, link: &Resubmission) -> [(i64, Event); 2] {
    let Accepted { content, number, .. } = request;
    let event = |kind, text: String| Event::new(content.created_at, kind, Some(&link.user), Some(&text));
    [
        (link.of, event(EventKind::Resubmitted, format!("as request {number}: {}", link.reason))),
        (*number, event(EventKind::Resubmission, format!("of request {}: {}", link.of, link.reason))),
    ]
}

/// Numbers requests, and leases in their order those that ask for a lease and whose cards are free. From here until the
/// commit all other nodes wait for a number.
async fn take_numbers_and_cards(transaction: &Transaction, accepted: &mut [Accepted<'_>]) -> Result<(), Fault> {
    let count = i64::try_from(accepted.len()).unwrap_or(i64::MAX);
    for (number, request) in (NOT_NUMBERED..).zip(&mut *accepted) {
        request.number = number;
    }
    let now = accepted.iter().filter(|r| r.submission.lease_to.is_some()).map(|r| r.content.created_at).max();
    let contents: Vec<_> = accepted.iter().map(|request| (request.number, Arc::clone(&request.content))).collect();
    let mut script = Script::default();
    let views = now.map(|now| {
        let asked = contents.iter().map(|(number, content)| (*number, Cards::of(content)));
        (Views::ask(&mut script, asked, now.timestamp_millis()), now)
    });
    let sql = "-- take_numbers
        UPDATE counter SET number = number + $1 WHERE name = 'request' RETURNING number - $1 + 1 AS first";
    let numbers = script.add(sql, values![count]);
    let rows = transaction.run(&script).await?;
    if let Some((place, now)) = views {
        lease_free(accepted, Views::of_rows(&rows[place])?, now);
    }
    let no_counter = || StoreError::Damaged("there is no counter of requests".to_owned());
    let first: i64 = Columns(rows[numbers].first().ok_or_else(no_counter)?).get("first")?;
    for (number, request) in (first..).zip(accepted) {
        request.number = number;
    }
    Ok(())
}

fn lease_free(accepted: &mut [Accepted<'_>], mut views: Views, now: DateTime<Utc>) {
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
}

fn insert_requests<'a>(script: &mut Script<'a>, accepted: &'a [Accepted<'_>]) -> Result<(), Fault> {
    let (mut items, mut cards, mut rejections) = (Vec::new(), Vec::new(), Vec::new());
    let (mut joint_keys, mut joint_fields) = (Vec::new(), Vec::new());
    for request in accepted {
        let row = NewRow::of(&request.content)?;
        items.push(storable(&row.items).into_owned());
        cards.push(row.cards);
        rejections.push(row.rejection);
        joint_keys.push(row.joint_key.map(Vec::from));
        joint_fields.push(storable_option(row.joint_fields.as_ref()).map(Cow::into_owned));
    }
    let each = || accepted.iter();
    let content = |of: fn(&NewRequest) -> &str| each().map(|r| of(&r.content)).collect::<Vec<_>>();
    let time = |of: fn(&NewRequest) -> i64| each().map(|r| of(&r.content)).collect::<Vec<_>>();
    let numbers: Vec<i64> = each().map(|r| r.number).collect();
    let ids = content(|r| r.id.as_str());
    let families = content(|r| r.family.as_str());
    let systems = content(|r| r.family.cas().as_str());
    let types = content(|r| r.request_type.as_str());
    let priorities = content(|r| r.priority.as_str());
    let immediate: Vec<Option<bool>> = each().map(|r| r.content.process_immediately).collect();
    let scheduled = time(|r| r.scheduled_at.timestamp_millis());
    let subscriptions: Vec<Option<&str>> = each().map(|r| r.content.subscription.as_deref()).collect();
    let bodies: Vec<Option<&str>> = each().map(|r| r.content.envelope(None).map(|e| e.redacted.as_str())).collect();
    let raw: Vec<Option<&str>> = each().map(|r| r.content.envelope(None).and_then(|e| e.raw.as_deref())).collect();
    let calls: Vec<Option<&str>> = each().map(|r| r.content.api_call.as_deref()).collect();
    let correlations = each().map(|r| r.content.correlation.as_ref().map(to_json).transpose());
    let correlations: Vec<Option<String>> = correlations.collect::<Result<_, _>>()?;
    let parts: Vec<i64> = each().map(|r| i64::try_from(r.content.parts().len()).unwrap_or(i64::MAX)).collect();
    let sequence: Vec<i64> = each().map(|r| r.sequence_number).collect();
    let users = content(|r| r.created_by.id.as_str());
    let created = time(|r| r.created_at.timestamp_millis());
    let owners: Vec<Option<&str>> = each().map(|r| r.lease.as_ref().map(|lease| lease.owner.as_str())).collect();
    let tokens: Vec<i64> = each().map(|r| r.lease.as_ref().map_or(0, |lease| lease.token)).collect();
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
    let values = values![
        numbers,
        ids,
        families,
        types,
        priorities,
        immediate,
        scheduled,
        items,
        cards,
        subscriptions,
        bodies,
        raw,
        calls,
        rejections,
        sequence,
        users,
        created,
        owners,
        tokens,
        State::Pending.as_str(),
        process::MANUAL,
        correlations,
        systems,
        parts,
        joint_keys,
        joint_fields,
    ];
    script.add(sql, values);
    Ok(())
}

fn insert_devices<'a>(script: &mut Script<'a>, accepted: &'a [Accepted<'_>]) {
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
    script.add(sql, values![kinds, ids, numbers, sequence]);
}

fn note_sequence_numbers<'a>(script: &mut Script<'a>, last: &'a HashMap<String, i64>) {
    let (cards, numbers): (Vec<&String>, Vec<&i64>) = last.iter().unzip();
    let sql = "-- note_sequence_numbers
        UPDATE card SET sequence_number = last.number FROM unnest($1::text[], $2::bigint[]) AS last (card, number)
        WHERE card.card = last.card";
    script.add(sql, values![cards, numbers]);
}
