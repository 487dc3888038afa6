//! Leases due requests to the processing run of a node in batches, and skips requests that another node is claiming.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::cards::{self, Views};
use super::columns::Columns;
use super::database::{Database, Patience, Transaction};
use super::fault::Fault;
use super::script::{Script, values};
use super::{joint, record, request_read};
use crate::request::{Cas, Priority, process};
use crate::store::leases::into_calls;
use crate::store::policy::{Step, turns};
use crate::store::rows::{CANDIDATE_COLUMNS, Candidate, ReadColumns as _, row_to_candidate};
use crate::store::{Lease, LeasedCall, MostCards, NodeId, StoreError};
use crate::words::Word as _;

/// The largest number of requests that one claim looks at.
const LOOKED_AT: usize = 1000;
/// The number of requests that one step looks at.
const STEP: usize = 100;
/// How long a claim waits that found only requests that other nodes are claiming.
const OTHERS_TIME: Duration = Duration::from_millis(10);

/// The due requests of one CA system and priority that are not known to wait for another request, and that no other node
/// is claiming.
const CANDIDATES: &str = "
    WHERE cas = $4 AND priority = $1 AND ready_at <= $2
        AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS DISTINCT FROM 'NEEDS_OPERATOR'
    ORDER BY ready_at, number LIMIT $3 FOR UPDATE SKIP LOCKED";

/// The result of a claim.
struct Claimed {
    calls: Vec<LeasedCall>,
    has_looked: bool,
}

pub(super) async fn claim_requests(
    database: &Database,
    now: DateTime<Utc>,
    limit: usize,
    (node, systems, most_cards): (&NodeId, &[Cas], &MostCards),
) -> Result<Vec<LeasedCall>, StoreError> {
    let (node, systems, most_cards) = (node.clone(), systems.to_vec(), Arc::new(most_cards.clone()));
    let claimed = database.write(Patience::Refuse, 1, move |transaction| {
        let (node, systems, most_cards) = (node.clone(), systems.clone(), Arc::clone(&most_cards));
        Box::pin(async move { claim(transaction, now, limit, (&node, &systems, &most_cards)).await })
    });
    let Claimed { calls, has_looked } = claimed.await?;
    if !has_looked {
        tokio::time::sleep(OTHERS_TIME).await;
    }
    Ok(calls)
}

async fn claim(
    transaction: &Transaction,
    now: DateTime<Utc>,
    limit: usize,
    (node, systems, most_cards): (&NodeId, &[Cas], &MostCards),
) -> Result<Claimed, Fault> {
    let (mut leased, mut calls) = (Vec::new(), Vec::new());
    let mut left = LOOKED_AT;
    for turn in turns(systems) {
        // A candidate is looked at once: afterwards the request is leased, or known to wait.
        while left > 0 && calls.len() < limit {
            let room = left.min(limit - calls.len()).min(STEP);
            let found = find_candidates(transaction, turn, now, room).await?;
            if found.is_empty() {
                break;
            }
            let found = joint::first_of(found, most_cards);
            let joinable = joint::find_joinable(transaction, &found, most_cards, now).await?;
            left = left.saturating_sub(found.len() + joinable.len());
            let (new, sizes) = take_step(transaction, (&found, &joinable), (now, node, most_cards)).await?;
            leased.extend(new);
            calls.extend(sizes);
        }
    }
    let leased = request_read::find_leased(transaction, leased).await?;
    Ok(Claimed { calls: into_calls(leased, &calls), has_looked: left < LOOKED_AT })
}

async fn find_candidates(
    transaction: &Transaction,
    (priority, cas): (Priority, Cas),
    now: DateTime<Utc>,
    room: usize,
) -> Result<Vec<Candidate>, Fault> {
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    let sql = format!("-- candidates\nSELECT {CANDIDATE_COLUMNS} FROM request {CANDIDATES}");
    let rows = transaction.query(&sql, &[&priority.as_str(), &now.timestamp_millis(), &room, &cas.as_str()]).await?;
    rows.iter().map(|row| row_to_candidate(&Columns(row))).collect()
}

/// Takes the next step of each candidate, in order, and adds other requests to the calls of leased candidates; returns
/// the leases, and the number of requests per call.
async fn take_step(
    transaction: &Transaction,
    (found, joinable): (&[Candidate], &[Candidate]),
    (now, node, most_cards): (DateTime<Utc>, &NodeId, &MostCards),
) -> Result<(Vec<(i64, Lease)>, Vec<usize>), Fault> {
    let all = || found.iter().chain(joinable);
    cards::lock_cards(transaction, all().flat_map(|candidate| &candidate.cards)).await?;
    let is_late = |candidate: &&Candidate| matches!(Step::of(candidate.in_doubt, now, || Ok(None)), Ok(Step::GiveUp));
    for candidate in found.iter().filter(is_late) {
        give_up(transaction, candidate.number, now).await?;
    }
    let asked: Vec<_> = all().filter(|c| !is_late(c)).map(|candidate| (candidate.number, candidate.cards())).collect();
    let mut script = Script::default();
    let place = Views::ask(&mut script, asked, now.timestamp_millis());
    let views = Views::of_rows(&transaction.run(&script).await?[place])?;
    let mut choice =
        Choice { now, views, looked_at: HashSet::new(), free: Vec::new(), waiting: Vec::new(), waited_for: Vec::new() };
    let mut sizes = Vec::new();
    for first in found.iter().filter(|candidate| !is_late(candidate)) {
        let before = choice.free.len();
        if !choice.take(first)? {
            continue;
        }
        let mut room = first.room(most_cards);
        let has_same_content = |other: &&Candidate| other.joint_key == first.joint_key && other.in_doubt.is_none();
        for other in all().filter(|_| first.joint_key.is_some()).filter(has_same_content) {
            if room == 0 {
                break;
            }
            if choice.looked_at.contains(&other.number) {
                continue;
            }
            // A request that is too large ends the search, so that no later request overtakes it.
            let Some(left) = room.checked_sub(other.cards.len()) else { break };
            if choice.take(other)? {
                room = left;
            }
        }
        sizes.push(choice.free.len() - before);
    }
    let Choice { free, waiting, waited_for, .. } = choice;
    if !waiting.is_empty() {
        let sql = "-- wait_for
            UPDATE request r SET waits_for = found.other FROM unnest($1::bigint[], $2::bigint[]) AS found (number, other)
            WHERE r.number = found.number";
        transaction.execute(sql, &[&waiting, &waited_for]).await?;
    }
    let leased = lease(transaction, &free, now, node).await?;
    joint::note_calls(transaction, &leased, &sizes).await?;
    Ok((leased, sizes))
}

/// Which candidates are leased, and which wait for others.
struct Choice<'c> {
    now: DateTime<Utc>,
    views: Views,
    looked_at: HashSet<i64>,
    free: Vec<&'c Candidate>,
    waiting: Vec<i64>,
    waited_for: Vec<i64>,
}

impl<'c> Choice<'c> {
    /// Returns true if the candidate is to be leased now, and was not looked at before.
    fn take(&mut self, candidate: &'c Candidate) -> Result<bool, Fault> {
        let number = candidate.number;
        if !self.looked_at.insert(number) {
            return Ok(false);
        }
        let find_blocker = || Ok(self.views.find_blocker(number, candidate.cards()));
        match Step::of(candidate.in_doubt, self.now, find_blocker)? {
            Step::WaitFor(other) => {
                self.waiting.push(number);
                self.waited_for.push(other);
                Ok(false)
            }
            Step::Lease | Step::GiveUp => {
                self.views.note_lock(number, candidate.cards());
                self.free.push(candidate);
                Ok(true)
            }
        }
    }
}

async fn lease(
    transaction: &Transaction,
    free: &[&Candidate],
    now: DateTime<Utc>,
    node: &NodeId,
) -> Result<Vec<(i64, Lease)>, Fault> {
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let cards_of = || free.iter().map(|candidate| (candidate.number, candidate.cards()));
    let mut script = Script::default();
    cards::unqueue_cards(&mut script, cards_of());
    cards::take_cards(&mut script, cards_of());
    let numbers: Vec<i64> = free.iter().map(|candidate| candidate.number).collect();
    let sql = "-- lease
        UPDATE request SET lease_owner = $2, lease_token = lease_token + 1, process_name = $3, process_id = $2,
            updated_at = $4, joint_call = NULL
        WHERE number = ANY ($1) RETURNING number, lease_token";
    let place = script.add(sql, values![numbers.clone(), node.as_str(), process::RUN, now.timestamp_millis()]);
    let rows = transaction.run(&script).await?;
    let mut leased = rows[place].iter().map(|row| read_lease(row, node)).collect::<Result<Vec<_>, _>>()?;
    leased.sort_by_key(|(number, _)| numbers.iter().position(|other| other == number));
    Ok(leased)
}

/// The columns `number` and `lease_token`.
pub(super) fn read_lease(row: &Row, node: &NodeId) -> Result<(i64, Lease), Fault> {
    let row = Columns(row);
    Ok((row.get("number")?, Lease { owner: node.clone(), token: row.get("lease_token")? }))
}

async fn give_up(transaction: &Transaction, number: i64, now: DateTime<Utc>) -> Result<(), Fault> {
    for mut request in request_read::find_by_numbers(transaction, &[number]).await?.into_values() {
        let event = request.give_up(now);
        let mut script = Script::default();
        record::update_requests(transaction, &[(&request, None)], &mut script).await?;
        cards::change_cards(&mut script, &[&request]);
        record::add_event(&mut script, number, &event);
        transaction.run(&script).await?;
        tracing::error!(number, "outcome unknown: an operator must settle it");
    }
    Ok(())
}

/// When the next waiting request of some CA systems falls due.
pub(super) async fn find_next_due(database: &Database, systems: &[Cas]) -> Result<Option<DateTime<Utc>>, Fault> {
    let sql = "-- find_next_due
        SELECT min(ready_at) AS ready_at FROM (
            SELECT (SELECT ready_at FROM request WHERE cas = wanted.cas AND priority = wanted.priority
                AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL
                AND in_doubt IS DISTINCT FROM 'NEEDS_OPERATOR'
                ORDER BY ready_at LIMIT 1) AS ready_at
            FROM unnest($1::text[], $2::text[]) AS wanted (priority, cas)) AS first";
    let (priorities, systems): (Vec<&str>, Vec<&str>) =
        turns(systems).map(|(priority, cas)| (priority.as_str(), cas.as_str())).unzip();
    match database.read(sql, &[&priorities, &systems]).await?.first() {
        Some(row) => Columns(row).optional_time("ready_at"),
        None => Ok(None),
    }
}
