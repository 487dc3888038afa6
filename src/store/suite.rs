//! The tests that both engines must pass. An engine runs all of them with `tests_of_every_store!`, and a function that
//! opens a new store with one [`user`].

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use strum::VariantArray as _;

use crate::account::{ApiKey, Role, Unit, User};
use crate::catalogue::{Entry, EntryKind, Key};
use crate::exchange::{Exchange, Note, PackedExchange};
use crate::request::{
    Attempt, Cas, Correlation, Envelope, EventKind, Failure, Family, InDoubt, Item, NewRequest, Next, Outcome,
    Priority, ProvisioningRequest, RecordId, Rendered, RequestType,
};
use crate::store::{
    AttemptCommit, CommitResult, DateStep, DeviceKind, ExchangeFilter, IdempotencyKey, Lease, LeasedRequest, MostCards,
    NodeId, RecordKey, RequestQuery, RequestStore, Store, StoreError, Submission, SubmitResult, TokenOwner,
};
use crate::timings::Timings;

mod accounts;
mod cards;
mod joint;
mod leases;
mod lists;
mod parts;
mod traffic;

pub(super) use accounts::*;
pub(super) use cards::*;
pub(super) use joint::*;
pub(super) use leases::*;
pub(super) use lists::*;
pub(super) use parts::*;
pub(super) use traffic::*;

/// Makes a test of each function here; `$open` returns the owner of the store's data, and the store.
macro_rules! tests_of_every_store {
    ($open:path) => {
        $crate::store::suite::tests_of_every_store! {
            $open:
            a_card_keeps_its_order_whatever_the_clocks_say,
            many_requests_of_one_card_wait_for_one_each,
            a_ca_system_has_its_own_cards_and_its_own_turn,
            what_ended_long_ago_is_deleted_and_numbers_go_on,
            a_request_that_has_ended_is_not_committed_again,
            requests_of_a_dead_node_are_taken_over_and_what_it_commits_then_changes_nothing,
            due_requests_of_the_same_content_are_leased_in_one_call,
            a_joint_call_is_kept_until_its_last_request_is_gone,
            the_answer_to_a_joint_call_is_shown_where_it_came,
            a_joint_call_that_is_given_back_is_gone,
            a_request_keeps_its_lease_from_part_to_part_and_what_became_of_each,
            a_list_is_of_one_moment,
            a_list_has_either_order_a_beginning_and_a_failure,
            every_term_finds_its_requests,
            a_note_changes_nothing_but_the_history,
            a_card_and_a_note_lead_to_requests_and_exchanges,
            exchanges_are_kept_listed_and_deleted,
            all_traffic_is_one_list_and_a_search_ends_with_its_time,
            what_was_tried_blocks_its_card_though_its_date_lies_ahead_again,
            due_times_are_shifted_when_the_date_is_set,
            a_user_that_is_removed_has_neither_tokens_nor_keys,
            an_import_is_taken_whole_or_not_at_all,
            a_key_that_comes_again_gives_the_same_record_or_a_conflict
        }
    };
    ($open:path: $($name:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                // `None` if the engine's server is not there.
                let Some((_data, store)) = $open().await else { return };
                $crate::store::suite::$name(store).await;
            }
        )+
    };
}
pub(super) use tests_of_every_store;

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

pub(super) fn user() -> User {
    let (id, username) = ("1".to_owned(), "u".to_owned());
    User { id, username, person_name: None, email: None, role: Role::Operate, unit: Unit::default() }
}

/// A pairing of a card, submitted at a time by some clock.
pub(super) fn pairing(card: &str, created_at: DateTime<Utc>, is_immediate: bool) -> Submission {
    let request = NewRequest {
        id: RecordId::new(created_at),
        family: Family::WebServices,
        request_type: RequestType::named("CREATE_PAIRING"),
        priority: Priority::Regular,
        process_immediately: Some(is_immediate),
        scheduled_at: created_at,
        items: vec![Item::new("smartcard_ca_id", Some(card.to_owned())), Item::new("stb_ca_id", Some("b".to_owned()))],
        subscription: None,
        cards: vec![card.to_owned()],
        stbs: vec!["b".to_owned()],
        rendered: Some(Rendered::Whole(Envelope { redacted: "<a/>".to_owned(), raw: None })),
        api_call: None,
        joint_fields: None,
        rejection: None,
        correlation: Some(Correlation { request_id: "r".to_owned(), trace: None }),
        created_by: Arc::new(user()),
        created_at,
    };
    let lease_to = is_immediate.then(|| node("n"));
    Submission { request: Arc::new(request), render: None, lease_to, key: None, resubmission: None }
}

/// The submission with another type, scheduled for a time.
fn with_type(submission: Submission, request_type: RequestType, scheduled_at: DateTime<Utc>) -> Submission {
    let request = Arc::new(NewRequest { request_type, scheduled_at, ..(*submission.request).clone() });
    Submission { request, ..submission }
}

/// Submits one request; also tells whether it is leased.
pub(super) async fn submit(store: &dyn RequestStore, submission: Submission) -> (ProvisioningRequest, Option<Lease>) {
    match store.submit(vec![submission]).await.unwrap().pop() {
        Some(SubmitResult::New { request, lease }) => (request, lease),
        other => panic!("{other:?}"),
    }
}

/// Submits one request whose cards are free, to be sent at once.
pub(super) async fn submit_leased(store: &dyn RequestStore, submission: Submission) -> LeasedRequest {
    let (request, lease) = submit(store, submission).await;
    LeasedRequest { request, lease: lease.unwrap() }
}

/// Commits the outcome of an attempt at one request.
async fn try_commit(
    store: &dyn RequestStore,
    LeasedRequest { mut request, lease }: LeasedRequest,
    outcome: Outcome,
    now: DateTime<Utc>,
) -> CommitResult {
    request.apply(outcome, None, now);
    let commit = AttemptCommit { request, lease, keeps_lease: false, attempt: None, events: Vec::new() };
    store.commit_attempts(vec![commit]).await.unwrap().pop().unwrap()
}

/// Commits an outcome with a valid lease; returns the number of released requests.
pub(super) async fn commit(
    store: &dyn RequestStore,
    leased: LeasedRequest,
    outcome: Outcome,
    now: DateTime<Utc>,
) -> usize {
    match try_commit(store, leased, outcome, now).await {
        CommitResult::Committed { released } => released,
        other => panic!("{other:?}"),
    }
}

pub(super) fn done() -> Outcome {
    Outcome::Completed { reference: None, result: None }
}

/// Leases due requests as a processing run that sends each request alone.
pub(super) async fn claim(
    store: &dyn RequestStore,
    now: DateTime<Utc>,
    limit: usize,
    node: &NodeId,
    systems: &[Cas],
) -> Vec<LeasedRequest> {
    let calls = store.claim_requests(now, limit, node, systems, &MostCards::new()).await.unwrap();
    assert!(calls.iter().all(|call| call.joined.is_empty()));
    calls.into_iter().map(|call| call.first).collect()
}

fn numbers(requests: &[LeasedRequest]) -> Vec<i64> {
    requests.iter().map(|leased| leased.request.number).collect()
}

fn listed(requests: &[ProvisioningRequest]) -> Vec<i64> {
    requests.iter().map(|request| request.number).collect()
}

fn node(id: &str) -> NodeId {
    NodeId::named(id)
}

pub(super) async fn what_ended_long_ago_is_deleted_and_numbers_go_on(store: Arc<dyn Store>) {
    // Written by a clock that was years ahead.
    submit(store.as_ref(), pairing("z", moment(1_000_000_000), false)).await;
    for second in 0..300 {
        let leased = submit_leased(store.as_ref(), pairing("a", moment(second), true)).await;
        commit(store.as_ref(), leased, done(), moment(second)).await;
    }
    let (waiting, _) = submit(store.as_ref(), pairing("b", moment(5), false)).await;
    let (mut from, mut count) = (0, 0);
    loop {
        let purged = store.purge_requests(moment(250), from).await.unwrap();
        count += purged.count;
        let Some(next) = purged.next else { break };
        from = next;
    }
    assert_eq!(count, 250);
    let of_card = |card: &str| RequestQuery {
        search: DeviceKind::Card.condition(card).into(),
        limit: 1000,
        ..RequestQuery::default()
    };
    assert_eq!(store.list_requests(of_card("a")).await.unwrap().len(), 50);
    assert_eq!(listed(&store.list_requests(of_card("b")).await.unwrap()), [waiting.number], "what has not ended stays");
    assert_eq!(store.purge_requests(moment(400), 0).await.unwrap().count, 50);
    let (next, _) = submit(store.as_ref(), pairing("a", moment(500), true)).await;
    assert_eq!((next.number, next.sequence_number), (303, 301));
}

pub(super) async fn exchanges_are_kept_listed_and_deleted(store: Arc<dyn Store>) {
    let exchange = |second: i64| {
        let mut exchange = exchange_at(moment(second));
        exchange.answer.take_if(|_| second == 2);
        exchange
    };
    let added: Vec<_> = (1..=60).map(exchange).collect();
    store.add_exchanges(added.iter().cloned().map(PackedExchange::new).map(Arc::new).collect()).await.unwrap();
    for (number, exchange) in (1..).zip(&added) {
        let kept = store.find_exchange(&exchange.id).await.unwrap();
        assert_eq!(kept, Some(Exchange { number, ..exchange.clone() }));
    }
    let listed = async |after, limit, newest_first| {
        let filter = ExchangeFilter { after, limit, newest_first, card: None };
        let found = store.list_exchanges(filter).await.unwrap();
        found.iter().map(|summary| summary.number).collect::<Vec<_>>()
    };
    assert_eq!(listed(58, 9, false).await, [59, 60]);
    assert_eq!(listed(0, 2, true).await, [60, 59]);
    let with_card = async |card: &str| {
        let filter = ExchangeFilter { limit: 2, card: Some(card.to_owned()), newest_first: true, after: 0 };
        store.list_exchanges(filter).await.unwrap().iter().map(|summary| summary.number).collect::<Vec<_>>()
    };
    assert_eq!((with_card("c").await, with_card("x").await), (vec![60, 59], vec![]));
    let note = |text: &str| Note { at: moment(99), user: "tester".to_owned(), text: text.to_owned() };
    let (first, last) = (&added[0].id, &added[59].id);
    for (id, text) in [(first, "one"), (last, "one"), (last, "two")] {
        assert!(store.add_note(id, note(text)).await.unwrap());
    }
    assert!(!store.add_note(&RecordId::new(moment(1)), note("nobody")).await.unwrap());
    assert_eq!(store.list_notes(60).await.unwrap(), [note("one"), note("two")]);
    while store.purge_exchanges(Some(moment(51))).await.unwrap() > 0 {}
    assert_eq!(listed(0, 2, false).await, [51, 52]);
    assert_eq!((store.list_notes(1).await.unwrap(), store.list_notes(60).await.unwrap().len()), (vec![], 2));
    let attempt = |sent| Attempt {
        attempt: 1,
        part: None,
        started_at: moment(100),
        duration_ms: 2000,
        timings: Some(Timings { wait_us: Some(7), ..Timings::default() }),
        sent,
        http_status: None,
        error: None,
        response: None,
        content_type: None,
        joint_call: None,
    };
    for (card, sent) in [("a", true), ("b", false)] {
        let LeasedRequest { request, lease } = submit_leased(store.as_ref(), pairing(card, moment(100), true)).await;
        let commit =
            AttemptCommit { request, lease, keeps_lease: false, attempt: Some(attempt(sent)), events: Vec::new() };
        store.commit_attempts(vec![commit]).await.unwrap();
    }
    let sent = async |since| {
        store.list_sent_attempts(moment(since), None, 9).await.unwrap().iter().map(|a| a.number).collect::<Vec<_>>()
    };
    assert_eq!((sent(102).await, sent(103).await), (vec![1], vec![]), "by their ends, and only what was sent");
}

pub(super) async fn what_was_tried_blocks_its_card_though_its_date_lies_ahead_again(store: Arc<dyn Store>) {
    let scheduled = with_type(pairing("a", moment(10), false), RequestType::named("CREATE_PAIRING"), moment(20));
    submit(store.as_ref(), scheduled).await;
    let claimed = claim(store.as_ref(), moment(21), 9, &node("n"), Cas::VARIANTS).await;
    let failure = Failure::default();
    commit(store.as_ref(), claimed[0].clone(), Outcome::RetryLater { at: moment(30), failure }, moment(22)).await;
    // The date is set back.
    assert!(submit(store.as_ref(), pairing("a", moment(15), true)).await.1.is_none(), "the later one waits");
}

pub(super) async fn due_times_are_shifted_when_the_date_is_set(store: Arc<dyn Store>) {
    let hour = 3600;
    let (t, pairings) = (10 * hour, RequestType::named("CREATE_PAIRING"));
    let queued = submit(store.as_ref(), pairing("a", moment(t), false)).await.0.number;
    let scheduled =
        submit(store.as_ref(), with_type(pairing("b", moment(t), false), pairings, moment(t + 60))).await.0.number;
    let doubts = [RequestType::named("ADD_SUBSCRIPTIONS"), RequestType::named("UPDATE_CA_PIN_TO_DEFAULT_VALUE")];
    let mut in_doubt = Vec::new();
    for (card, request_type) in ["c", "d"].into_iter().zip(doubts) {
        let submission = with_type(pairing(card, moment(t), true), request_type, moment(t));
        let mut leased = submit_leased(store.as_ref(), submission).await;
        leased.request.attempts = 1;
        in_doubt.push(leased.request.number);
        let next = Some(Next { at: moment(t + 5), until: moment(t + 90) });
        commit(store.as_ref(), leased, Outcome::InDoubt { failure: Failure::default(), next }, moment(t)).await;
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
    // Written by the new date: this due time stays.
    let new = submit(store.as_ref(), pairing("e", moment(t - hour + 1), false)).await.0.number;
    assert_eq!(store.find_next_due(Cas::VARIANTS).await.unwrap(), Some(moment(t - hour)));
    assert_eq!(
        store.shift_due_times(step(hour, t - hour + 1, false)).await.unwrap(),
        3,
        "the new one was just written"
    );
    assert_eq!([until(in_doubt[0]).await, until(in_doubt[1]).await], [90, 90 - hour], "a PIN gets no more time");
    assert_eq!(store.find_next_due(Cas::VARIANTS).await.unwrap(), Some(moment(t - hour + 1)));
    assert_eq!(numbers(&claim(store.as_ref(), moment(t), 9, &node("n"), Cas::VARIANTS).await), [new, queued]);
    assert_eq!(
        numbers(&claim(store.as_ref(), moment(t + 59), 9, &node("n"), Cas::VARIANTS).await),
        [in_doubt[0]],
        "the PIN is given up"
    );
    let given_up = store.find_request(None, RecordKey::Number(in_doubt[1])).await.unwrap().unwrap();
    assert_eq!(given_up.in_doubt, Some(InDoubt::NeedsOperator));
    let events = store.list_events(in_doubt[1]).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::GaveUp]);
    assert!(
        submit(store.as_ref(), pairing("d", moment(t + 59), true)).await.1.is_some(),
        "later ones of its card go on"
    );
    assert_eq!(
        numbers(&claim(store.as_ref(), moment(t + 60), 9, &node("n"), Cas::VARIANTS).await),
        [scheduled],
        "its date stays"
    );
}

pub(super) async fn a_key_that_comes_again_gives_the_same_record_or_a_conflict(store: Arc<dyn Store>) {
    let with_key = |content: u8| {
        let key = IdempotencyKey { key: [1; 32], content: [content; 32], secret: None, expires_at: moment(100) };
        Submission { key: Some(key), ..pairing("a", moment(1), false) }
    };
    let (first, _) = submit(store.as_ref(), with_key(1)).await;
    let results = store.submit(vec![with_key(1), with_key(2)]).await.unwrap();
    match results.as_slice() {
        [SubmitResult::Repeated(repeated), SubmitResult::Conflict] => {
            assert_eq!(repeated.number, first.number);
            assert_eq!(repeated.content.correlation, first.content.correlation);
        }
        other => panic!("{other:?}"),
    }
}
