//! Tests of leases: commits with a lost lease, and the end of a node.

use std::sync::Arc;
use std::time::Duration;

use super::{commit, done, moment, node, numbers, pairing, submit, submit_leased, try_commit};
use crate::request::{Failure, InDoubt, Outcome, State};
use crate::store::{CommitResult, Lease, LeasedRequest, RecordKey, Store, Submission};

pub(in crate::store) async fn a_request_that_has_ended_is_not_committed_again(store: Arc<dyn Store>) {
    let leased = submit_leased(store.as_ref(), pairing("a", moment(1), true)).await;
    commit(store.as_ref(), leased.clone(), done(), moment(2)).await;
    let failure = Failure::default();
    let rejected = Outcome::Rejected { reference: None, failure, leaves_doubt: false };
    match try_commit(store.as_ref(), leased, rejected, moment(3)).await {
        CommitResult::LeaseLost(record) => assert_eq!((record.state, record.updated_at), (State::Completed, moment(2))),
        other => panic!("{other:?}"),
    }
}

pub(in crate::store) async fn requests_of_a_dead_node_are_taken_over_and_what_it_commits_then_changes_nothing(
    store: Arc<dyn Store>,
) {
    let (hour, other) = (Duration::from_secs(3600), node("m"));
    for (id, lease_time) in [("n", Duration::ZERO), ("m", hour), ("alive", hour)] {
        assert!(store.renew_leases(&node(id), lease_time).await.unwrap());
    }
    let of = |card: &str, id: &str| Submission { lease_to: Some(node(id)), ..pairing(card, moment(1), true) };
    let lost = submit_leased(store.as_ref(), of("a", "n")).await;
    let kept = submit_leased(store.as_ref(), of("b", "alive")).await;
    submit_leased(store.as_ref(), of("c", "of the last process")).await;
    submit(store.as_ref(), pairing("d", moment(1), false)).await;

    let mut taken = store.take_over_requests(&other, 1).await.unwrap();
    taken.extend(store.take_over_requests(&other, 9).await.unwrap());
    assert_eq!(numbers(&taken), [1, 3], "what a living node has leased, and what is not leased, stays");
    assert!(taken.iter().all(|leased| leased.lease.owner == other && leased.request.updated_at == moment(1)));
    assert!(store.take_over_requests(&other, 9).await.unwrap().is_empty(), "its new owner lives");
    assert!(!store.renew_leases(&node("n"), hour).await.unwrap(), "dead is dead");
    assert!(store.renew_leases(&node("alive"), hour).await.unwrap());

    for leased in [lost.clone(), LeasedRequest { lease: Lease { owner: other.clone(), ..lost.lease.clone() }, ..lost }]
    {
        let result = try_commit(store.as_ref(), leased, done(), moment(2)).await;
        assert!(matches!(result, CommitResult::LeaseLost(record) if record.state == State::Pending));
    }
    assert!(submit(store.as_ref(), of("a", "alive")).await.1.is_none(), "the card stays locked");
    assert_eq!(commit(store.as_ref(), kept, done(), moment(2)).await, 0);
    let failure = Failure::default();
    commit(store.as_ref(), taken.remove(0), Outcome::InDoubt { failure, next: None }, moment(3)).await;
    let record = store.find_request(None, RecordKey::Number(1)).await.unwrap().unwrap();
    assert_eq!((record.in_doubt, record.updated_at), (Some(InDoubt::NeedsOperator), moment(3)));
}
