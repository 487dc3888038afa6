//! The store by itself, on a real file: what a clock, a purge or another version must not change.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use super::{Options, SqliteStore};
use crate::account::{Role, Unit, User};
use crate::exchange::{Answer, Exchange, Message, PackedExchange};
use crate::request::{
    Attempt, Envelope, Failure, Family, InDoubt, Item, NewRequest, Next, Outcome, Priority, ProvisioningRequest,
    RecordId, RequestType, State,
};
use crate::store::{
    AccountStore as _, AttemptCommit, DateStep, ExchangeFilter, ExchangeStore as _, Filter, RecordKey,
    RequestStore as _, StoreError, Submission, SubmitResult,
};

fn options(folder: &Path, to_serve: bool) -> Options {
    let (queue, readers, read_timeout) = (64, 2, Duration::from_secs(10));
    let exchange_bytes = 1 << 30;
    Options { data_dir: folder.to_owned(), queue, readers, read_timeout, exchange_bytes, to_serve }
}

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn user() -> User {
    let (id, username) = ("1".to_owned(), "u".to_owned());
    User { id, username, person_name: None, email: None, role: Role::Operate, unit: Unit::default() }
}

async fn open(folder: &Path) -> SqliteStore {
    let store = SqliteStore::open(&options(folder, true)).unwrap();
    store.add_user(user(), String::new()).await.unwrap();
    store
}

/// A pairing of a card, accepted at a time by some clock.
fn pairing(card: &str, created_at: DateTime<Utc>, lease: bool) -> Submission {
    let request = NewRequest {
        id: RecordId::new(created_at),
        family: Family::WebServices,
        request_type: RequestType::named("CREATE_PAIRING"),
        priority: Priority::Regular,
        process_immediately: Some(lease),
        scheduled_at: created_at,
        items: vec![Item::new("smartcard_ca_id", Some(card.to_owned())), Item::new("stb_ca_id", Some("b".to_owned()))],
        subscription: None,
        cards: vec![card.to_owned()],
        stbs: vec!["b".to_owned()],
        envelope: Some(Envelope { redacted: "<a/>".to_owned(), raw: None }),
        api_call: None,
        rejection: None,
        created_by: Arc::new(user()),
        created_at,
    };
    Submission { request: Arc::new(request), render: None, lease, key: None }
}

async fn accept(store: &SqliteStore, acceptance: Submission) -> (ProvisioningRequest, bool) {
    match store.submit(vec![acceptance]).await.unwrap().pop() {
        Some(SubmitResult::New { request, leased }) => (request, leased),
        other => panic!("{other:?}"),
    }
}

async fn settle(store: &SqliteStore, mut request: ProvisioningRequest, outcome: Outcome, now: DateTime<Utc>) -> usize {
    request.apply(outcome, None, now);
    store.commit_attempts(vec![AttemptCommit { request, attempt: None, events: Vec::new() }]).await.unwrap()
}

fn done() -> Outcome {
    Outcome::Completed { reference: None, result: None }
}

fn numbers(requests: &[ProvisioningRequest]) -> Vec<i64> {
    requests.iter().map(|request| request.number).collect()
}

#[tokio::test]
async fn a_card_keeps_its_order_whatever_the_clocks_say() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (first, _) = accept(&store, pairing("a", moment(11), false)).await;
    let (second, leased) = accept(&store, pairing("a", moment(10), true)).await;
    assert!(!leased, "an earlier one waits, by a clock that is ahead");
    assert_eq!(
        numbers(&store.claim_requests(moment(10), 9, "run").await.unwrap()),
        [0_i64; 0],
        "the first is not due yet"
    );
    let claimed = store.claim_requests(moment(11), 9, "run").await.unwrap();
    assert_eq!(numbers(&claimed), [first.number]);
    // It comes back to the line, and the clock goes back.
    let failure = Failure::default();
    let released =
        settle(&store, claimed[0].clone(), Outcome::RetryLater { at: moment(20), failure }, moment(12)).await;
    assert_eq!(released, 1, "the second may be looked at again");
    assert_eq!(numbers(&store.claim_requests(moment(12), 9, "run").await.unwrap()), [0_i64; 0]);
    assert_eq!(store.find_next_due().await.unwrap(), Some(moment(20)));
    let claimed = store.claim_requests(moment(20), 9, "run").await.unwrap();
    assert_eq!(numbers(&claimed), [first.number]);
    settle(&store, claimed[0].clone(), done(), moment(21)).await;
    assert_eq!(numbers(&store.claim_requests(moment(21), 9, "run").await.unwrap()), [second.number]);
}

#[tokio::test]
async fn many_requests_of_one_card_wait_for_one_each() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for _ in 0..2_000 {
        accept(&store, pairing("a", moment(1), false)).await;
    }
    let mut claimed = store.claim_requests(moment(2), 9, "run").await.unwrap();
    while store.find_next_due().await.unwrap().is_some() {
        assert!(store.claim_requests(moment(2), 9, "run").await.unwrap().is_empty());
    }
    for number in 1..50 {
        assert_eq!(numbers(&claimed), [number]);
        assert_eq!(settle(&store, claimed[0].clone(), done(), moment(3)).await, 1, "its end wakes one");
        claimed = store.claim_requests(moment(3), 9, "run").await.unwrap();
    }
}

#[tokio::test]
async fn what_ended_long_ago_is_deleted_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    // By a clock that was years ahead.
    accept(&store, pairing("z", moment(1_000_000_000), false)).await;
    for second in 0..300 {
        let (request, leased) = accept(&store, pairing("a", moment(second), true)).await;
        assert!(leased);
        settle(&store, request, done(), moment(second)).await;
    }
    let (waiting, _) = accept(&store, pairing("b", moment(5), false)).await;
    let (mut from, mut count) = (0, 0);
    loop {
        let purged = store.purge_requests(moment(250), from).await.unwrap();
        count += purged.count;
        let Some(next) = purged.next else { break };
        from = next;
    }
    assert_eq!(count, 250);
    let of_card = |card: &str| Filter { card: Some(card.to_owned()), limit: 1000, ..Filter::default() };
    assert_eq!(store.list_requests(of_card("a")).await.unwrap().len(), 50);
    assert_eq!(
        numbers(&store.list_requests(of_card("b")).await.unwrap()),
        [waiting.number],
        "what has not ended stays"
    );
    assert_eq!(store.purge_requests(moment(400), 0).await.unwrap().count, 50);
    let (next, _) = accept(&store, pairing("a", moment(500), true)).await;
    assert_eq!((next.number, next.sequence_number), (303, 301));
    let left: i64 = Connection::open(folder.path().join("gateway.sqlite3"))
        .unwrap()
        .query_row("SELECT count(*) FROM request_device WHERE kind = 'card' AND ca_id = 'a'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 2, "the new one, and the one that its number followed from");
}

/// Whoever opens it: a gateway, a command, a check of the configuration.
#[tokio::test]
async fn a_database_of_another_version_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    let file = folder.path().join("gateway.sqlite3");
    for version in [0, 2] {
        let db = Connection::open(&file).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        let refused = [
            SqliteStore::open(&options(folder.path(), true)).err(),
            SqliteStore::open(&options(folder.path(), false)).err(),
            SqliteStore::inspect(folder.path()).err(),
        ];
        for refused in refused {
            let refused = refused.unwrap().to_string();
            let says = [
                &format!("of version {version},"),
                "works with version 1",
                "another store.data_dir",
                "gateway.sqlite3",
            ];
            assert!(says.iter().all(|part| refused.contains(part)), "{refused}");
        }
    }
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    let store = SqliteStore::open(&options(folder.path(), true)).unwrap();
    assert_eq!(store.list_users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_that_has_ended_is_not_settled_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (request, _) = accept(&store, pairing("a", moment(1), true)).await;
    settle(&store, request.clone(), done(), moment(2)).await;
    let again = store.commit_attempts(vec![AttemptCommit { request, attempt: None, events: Vec::new() }]).await;
    assert!(matches!(again, Err(StoreError::Other(_))), "{again:?}");
}

/// Requests end while they are listed by their state: each page is of one moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()).await);
    let mut waiting = Vec::new();
    for card in 0..500 {
        waiting.push(accept(&store, pairing(&card.to_string(), moment(1), true)).await.0);
    }
    let ending = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            // The last of a page first: those are read last.
            for request in waiting.into_iter().rev() {
                settle(&store, request, done(), moment(2)).await;
            }
        }
    });
    while !ending.is_finished() {
        let filter = Filter { state: Some(State::Pending), limit: 1000, ..Filter::default() };
        let listed = store.list_requests(filter).await.unwrap();
        assert!(listed.iter().all(|request| request.state == State::Pending));
    }
    ending.await.unwrap();
}

#[tokio::test]
async fn exchanges_are_kept_listed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let message = |body: &[u8]| Message {
        headers: vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())],
        body: body.to_vec(),
        is_truncated: true,
    };
    let exchange = |at: i64| Exchange {
        id: RecordId::new(moment(at)),
        number: 0,
        at: moment(at),
        duration_ms: 5,
        path: "/p?q".to_owned(),
        request: message(b"\0\xFF"),
        answer: (at != 2).then(|| Answer { status: 500, reason: "No".to_owned(), message: message(b"") }),
        error: Some("e".to_owned()),
        error_type: Some("connection_terminated".to_owned()),
        user: Some("u".to_owned()),
    };
    let added: Vec<_> = (1..=60).map(exchange).collect();
    store.add_exchanges(added.iter().cloned().map(PackedExchange::new).map(Arc::new).collect()).await.unwrap();
    for (number, exchange) in (1..).zip(&added) {
        let kept = store.find_exchange(&exchange.id).await.unwrap();
        assert_eq!(kept, Some(Exchange { number, ..exchange.clone() }));
    }
    let listed = async |after, limit, newest_first| {
        let found = store.list_exchanges(ExchangeFilter { after, limit, newest_first }).await.unwrap();
        found.iter().map(|summary| summary.number).collect::<Vec<_>>()
    };
    assert_eq!(listed(58, 9, false).await, [59, 60]);
    assert_eq!(listed(0, 2, true).await, [60, 59]);
    while store.purge_exchanges(Some(moment(51))).await.unwrap() > 0 {}
    assert_eq!(listed(0, 2, false).await, [51, 52]);
    let (request, _) = accept(&store, pairing("a", moment(100), true)).await;
    let attempt = |sent| Attempt {
        attempt: 1,
        started_at: moment(100),
        duration_ms: 2000,
        sent,
        http_status: None,
        error: None,
        response: None,
        content_type: None,
    };
    let settled = AttemptCommit { request, attempt: Some(attempt(true)), events: Vec::new() };
    store.commit_attempts(vec![settled]).await.unwrap();
    let (other, _) = accept(&store, pairing("b", moment(100), true)).await;
    store
        .commit_attempts(vec![AttemptCommit { request: other, attempt: Some(attempt(false)), events: Vec::new() }])
        .await
        .unwrap();
    let sent = async |since| {
        store.list_sent_attempts(moment(since), 9).await.unwrap().iter().map(|a| a.number).collect::<Vec<_>>()
    };
    assert_eq!((sent(102).await, sent(103).await), (vec![1], vec![]), "by their ends, and only what was sent");
}

/// The same as a request of another type, scheduled for a time.
fn of(acceptance: Submission, request_type: RequestType, scheduled_at: DateTime<Utc>) -> Submission {
    let request = Arc::new(NewRequest { request_type, scheduled_at, ..(*acceptance.request).clone() });
    Submission { request, ..acceptance }
}

#[tokio::test]
async fn what_was_tried_holds_up_its_card_though_its_date_lies_ahead_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let scheduled = of(pairing("a", moment(10), false), RequestType::named("CREATE_PAIRING"), moment(20));
    accept(&store, scheduled).await;
    let claimed = store.claim_requests(moment(21), 9, "run").await.unwrap();
    let failure = Failure::default();
    settle(&store, claimed[0].clone(), Outcome::RetryLater { at: moment(30), failure }, moment(22)).await;
    // The date is set back.
    assert!(!accept(&store, pairing("a", moment(15), true)).await.1, "the later one waits");
}

#[tokio::test]
async fn what_waits_is_carried_along_when_the_date_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let hour = 3600;
    let (t, pairings) = (10 * hour, RequestType::named("CREATE_PAIRING"));
    let queued = accept(&store, pairing("a", moment(t), false)).await.0.number;
    let scheduled = accept(&store, of(pairing("b", moment(t), false), pairings, moment(t + 60))).await.0.number;
    let doubts = [RequestType::named("ADD_SUBSCRIPTIONS"), RequestType::named("UPDATE_CA_PIN_TO_DEFAULT_VALUE")];
    let mut in_doubt = Vec::new();
    for (card, kind) in ["c", "d"].into_iter().zip(doubts) {
        let (mut request, _) = accept(&store, of(pairing(card, moment(t), true), kind, moment(t))).await;
        request.attempts = 1;
        let next = Some(Next { at: moment(t + 5), until: moment(t + 90) });
        settle(&store, request.clone(), Outcome::InDoubt { failure: Failure::default(), next }, moment(t)).await;
        in_doubt.push(request.number);
    }
    let until =
        async |number| match store.find_request(None, RecordKey::Number(number)).await.unwrap().unwrap().in_doubt {
            Some(InDoubt::Resolving { until }) => until.timestamp() - t,
            other => panic!("{other:?}"),
        };
    let step = |by: i64, at: i64, is_after_stop| DateStep {
        by: TimeDelta::seconds(by),
        now: moment(at),
        noticed_after: TimeDelta::seconds(1),
        is_after_stop,
    };
    assert_eq!(store.find_last_change().await.unwrap(), Some(moment(t)));
    assert_eq!(store.shift_due_times(step(-hour, t - hour + 1, false)).await.unwrap(), 3);
    assert_eq!([until(in_doubt[0]).await, until(in_doubt[1]).await], [90 - hour, 90 - hour]);
    // Written by the new date: it stays.
    let new = accept(&store, pairing("e", moment(t - hour + 1), false)).await.0.number;
    assert_eq!(store.find_next_due().await.unwrap(), Some(moment(t - hour)));
    assert_eq!(
        store.shift_due_times(step(hour, t - hour + 1, false)).await.unwrap(),
        3,
        "the new one was just written"
    );
    assert_eq!([until(in_doubt[0]).await, until(in_doubt[1]).await], [90, 90 - hour], "a PIN gets no more time");
    assert_eq!(store.find_next_due().await.unwrap(), Some(moment(t - hour + 1)));
    assert_eq!(numbers(&store.claim_requests(moment(t), 9, "run").await.unwrap()), [new, queued]);
    assert_eq!(
        numbers(&store.claim_requests(moment(t + 59), 9, "run").await.unwrap()),
        [in_doubt[0]],
        "the PIN is given up"
    );
    assert_eq!(numbers(&store.claim_requests(moment(t + 60), 9, "run").await.unwrap()), [scheduled], "its date stays");
}

#[tokio::test]
async fn exchanges_take_no_more_than_they_may_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let options = |exchange_bytes| Options { exchange_bytes, ..options(folder.path(), true) };
    let store = SqliteStore::open(&options(10_000)).unwrap();
    let exchange = |second: i64, body: Vec<u8>| {
        let (id, at, path) = (RecordId::new(moment(second)), moment(second), "/p".to_owned());
        let request = Message { body, ..Message::default() };
        let (answer, error, error_type, user) = (None, None, None, None);
        let (number, duration_ms) = (0, 0);
        Exchange { id, number, at, duration_ms, path, request, answer, error, error_type, user }
    };
    let add = async |store: &SqliteStore, exchange: Exchange| {
        store.add_exchanges(vec![Arc::new(PackedExchange::new(exchange))]).await.unwrap();
    };
    let numbers = async |store: &SqliteStore| {
        let filter = ExchangeFilter { after: 0, limit: 1000, newest_first: false };
        store.list_exchanges(filter).await.unwrap().iter().map(|summary| summary.number).collect::<Vec<_>>()
    };
    for second in 1..=100 {
        add(&store, exchange(second, vec![b'x'; 200])).await;
    }
    // Each takes its 200 bytes, and 256 and some more.
    assert_eq!(numbers(&store).await, (80..=100).collect::<Vec<_>>());
    // What was sent packed, or could have been, counts as that.
    let bomb = exchange(101, vec![b'x'; 1 << 20]);
    add(&store, bomb.clone()).await;
    assert_eq!(store.find_exchange(&bomb.id).await.unwrap(), Some(Exchange { number: 101, ..bomb }));
    assert!(numbers(&store).await.len() > 15);
    drop(store);
    let store = SqliteStore::open(&options(1_000)).unwrap();
    while store.purge_exchanges(None).await.unwrap() > 0 {}
    assert_eq!(numbers(&store).await.last(), None, "the newest alone takes more");
    let of_all = Connection::open(folder.path().join("gateway.sqlite3")).unwrap();
    let total: i64 = of_all.query_row("SELECT bytes FROM exchange_total", [], |row| row.get(0)).unwrap();
    assert_eq!(total, 0);
}
