//! Lists of requests.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;

use super::traffic::exchange_at;
use super::{commit, done, listed, moment, pairing, submit, submit_leased, with_type};
use crate::exchange::{Note, PackedExchange};
use crate::request::{Decision, EventKind, Failure, Family, Order, Outcome, State};
use crate::search::{Condition, Patterns, Search};
use crate::store::{DeviceKind, RecordKey, RequestQuery, Store, TrafficCursor, TrafficQuery, TrafficRow};

const LONG: Duration = Duration::from_secs(60);

fn search(words: &str) -> Search {
    Search::parse(words, DateTime::UNIX_EPOCH, Tz::UTC).unwrap()
}

fn rejected(code: &str, description: &str) -> Outcome {
    let (code, description) = (code.to_owned(), Some(description.to_owned()));
    Outcome::Rejected {
        reference: None,
        failure: Failure { code, description, ..Failure::default() },
        leaves_doubt: false,
    }
}

/// Requests end while a list by their state is read: each page must be of one moment.
pub(in crate::store) async fn a_list_is_of_one_moment(store: Arc<dyn Store>) {
    let mut waiting = Vec::new();
    for card in 0..500 {
        waiting.push(submit_leased(store.as_ref(), pairing(&card.to_string(), moment(1), true)).await);
    }
    let ending = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            // The last requests of a page end first, since they are read last.
            for request in waiting.into_iter().rev() {
                commit(store.as_ref(), request, done(), moment(2)).await;
            }
        }
    });
    while !ending.is_finished() {
        let query = RequestQuery { search: search("state:pending"), limit: 1000, ..RequestQuery::default() };
        let listed = store.list_requests(query).await.unwrap();
        assert!(listed.iter().all(|request| request.state == State::Pending));
    }
    ending.await.unwrap();
}

pub(in crate::store) async fn a_list_has_either_order_a_beginning_and_a_failure(store: Arc<dyn Store>) {
    for (second, outcome) in [
        (10, done()),
        (20, rejected("CLIENT_1", "50% of \"it\"")),
        (30, rejected("AxisFault", "the client is no_one")),
        (40, rejected("CLIENT_2", "")),
    ] {
        let leased = submit_leased(store.as_ref(), pairing("a", moment(second), true)).await;
        commit(store.as_ref(), leased, outcome, moment(second)).await;
    }
    let list = async |query: RequestQuery| {
        let query = RequestQuery { limit: 9, ..query };
        let listed = listed(&store.list_requests(query.clone()).await.unwrap());
        assert_eq!(store.count_requests(query).await.unwrap(), listed.len() as u64);
        listed
    };
    let newest_first = || RequestQuery { newest_first: true, ..RequestQuery::default() };
    assert_eq!(list(newest_first()).await, [4, 3, 2, 1]);
    assert_eq!(list(RequestQuery { before: Some(3), ..newest_first() }).await, [2, 1]);
    assert_eq!(list(RequestQuery { offset: 1, ..newest_first() }).await, [3, 2, 1]);
    assert_eq!(list(RequestQuery { offset: 3, ..RequestQuery::default() }).await, [4]);
    let of_card = search("card:a");
    assert_eq!(list(RequestQuery { before: Some(4), after: 1, search: of_card, ..newest_first() }).await, [3, 2]);
    for (since, expected) in [(0, 1), (20, 2), (21, 3), (40, 4), (41, 5)] {
        let search = Search { since: Some(moment(since)), ..Search::default() };
        let found = list(RequestQuery { search, ..RequestQuery::default() }).await;
        assert_eq!(found, (expected..=4).collect::<Vec<_>>(), "{since}");
    }
    for (words, expected) in [
        ("client_", &[2, 4][..]),
        ("client", &[2, 3, 4]),
        ("CLIENT_*2", &[4]),
        ("50% of \"", &[2]),
        ("5_%", &[]),
        ("is*no_o", &[3]),
        ("CLIENT_1: 50", &[2]),
        ("50*CLIENT_1", &[]),
    ] {
        let fault = || Condition::Fault(Patterns::one(words));
        let mut of_card = search("card:a state:rejected");
        of_card.require(fault());
        for search in [fault().into(), of_card] {
            assert_eq!(list(RequestQuery { search, ..RequestQuery::default() }).await, expected, "{words}");
        }
    }
}

/// A search finds the same requests by an index and by reading all rows.
pub(in crate::store) async fn every_term_finds_its_requests(store: Arc<dyn Store>) {
    for (card, outcome) in [
        ("a", Some(Outcome::Completed { reference: Some("R-1".to_owned()), result: None })),
        ("b", Some(rejected("CLIENT_1", "no"))),
        ("a*", Some(Outcome::InDoubt { failure: Failure::default(), next: None })),
        ("b,c", None),
    ] {
        let leased = submit_leased(store.as_ref(), pairing(card, moment(1), true)).await;
        if let Some(outcome) = outcome {
            commit(store.as_ref(), leased, outcome, moment(2)).await;
        }
    }
    let (card, stb) =
        (|id: &str| DeviceKind::Card.condition(id).into(), |id: &str| DeviceKind::Stb.condition(id).into());
    let first = store.find_request(None, RecordKey::Number(1)).await.unwrap().unwrap();
    let of_all = first.content.stbs[0].clone();
    for (search, expected) in [
        (search(""), &[1, 2, 3, 4][..]),
        (search("state:pending"), &[3, 4]),
        (search("state:completed"), &[1]),
        (search("state:rejected"), &[2]),
        (search("state:in_doubt"), &[3]),
        (search("state:needs_operator"), &[3]),
        (search("-state:needs_operator"), &[1, 2, 4]),
        (search("state:completed,in_doubt"), &[1, 3]),
        (search("state:passed"), &[]),
        (search("type:create_pairing -state:pending"), &[1, 2]),
        (search("type:none"), &[]),
        (search("card:a"), &[1]),
        (search("card:a*"), &[1, 3]),
        (search("card:a,b"), &[1, 2]),
        (card("a*"), &[3]),
        (card("b,c"), &[4]),
        (search("card:a state:pending"), &[]),
        (search("card:b state:rejected"), &[2]),
        (stb(&of_all), &[1, 2, 3, 4]),
        (search("reference:R-1"), &[1]),
        (search("reference:r-*"), &[1]),
        (search("number:2"), &[2]),
        (search("number:9"), &[]),
    ] {
        for newest_first in [false, true] {
            let query = RequestQuery { search: search.clone(), newest_first, limit: 9, ..RequestQuery::default() };
            let mut found = listed(&store.list_requests(query.clone()).await.unwrap());
            assert_eq!(store.count_requests(query).await.unwrap(), found.len() as u64, "{search:?}");
            if newest_first {
                found.reverse();
            }
            assert_eq!(found, expected, "{search:?}");
        }
        let query = TrafficQuery { search: search.clone(), before: TrafficCursor::default(), limit: 9, time: LONG };
        let rows = store.list_traffic(query).await.unwrap().rows;
        let found: Vec<_> = rows.iter().rev().map(TrafficRow::number).collect();
        assert_eq!(found, expected, "{search:?}");
    }
    let query = RequestQuery { family: Some(Family::SmsSas), limit: 9, ..RequestQuery::default() };
    assert!(store.list_requests(query).await.unwrap().is_empty());
}

/// A note is only added to the history, and the request goes on, even while a node works on the request.
pub(in crate::store) async fn a_note_changes_nothing_but_the_history(store: Arc<dyn Store>) {
    let leased = submit_leased(store.as_ref(), pairing("a", moment(1), true)).await;
    let request_type = leased.request.content.request_type;
    let scheduled = with_type(pairing("b", moment(1), false), request_type, moment(1_000_000));
    let (waiting, _) = submit(store.as_ref(), scheduled).await;
    let note = |at| Order { decision: Decision::Note, user: "u".to_owned(), reason: "r".to_owned(), at: moment(at) };
    for number in [leased.request.number, waiting.number] {
        let before = store.find_request(None, RecordKey::Number(number)).await.unwrap().unwrap();
        store.decide_request(number, note(5)).await.unwrap();
        let after = store.find_request(None, RecordKey::Number(number)).await.unwrap().unwrap();
        assert_eq!((after.state, after.updated_at), (before.state, before.updated_at));
        let events = store.list_events(number).await.unwrap();
        assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Noted]);
    }
    let later = submit(store.as_ref(), pairing("b", moment(2), true)).await;
    assert!(later.1.is_some(), "what has a later date holds up nothing");
    commit(store.as_ref(), leased, done(), moment(6)).await;
    store.decide_request(1, note(7)).await.unwrap();
    assert_eq!(store.list_events(1).await.unwrap().len(), 2);
}

/// Exchanges are numbered from 1, the requests of this test from 101.
pub(in crate::store) async fn a_card_and_a_note_lead_to_requests_and_exchanges(store: Arc<dyn Store>) {
    for (second, cards) in [(1, ["a", "z"]), (2, ["b", "z"]), (3, ["a", "z"])] {
        let mut exchange = exchange_at(moment(second));
        exchange.subject.cards = cards.map(str::to_owned).to_vec();
        let id = exchange.id.clone();
        store.add_exchanges(vec![Arc::new(PackedExchange::new(exchange))]).await.unwrap();
        if second == 2 {
            let text = "50% of Ticket 815".to_owned();
            assert!(store.add_note(&id, Note { at: moment(9), user: "u".to_owned(), text }).await.unwrap());
        }
    }
    for second in [4, 5] {
        submit(store.as_ref(), pairing("a", moment(second), false)).await;
    }
    let (user, reason) = ("u".to_owned(), "ticket 816".to_owned());
    let order = Order { decision: Decision::Note, user, reason, at: moment(9) };
    store.decide_request(2, order).await.unwrap();
    for (words, expected) in [
        ("card:a", &[102, 101, 3, 1][..]),
        ("card:a -card:z", &[102, 101]),
        ("card:z -card:a", &[2]),
        ("card:a,b state:passed,broken", &[3, 2, 1]),
        ("card:z state:passed", &[]),
        ("card:none", &[]),
        ("note:ticket", &[102, 2]),
        ("note:ticket card:a", &[102]),
        ("note:\"50% of t\"", &[2]),
        ("-note:81* card:a", &[101, 3, 1]),
    ] {
        for (limit, time) in [(9, LONG), (1, LONG), (9, Duration::ZERO)] {
            let (mut found, mut before) = (Vec::new(), Some(TrafficCursor::default()));
            while let Some(cursor) = before {
                let query = TrafficQuery { search: search(words), before: cursor, limit, time };
                let page = store.list_traffic(query).await.unwrap();
                before = page.next;
                found.extend(page.rows.iter().map(|row| match row {
                    TrafficRow::Request(request) => 100 + request.number,
                    TrafficRow::Exchange(exchange) => exchange.number,
                }));
            }
            assert_eq!(found, expected, "{words}");
        }
    }
}
