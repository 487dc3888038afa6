//! The line of each card: which request has the card to itself (`taken`), and which ones wait (`lane`). Together they name
//! all PENDING requests of a card.
//!
//! Rule: a request is under way only while it has taken all of its cards, and it takes them only when no earlier due
//! one waits for any of them. One whose doubt is being resolved keeps its cards.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::request::NewRequest;
use crate::store::StoreError;

/// From when on one that waits holds up later ones of its cards: a value of `lane.due`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due(i64);

impl Due {
    /// It waits for an operator, and holds up nobody.
    pub(super) const NEVER: Self = Self(i64::MAX);
    /// Its turn has come before: it is due whatever a clock says later.
    pub(super) const SINCE_EVER: Self = Self(0);

    /// Of a new request.
    pub(super) fn of(request: &NewRequest) -> Self {
        match request.is_scheduled() {
            true => Self(request.scheduled_at.timestamp_millis()),
            false => Self::SINCE_EVER,
        }
    }
}

/// Puts a request into the line of its cards.
pub(super) fn join(db: &Connection, number: i64, cards: &[String], due: Due) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("-- join\nINSERT OR REPLACE INTO lane (card, number, due) VALUES (?1, ?2, ?3)")?;
    for card in cards {
        statement.execute(params![card, number, due.0])?;
    }
    Ok(())
}

/// Takes a request out of the line of its cards.
pub(super) fn leave(db: &Connection, number: i64, cards: &[String]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached("-- leave\nDELETE FROM lane WHERE card = ?1 AND number = ?2")?;
    for card in cards {
        statement.execute(params![card, number])?;
    }
    Ok(())
}

/// Gives a request its cards, which nobody else has.
pub(super) fn take(db: &Connection, number: i64, cards: &[String]) -> Result<(), StoreError> {
    // The key on card makes this fail, and the whole write with it, if the rule were broken.
    let mut statement = db.prepare_cached(
        "-- take
         INSERT INTO taken (card, number) VALUES (?1, ?2)
         ON CONFLICT (card) DO UPDATE SET number = iif(number = excluded.number, number, NULL)",
    )?;
    for card in cards {
        statement.execute(params![card, number])?;
    }
    Ok(())
}

/// Takes the cards of a request away from it, and lets those be looked at again that were found waiting for it: how many.
pub(super) fn give_back(db: &Connection, number: i64, cards: &[String]) -> Result<usize, StoreError> {
    let mut statement = db.prepare_cached("-- give_back\nDELETE FROM taken WHERE card = ?1 AND number = ?2")?;
    for card in cards {
        statement.execute(params![card, number])?;
    }
    let mut waiting =
        db.prepare_cached("-- give_back: waiting\nUPDATE request SET waits_for = NULL WHERE waits_for = ?1")?;
    Ok(waiting.execute([number])?)
}

/// The request that one of these cards has to be waited for, if any. The nearest one before it comes first: so those
/// that wait for one card form a chain, and the end of one wakes one.
pub(super) fn blocker(
    db: &Connection,
    number: i64,
    cards: &[String],
    now: DateTime<Utc>,
) -> Result<Option<i64>, StoreError> {
    let mut before = db.prepare_cached(
        "-- blocker: before
         SELECT number FROM lane WHERE card = ?1 AND number < ?2 AND due <= ?3 ORDER BY number DESC LIMIT 1",
    )?;
    let mut holder =
        db.prepare_cached("-- blocker: holder\nSELECT number FROM taken WHERE card = ?1 AND number <> ?2")?;
    for card in cards {
        let found = before.query_row(params![card, number, now.timestamp_millis()], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
        let found = holder.query_row(params![card, number], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
