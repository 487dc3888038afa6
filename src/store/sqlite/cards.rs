//! The locks and queues of cards: `card_lock` names the request that holds a card, `card_queue` the requests that wait.
//! Together the two tables name all PENDING requests of a card.
//!
//! Rule: a request is under way only while it has locked all of its cards, and it locks them only when no earlier due
//! request waits for any of them. A request in doubt that is being resolved keeps its locks.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::request::ProvisioningRequest;
use crate::store::StoreError;
use crate::store::policy::{CardChange, CardView, Cards, Due};
use crate::words::Word as _;

/// Changes the queues and locks of a request's cards as [`CardChange`] says; returns the number of released requests.
pub(super) fn change_cards(db: &Connection, request: &ProvisioningRequest) -> Result<usize, StoreError> {
    let (number, cards) = (request.number, Cards::of(&request.content));
    match CardChange::after(request) {
        CardChange::Keep => return Ok(0),
        CardChange::Queue(due) => queue_cards(db, number, cards, due)?,
        CardChange::Release => {}
    }
    unlock_cards(db, number, cards)
}

/// Puts a request into the queue of each of its cards.
pub(super) fn queue_cards(db: &Connection, number: i64, cards: Cards<'_>, due: Due) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "-- queue_cards\nINSERT OR REPLACE INTO card_queue (card, cas, number, due) VALUES (?1, ?4, ?2, ?3)",
    )?;
    for card in cards.ca_ids {
        statement.execute(params![card, number, due.0, cards.cas.as_str()])?;
    }
    Ok(())
}

/// Removes a request from the queues of its cards.
pub(super) fn unqueue_cards(db: &Connection, number: i64, cards: Cards<'_>) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("-- unqueue_cards\nDELETE FROM card_queue WHERE card = ?1 AND cas = ?3 AND number = ?2")?;
    for card in cards.ca_ids {
        statement.execute(params![card, number, cards.cas.as_str()])?;
    }
    Ok(())
}

/// Locks the cards of a request, which no other request has locked.
pub(super) fn lock_cards(db: &Connection, number: i64, cards: Cards<'_>) -> Result<(), StoreError> {
    // If another request held the card, the NULL would violate NOT NULL, and the whole write would fail.
    let mut statement = db.prepare_cached(
        "-- lock_cards
         INSERT INTO card_lock (card, cas, number) VALUES (?1, ?3, ?2)
         ON CONFLICT (card, cas) DO UPDATE SET number = iif(number = excluded.number, number, NULL)",
    )?;
    for card in cards.ca_ids {
        statement.execute(params![card, number, cards.cas.as_str()])?;
    }
    Ok(())
}

/// Unlocks the cards of a request, and lets the requests that waited for it be looked at again; returns their number.
fn unlock_cards(db: &Connection, number: i64, cards: Cards<'_>) -> Result<usize, StoreError> {
    let mut statement =
        db.prepare_cached("-- unlock_cards\nDELETE FROM card_lock WHERE card = ?1 AND cas = ?3 AND number = ?2")?;
    for card in cards.ca_ids {
        statement.execute(params![card, number, cards.cas.as_str()])?;
    }
    // Most requests have no waiters. An UPDATE that finds no row would still fill a temporary table, since it changes the
    // column that it searches.
    let mut are_waiting = db.prepare_cached(
        "-- unlock_cards: are_waiting\nSELECT EXISTS (SELECT 1 FROM request WHERE waits_for = ?1) AS waiting",
    )?;
    if !are_waiting.query_row([number], |row| row.get::<_, bool>("waiting"))? {
        return Ok(0);
    }
    let mut waiting =
        db.prepare_cached("-- unlock_cards: waiting\nUPDATE request SET waits_for = NULL WHERE waits_for = ?1")?;
    Ok(waiting.execute([number])?)
}

/// The request that blocks one of these cards for request `number`, if any.
pub(super) fn find_blocker(
    db: &Connection,
    number: i64,
    cards: Cards<'_>,
    now: DateTime<Utc>,
) -> Result<Option<i64>, StoreError> {
    let mut predecessor = db.prepare_cached(
        "-- find_blocker: predecessor
         SELECT number FROM card_queue WHERE card = ?1 AND cas = ?4 AND number < ?2 AND due <= ?3 ORDER BY number DESC LIMIT 1",
    )?;
    let mut holder = db.prepare_cached(
        "-- find_blocker: holder\nSELECT number FROM card_lock WHERE card = ?1 AND cas = ?3 AND number <> ?2",
    )?;
    for card in cards.ca_ids {
        let due = params![card, number, now.timestamp_millis(), cards.cas.as_str()];
        let view = CardView {
            predecessor: predecessor.query_row(due, |row| row.get("number")).optional()?,
            holder: holder.query_row(params![card, number, cards.cas.as_str()], |row| row.get("number")).optional()?,
        };
        if let Some(blocker) = view.blocker() {
            return Ok(Some(blocker));
        }
    }
    Ok(None)
}
