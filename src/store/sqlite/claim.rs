//! Leasing due requests to the processing run, and finding what a dead process left under way.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::cards::{self, Due};
use super::columns::Columns;
use super::{request_read, request_write};
use crate::request::{Event, EventKind, Family, Priority, ProvisioningRequest, process};
use crate::store::StoreError;

/// Requests looked at in one claim, at most: the writer has others to serve.
const LOOKED_AT: usize = 1000;

/// The waiting requests of one priority that are due, and not known to wait for another one.
const CANDIDATES: &str = "-- candidates
    SELECT number, cards, in_doubt IS 'RESOLVING' AS is_resolving, ifnull(resolve_until <= ?2, FALSE) AS is_over FROM request
    WHERE priority = ?1 AND ready_at <= ?2
        AND state = 'PENDING' AND lease IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR'
    ORDER BY ready_at, number LIMIT ?3";

/// A request that may be leased.
struct Candidate {
    number: i64,
    cards: Vec<String>,
    /// Its doubt is being resolved: it has its cards already.
    is_resolving: bool,
    /// The time for that is over.
    is_over: bool,
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let row = Columns::new(row);
    Ok(Candidate {
        number: row.get("number")?,
        cards: row.required_json("cards")?,
        is_resolving: row.get("is_resolving")?,
        is_over: row.get("is_over")?,
    })
}

pub(super) fn claim_requests(
    db: &Connection,
    now: DateTime<Utc>,
    limit: usize,
    run: &str,
) -> Result<Vec<ProvisioningRequest>, StoreError> {
    let mut numbers: Vec<i64> = Vec::new();
    let mut left = LOOKED_AT;
    for priority in Priority::ALL {
        // Whoever is looked at is no candidate afterwards: leased, or known to wait.
        while left > 0 && numbers.len() < limit {
            let room = i64::try_from(left.min(limit - numbers.len())).unwrap_or(i64::MAX);
            let values = params![priority.as_str(), now.timestamp_millis(), room];
            let found: Vec<Candidate> =
                db.prepare_cached(CANDIDATES)?.query_map(values, candidate)?.collect::<Result<_, _>>()?;
            if found.is_empty() {
                break;
            }
            left -= found.len();
            for candidate in &found {
                if candidate.is_over {
                    give_up(db, candidate, now)?;
                } else if lease(db, candidate, now, run)? {
                    numbers.push(candidate.number);
                }
            }
        }
    }
    request_read::find_by_numbers(db, &numbers)
}

/// Leases a request, or notes which one it has to wait for. One that has its cards already waits for none: not even for
/// an earlier one that fell due meanwhile, and waits for these cards.
fn lease(db: &Connection, candidate: &Candidate, now: DateTime<Utc>, run: &str) -> Result<bool, StoreError> {
    let Candidate { number, cards, is_resolving, .. } = candidate;
    let blocker = if *is_resolving { None } else { cards::find_blocker(db, *number, cards, now)? };
    if let Some(other) = blocker {
        db.prepare_cached("-- lease: wait\nUPDATE request SET waits_for = ?2 WHERE number = ?1")?
            .execute(params![number, other])?;
        return Ok(false);
    }
    db.prepare_cached(
        "-- lease
         UPDATE request SET lease = ?2, process_name = ?3, process_id = ?2, updated_at = ?4 WHERE number = ?1",
    )?
    .execute(params![number, run, process::RUN, now.timestamp_millis()])?;
    cards::unqueue_cards(db, *number, cards)?;
    cards::lock_cards(db, *number, cards)?;
    Ok(true)
}

/// Leaves a doubt to an operator, and lets the cards go.
fn give_up(db: &Connection, Candidate { number, cards, .. }: &Candidate, now: DateTime<Utc>) -> Result<(), StoreError> {
    db.prepare_cached(
        "-- give_up
         UPDATE request SET in_doubt = 'NEEDS_OPERATOR', resolve_until = NULL, ready_at = scheduled_at, updated_at = ?2
         WHERE number = ?1",
    )?
    .execute(params![number, now.timestamp_millis()])?;
    cards::queue_cards(db, *number, cards, Due::NEVER)?;
    cards::unlock_cards(db, *number, cards)?;
    let text = "What became of it could not be found out in time; later requests of its cards go on.";
    tracing::error!(number, "outcome unknown: an operator must settle it");
    request_write::add_event(db, *number, &Event::new(now, EventKind::GaveUp, None, Some(text)))
}

/// The store has one process: whatever is leased when it starts was under way when the last one died. What was found
/// waiting is looked at anew.
pub(super) fn list_leased_requests(db: &Connection) -> Result<Vec<ProvisioningRequest>, StoreError> {
    db.execute(
        "-- list_leased_requests: waiting\nUPDATE request SET waits_for = NULL WHERE waits_for IS NOT NULL",
        [],
    )?;
    let [web, sms] = [Family::WebServices, Family::SmsSas].map(Family::as_str);
    let mut statement = db.prepare_cached(
        "-- list_leased_requests
         SELECT number FROM request WHERE family IN (?1, ?2) AND state = 'PENDING' AND lease IS NOT NULL ORDER BY number",
    )?;
    let numbers: Vec<i64> = statement.query_map([web, sms], |row| row.get("number"))?.collect::<Result<_, _>>()?;
    request_read::find_by_numbers(db, &numbers)
}

pub(super) fn find_next_due(db: &Connection) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- find_next_due
         SELECT min(ready_at) AS ready_at FROM request
         WHERE priority = ?1
             AND state = 'PENDING' AND lease IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR'",
    )?;
    let mut next: Option<i64> = None;
    for priority in Priority::ALL {
        let due: Option<i64> = statement.query_row([priority.as_str()], |row| row.get("ready_at"))?;
        next = next.into_iter().chain(due).min();
    }
    Ok(next.and_then(DateTime::from_timestamp_millis))
}
