//! Lists of requests.

use std::sync::Arc;

use super::{commit, done, listed, moment, pairing, submit_leased};
use crate::request::{Failure, Outcome, State};
use crate::store::{Filter, Store};

/// Requests end while they are listed by their state: each page is of one moment.
pub(in crate::store) async fn a_list_is_of_one_moment(store: Arc<dyn Store>) {
    let mut waiting = Vec::new();
    for card in 0..500 {
        waiting.push(submit_leased(store.as_ref(), pairing(&card.to_string(), moment(1), true)).await);
    }
    let ending = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            // The last of a page first: those are read last.
            for request in waiting.into_iter().rev() {
                commit(store.as_ref(), request, done(), moment(2)).await;
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

pub(in crate::store) async fn a_list_has_either_order_a_beginning_and_a_failure(store: Arc<dyn Store>) {
    let rejected = |code: &str, description: &str| {
        let (code, description) = (code.to_owned(), Some(description.to_owned()));
        let failure = Failure { code, description, ..Failure::default() };
        Outcome::Rejected { reference: None, failure, leaves_doubt: false }
    };
    for (second, outcome) in [
        (10, done()),
        (20, rejected("CLIENT_1", "50% of \"it\"")),
        (30, rejected("AxisFault", "the client is no_one")),
        (40, rejected("CLIENT_2", "")),
    ] {
        let leased = submit_leased(store.as_ref(), pairing("a", moment(second), true)).await;
        commit(store.as_ref(), leased, outcome, moment(second)).await;
    }
    let list = async |filter: Filter| {
        let filter = Filter { limit: 9, ..filter };
        let listed = listed(&store.list_requests(filter.clone()).await.unwrap());
        assert_eq!(store.count_requests(filter).await.unwrap(), listed.len() as u64);
        listed
    };
    let newest_first = || Filter { newest_first: true, ..Filter::default() };
    assert_eq!(list(newest_first()).await, [4, 3, 2, 1]);
    assert_eq!(list(Filter { before: Some(3), ..newest_first() }).await, [2, 1]);
    assert_eq!(list(Filter { before: Some(4), after: 1, card: Some("a".to_owned()), ..newest_first() }).await, [3, 2]);
    for (since, expected) in [(0, 1), (20, 2), (21, 3), (40, 4), (41, 5)] {
        let filter = Filter { since: Some(moment(since)), ..Filter::default() };
        assert_eq!(list(filter).await, (expected..=4).collect::<Vec<_>>(), "{since}");
    }
    for (failure, expected) in [
        ("client_", &[2, 4][..]),
        ("client", &[2, 3, 4]),
        ("CLIENT_*2", &[4]),
        ("50% of \"", &[2]),
        ("5_%", &[]),
        ("is*no_o", &[3]),
        ("CLIENT_1: 50", &[2]),
        ("50*CLIENT_1", &[]),
    ] {
        assert_eq!(
            list(Filter { failure: Some(failure.to_owned()), ..Filter::default() }).await,
            expected,
            "{failure}"
        );
        let of_card = Filter { card: Some("a".to_owned()), state: Some(State::Rejected), ..Filter::default() };
        assert_eq!(list(Filter { failure: Some(failure.to_owned()), ..of_card }).await, expected, "{failure}");
    }
}
