//! The locks and queues of cards: `card_lock` names the request that holds a card, `card_queue` the requests that wait.
//! Together the two tables name all PENDING requests of a card.
//!
//! Rule: a transaction that reads or changes a card's lock or queue has locked the card's row in `card` before, and the
//! rows of several cards in order: so two nodes never decide about one card at the same time, and no two transactions
//! deadlock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::Row;

use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use super::script::{Script, values};
use crate::request::{Cas, ProvisioningRequest};
use crate::store::policy::{CardChange, CardView, Cards, Due};
use crate::store::rows::ReadColumns as _;
use crate::words::Word as _;

const MAKE_CARDS: &str = "-- lock_cards: make
    INSERT INTO card (card, sequence_number) SELECT card, 0 FROM unnest($1::text[]) AS new (card) ON CONFLICT DO NOTHING
    RETURNING card, sequence_number";
const LOCK_CARDS: &str = "-- lock_cards
    SELECT card, sequence_number FROM card WHERE card = ANY ($1) ORDER BY card FOR UPDATE";
const LOCK_OR_MAKE_CARDS: &str = "-- lock_or_make_cards
    WITH locked AS MATERIALIZED (
        SELECT card, sequence_number FROM card WHERE card = ANY ($1) ORDER BY card FOR UPDATE),
    made AS (
        INSERT INTO card (card, sequence_number)
        SELECT card, 0 FROM unnest($1::text[]) AS new (card) WHERE card NOT IN (SELECT card FROM locked)
        ON CONFLICT DO NOTHING RETURNING card, sequence_number)
    SELECT card, sequence_number FROM locked UNION ALL SELECT card, sequence_number FROM made";

/// Locks the rows of cards until the end of the transaction, and returns the last sequence number of each card.
pub(super) async fn lock_cards<'a>(
    transaction: &Transaction,
    cards: impl IntoIterator<Item = &'a String>,
) -> Result<HashMap<String, i64>, Fault> {
    lock(transaction, LOCK_CARDS, cards).await
}

/// The same in one statement for cards that may be new.
pub(super) async fn lock_or_make_cards<'a>(
    transaction: &Transaction,
    cards: impl IntoIterator<Item = &'a String>,
) -> Result<HashMap<String, i64>, Fault> {
    lock(transaction, LOCK_OR_MAKE_CARDS, cards).await
}

async fn lock<'a>(
    transaction: &Transaction,
    sql: &str,
    cards: impl IntoIterator<Item = &'a String>,
) -> Result<HashMap<String, i64>, Fault> {
    let cards: Vec<&String> = cards.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    if cards.is_empty() {
        return Ok(HashMap::new());
    }
    let mut locked = read_cards(transaction.lock(sql, &[&cards]).await?)?;
    let is_missing = |card: &&String, locked: &HashMap<String, i64>| !locked.contains_key(*card);
    let missing: Vec<&String> = cards.iter().copied().filter(|card| is_missing(card, &locked)).collect();
    if !missing.is_empty() {
        // Two transactions that add the same new cards may deadlock: PostgreSQL detects that, and one transaction is run
        // again.
        locked.extend(read_cards(transaction.query(MAKE_CARDS, &[&missing]).await?)?);
    }
    if locked.len() < cards.len() {
        // Another transaction has added some of the cards meanwhile.
        locked = read_cards(transaction.query(LOCK_CARDS, &[&cards]).await?)?;
    }
    Ok(locked)
}

fn read_cards(rows: Vec<Row>) -> Result<HashMap<String, i64>, Fault> {
    let read = |row: Row| {
        let row = Columns(&row);
        Ok((row.get("card")?, row.get("sequence_number")?))
    };
    rows.into_iter().map(read).collect()
}

/// The requests that block others at their cards, while the rows of the cards are locked: by card, and by the number of
/// the blocked request.
pub(super) struct Views(HashMap<String, BTreeMap<i64, (Cas, CardView)>>);

impl Views {
    /// Adds a query for the blockers of requests, by number and cards, at the time `now`; returns the index of its rows.
    pub(super) fn ask<'a>(script: &mut Script<'a>, of: impl IntoIterator<Item = (i64, Cards<'a>)>, now: i64) -> usize {
        let Pairs { numbers, systems, cards } = Pairs::of(of);
        let sql = "-- read_views
            SELECT asked.number, asked.card, asked.cas,
                (SELECT q.number FROM card_queue q
                 WHERE q.card = asked.card AND q.cas = asked.cas AND q.number < asked.number AND q.due <= $3
                 ORDER BY q.number DESC LIMIT 1) AS predecessor,
                (SELECT l.number FROM card_lock l
                 WHERE l.card = asked.card AND l.cas = asked.cas AND l.number <> asked.number) AS holder
            FROM unnest($1::bigint[], $2::text[], $4::text[]) AS asked (number, card, cas)";
        script.add(sql, values![numbers, cards, now, systems])
    }

    /// The answer to [`Self::ask`].
    pub(super) fn of_rows(rows: &[Row]) -> Result<Self, Fault> {
        let mut views = Self(HashMap::new());
        for row in rows {
            let row = Columns(row);
            let view = CardView { predecessor: row.optional("predecessor")?, holder: row.optional("holder")? };
            let cas = row.word("cas", |text| text.parse().ok())?;
            views.0.entry(row.get("card")?).or_default().insert(row.get("number")?, (cas, view));
        }
        Ok(views)
    }

    /// The request that blocks one of these cards for request `number`, if any.
    pub(super) fn find_blocker(&self, number: i64, cards: Cards<'_>) -> Option<i64> {
        let view = |card: &String| self.0.get(card)?.get(&number).map(|(_, view)| *view);
        cards.ca_ids.iter().filter_map(view).find_map(CardView::blocker)
    }

    /// Notes that a request has locked its cards since the query.
    pub(super) fn note_lock(&mut self, number: i64, cards: Cards<'_>) {
        self.change(cards, |other, view| {
            if other != number {
                view.holder = Some(number);
            }
        });
    }

    /// Notes that a request was added at the end of its cards' queues since the query.
    pub(super) fn note_queue(&mut self, number: i64, cards: Cards<'_>) {
        self.change(cards, |other, view| {
            if other > number {
                view.predecessor = Some(number);
            }
        });
    }

    /// Changes the views of these cards; `change` gets the number of the blocked request.
    fn change(&mut self, cards: Cards<'_>, change: impl Fn(i64, &mut CardView)) {
        for card in cards.ca_ids {
            let views = self.0.get_mut(card).into_iter().flatten();
            views.filter(|(_, (cas, _))| *cas == cards.cas).for_each(|(other, (_, view))| change(*other, view));
        }
    }
}

/// Pairs of a request and a card, in three columns.
#[derive(Default)]
struct Pairs<'a> {
    numbers: Vec<i64>,
    systems: Vec<&'static str>,
    cards: Vec<&'a String>,
}

impl<'a> Pairs<'a> {
    fn of(requests: impl IntoIterator<Item = (i64, Cards<'a>)>) -> Self {
        let mut pairs = Self::default();
        for (number, Cards { cas, ca_ids }) in requests {
            for card in ca_ids {
                pairs.numbers.push(number);
                pairs.systems.push(cas.as_str());
                pairs.cards.push(card);
            }
        }
        pairs
    }
}

/// Locks the cards of requests. If another request held a card, the key would make the whole write fail.
pub(super) fn take_cards<'a>(script: &mut Script<'a>, requests: impl IntoIterator<Item = (i64, Cards<'a>)>) {
    let Pairs { numbers, systems, cards } = Pairs::of(requests);
    if numbers.is_empty() {
        return;
    }
    let sql = "-- take_cards
        INSERT INTO card_lock (card, cas, number)
        SELECT DISTINCT card, cas, number FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (card, number, cas)
        ON CONFLICT (card, cas) DO UPDATE
            SET number = CASE WHEN card_lock.number = excluded.number THEN excluded.number END";
    script.add(sql, values![cards, numbers, systems]);
}

/// Puts requests into the queue of each of their cards.
pub(super) fn queue_cards<'a>(script: &mut Script<'a>, requests: impl IntoIterator<Item = (i64, Cards<'a>, Due)>) {
    let mut due = Vec::new();
    let Pairs { numbers, systems, cards } = Pairs::of(requests.into_iter().map(|(number, cards, since)| {
        due.resize(due.len() + cards.ca_ids.len(), since.0);
        (number, cards)
    }));
    if numbers.is_empty() {
        return;
    }
    let sql = "-- queue_cards
        INSERT INTO card_queue (card, cas, number, due)
        SELECT DISTINCT card, cas, number, due
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS new (card, number, due, cas)
        ON CONFLICT (card, cas, number) DO UPDATE SET due = excluded.due";
    script.add(sql, values![cards, numbers, due, systems]);
}

/// Removes requests from the queues of their cards.
pub(super) fn unqueue_cards<'a>(script: &mut Script<'a>, requests: impl IntoIterator<Item = (i64, Cards<'a>)>) {
    let Pairs { numbers, systems, cards } = Pairs::of(requests);
    if numbers.is_empty() {
        return;
    }
    let sql = "-- unqueue_cards
        DELETE FROM card_queue q USING unnest($1::text[], $2::bigint[], $3::text[]) AS old (card, number, cas)
        WHERE q.card = old.card AND q.cas = old.cas AND q.number = old.number";
    script.add(sql, values![cards, numbers, systems]);
}

/// Changes the queues and locks of requests' cards as [`CardChange`] says; returns the index of the rows for
/// [`read_released`], if any card is unlocked.
pub(super) fn change_cards<'a>(script: &mut Script<'a>, requests: &[&'a ProvisioningRequest]) -> Option<usize> {
    let changes =
        || requests.iter().map(|request| (request.number, Cards::of(&request.content), CardChange::after(request)));
    queue_cards(
        script,
        changes().filter_map(|(number, cards, change)| match change {
            CardChange::Queue(due) => Some((number, cards, due)),
            CardChange::Keep | CardChange::Release => None,
        }),
    );
    let unlocked = changes().filter(|(_, _, change)| *change != CardChange::Keep);
    let Pairs { numbers, systems, cards } = Pairs::of(unlocked.clone().map(|(number, cards, _)| (number, cards)));
    let ended: Vec<i64> = unlocked.map(|(number, _, _)| number).collect();
    if ended.is_empty() {
        return None;
    }
    let unlock = "-- unlock_cards
        DELETE FROM card_lock l USING unnest($1::text[], $2::bigint[], $3::text[]) AS old (card, number, cas)
        WHERE l.card = old.card AND l.cas = old.cas AND l.number = old.number";
    script.add(unlock, values![cards, numbers, systems]);
    let waiting = "-- unlock_cards: waiting
        WITH waiting AS (SELECT number, waits_for FROM request WHERE waits_for = ANY ($1) ORDER BY number FOR UPDATE)
        UPDATE request r SET waits_for = NULL FROM waiting w WHERE r.number = w.number RETURNING w.waits_for AS waited_for";
    Some(script.add(waiting, values![ended]))
}

/// The number of released requests per request for which they waited.
pub(super) fn read_released(rows: &[Row]) -> Result<HashMap<i64, usize>, Fault> {
    let mut released = HashMap::new();
    for row in rows {
        *released.entry(Columns(row).get("waited_for")?).or_default() += 1;
    }
    Ok(released)
}
