//! The queue of each card: which request has the card to itself (`card_lock`), and which ones wait (`card_queue`).
//! Together they name all PENDING requests of a card.
//!
//! Rule: whoever reads or changes what stands for a card has locked its row in `card` before, and the rows of several cards
//! in their order: so two nodes never decide about one card at the same time, and none waits for one that waits for it.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::Row;

use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use crate::request::ProvisioningRequest;
use crate::store::policy::{CardChange, CardView, Due};
use crate::store::rows::ReadColumns as _;

const MAKE_CARDS: &str = "-- lock_cards: make
    INSERT INTO card (card, sequence_number) SELECT card, 0 FROM unnest($1::text[]) AS new (card) ON CONFLICT DO NOTHING";
const LOCK_CARDS: &str = "-- lock_cards
    SELECT card, sequence_number FROM card WHERE card = ANY ($1) ORDER BY card FOR UPDATE";
/// The request that stands for no predecessor: all that wait are before it.
const LAST: i64 = i64::MAX;

/// Locks the rows of cards until the end of the transaction, and tells the last sequence number of each.
pub(super) async fn lock_cards<'a>(
    transaction: &Transaction,
    cards: impl IntoIterator<Item = &'a String>,
) -> Result<HashMap<String, i64>, Fault> {
    let cards: Vec<&String> = cards.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    if cards.is_empty() {
        return Ok(HashMap::new());
    }
    let mut rows = transaction.query(LOCK_CARDS, &[&cards]).await?;
    if rows.len() < cards.len() {
        // Where two make the same new cards one may wait for the other in a circle: PostgreSQL finds that, and one of them
        // is run again.
        transaction.execute(MAKE_CARDS, &[&cards]).await?;
        rows = transaction.query(LOCK_CARDS, &[&cards]).await?;
    }
    let read = |row: &Row| {
        let row = Columns(row);
        Ok((row.get("card")?, row.get("sequence_number")?))
    };
    rows.iter().map(read).collect()
}

/// What stands in the way of requests at their cards, whose rows are locked.
pub(super) struct Views(HashMap<(i64, String), CardView>);

impl Views {
    /// Reads it for requests by number (`None`: one that comes after all others) and card, as it is at `now`.
    pub(super) async fn read(
        transaction: &Transaction,
        of: &[(Option<i64>, &String)],
        now: i64,
    ) -> Result<Self, Fault> {
        let numbers: Vec<i64> = of.iter().map(|(number, _)| number.unwrap_or(LAST)).collect();
        let cards: Vec<&String> = of.iter().map(|(_, card)| *card).collect();
        let found = transaction
            .query(
                "-- read_views
                 SELECT asked.number, asked.card,
                     (SELECT q.number FROM card_queue q
                      WHERE q.card = asked.card AND q.number < asked.number AND q.due <= $3
                      ORDER BY q.number DESC LIMIT 1) AS predecessor,
                     (SELECT l.number FROM card_lock l WHERE l.card = asked.card AND l.number <> asked.number) AS holder
                 FROM unnest($1::bigint[], $2::text[]) AS asked (number, card)",
                &[&numbers, &cards, &now],
            )
            .await?;
        let read = |row: &Row| {
            let row = Columns(row);
            let view = CardView { predecessor: row.optional("predecessor")?, holder: row.optional("holder")? };
            Ok::<_, Fault>(((row.get("number")?, row.get("card")?), view))
        };
        found.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The request that blocks these cards, if any, for the request of this number.
    pub(super) fn find_blocker(&self, number: Option<i64>, cards: &[String]) -> Option<i64> {
        let view = |card: &String| self.0.get(&(number.unwrap_or(LAST), card.clone())).copied();
        cards.iter().filter_map(view).find_map(CardView::blocker)
    }

    /// A request has locked its cards since.
    pub(super) fn note_lock(&mut self, number: i64, cards: &[String]) {
        for ((other, card), view) in &mut self.0 {
            if *other != number && cards.contains(card) {
                view.holder = Some(number);
            }
        }
    }

    /// A request has come into the queues of its cards since, and is the last of them.
    pub(super) fn note_queue(&mut self, number: i64, cards: &[String]) {
        for ((other, card), view) in &mut self.0 {
            if *other > number && cards.contains(card) {
                view.predecessor = Some(number);
            }
        }
    }
}

/// Requests beside their cards, a pair each.
fn pairs<'a>(requests: impl IntoIterator<Item = (i64, &'a [String])>) -> (Vec<i64>, Vec<&'a String>) {
    requests.into_iter().flat_map(|(number, cards)| cards.iter().map(move |card| (number, card))).unzip()
}

/// Locks the cards of requests, which no other request has locked: the key makes this fail, and the whole write with it, if
/// the rule were broken.
pub(super) async fn take_cards(
    transaction: &Transaction,
    requests: impl IntoIterator<Item = (i64, &[String])>,
) -> Result<(), Fault> {
    let (numbers, cards) = pairs(requests);
    if numbers.is_empty() {
        return Ok(());
    }
    let sql = "-- take_cards
        INSERT INTO card_lock (card, number) SELECT DISTINCT card, number FROM unnest($1::text[], $2::bigint[]) AS new (card, number)
        ON CONFLICT (card) DO UPDATE
            SET number = CASE WHEN card_lock.number = excluded.number THEN excluded.number END";
    transaction.execute(sql, &[&cards, &numbers]).await?;
    Ok(())
}

/// Puts requests into the queue of each of their cards.
pub(super) async fn queue_cards(
    transaction: &Transaction,
    requests: impl IntoIterator<Item = (i64, &[String], Due)>,
) -> Result<(), Fault> {
    let (mut numbers, mut cards, mut due) = (Vec::new(), Vec::new(), Vec::new());
    for (number, of_request, since) in requests {
        for card in of_request {
            numbers.push(number);
            cards.push(card);
            due.push(since.0);
        }
    }
    if numbers.is_empty() {
        return Ok(());
    }
    let sql = "-- queue_cards
        INSERT INTO card_queue (card, number, due)
        SELECT DISTINCT card, number, due FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS new (card, number, due)
        ON CONFLICT (card, number) DO UPDATE SET due = excluded.due";
    transaction.execute(sql, &[&cards, &numbers, &due]).await?;
    Ok(())
}

/// Takes requests out of the queues of their cards.
pub(super) async fn unqueue_cards(
    transaction: &Transaction,
    requests: impl IntoIterator<Item = (i64, &[String])>,
) -> Result<(), Fault> {
    let (numbers, cards) = pairs(requests);
    if numbers.is_empty() {
        return Ok(());
    }
    let sql = "-- unqueue_cards
        DELETE FROM card_queue q USING unnest($1::text[], $2::bigint[]) AS old (card, number)
        WHERE q.card = old.card AND q.number = old.number";
    transaction.execute(sql, &[&cards, &numbers]).await?;
    Ok(())
}

/// Changes the cards of requests as the rule says; returns, for each request that others were found waiting for, how many
/// may go on now.
pub(super) async fn change_cards(
    transaction: &Transaction,
    requests: &[&ProvisioningRequest],
) -> Result<HashMap<i64, usize>, Fault> {
    let changes = || {
        requests.iter().map(|request| (request.number, request.content.cards.as_slice(), CardChange::after(request)))
    };
    queue_cards(
        transaction,
        changes().filter_map(|(number, cards, change)| match change {
            CardChange::Queue(due) => Some((number, cards, due)),
            CardChange::Keep | CardChange::Release => None,
        }),
    )
    .await?;
    let unlocked = changes().filter(|(_, _, change)| *change != CardChange::Keep);
    let (numbers, cards) = pairs(unlocked.clone().map(|(number, cards, _)| (number, cards)));
    let ended: Vec<i64> = unlocked.map(|(number, _, _)| number).collect();
    if ended.is_empty() {
        return Ok(HashMap::new());
    }
    let unlock = "-- unlock_cards
        DELETE FROM card_lock l USING unnest($1::text[], $2::bigint[]) AS old (card, number)
        WHERE l.card = old.card AND l.number = old.number";
    transaction.execute(unlock, &[&cards, &numbers]).await?;
    let waiting = "-- unlock_cards: waiting
        WITH waiting AS (SELECT number, waits_for FROM request WHERE waits_for = ANY ($1) ORDER BY number FOR UPDATE)
        UPDATE request r SET waits_for = NULL FROM waiting w WHERE r.number = w.number RETURNING w.waits_for AS waited_for";
    let mut released = HashMap::new();
    for row in transaction.query(waiting, &[&ended]).await? {
        *released.entry(Columns(&row).get("waited_for")?).or_default() += 1;
    }
    Ok(released)
}
