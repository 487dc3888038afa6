//! Requests that are sent in one call: which ones are leased together, and what is kept of their call.

use std::sync::Arc;

use super::{moment, node, numbers, pairing, submit, submit_leased, try_commit};
use crate::request::{
    Attempt, Cas, Failure, Family, Fields, JointCall, NewRequest, Outcome, Priority, RequestType, State,
};
use crate::store::{
    AttemptCommit, CommitResult, Lease, LeasedCall, LeasedRequest, MostCards, RecordKey, Store, Submission,
};

/// A pairing of these cards that may be sent with others of the same `content`.
pub(in crate::store) fn joinable(cards: &str, content: &str, second: i64) -> Submission {
    let submission = pairing("", moment(second), false);
    let mut fields = Fields::new();
    fields.push("stb_ca_id", content);
    let cards = cards.chars().map(String::from).collect();
    let request = NewRequest { cards, joint_fields: Some(fields), ..(*submission.request).clone() };
    Submission { request: Arc::new(request), ..submission }
}

fn changed(submission: &Submission, change: impl FnOnce(&mut NewRequest)) -> Submission {
    let mut request = (*submission.request).clone();
    change(&mut request);
    Submission { request: Arc::new(request), ..submission.clone() }
}

async fn claim_calls(store: &dyn Store, limit: usize, cards: usize) -> Vec<LeasedCall> {
    let most = MostCards::from([(RequestType::named("CREATE_PAIRING"), cards)]);
    store.claim_requests(moment(110), limit, &node("n"), &[Cas::Conax], &most).await.unwrap()
}

fn calls(calls: &[LeasedCall]) -> Vec<Vec<i64>> {
    let call = |call: &LeasedCall| [numbers(std::slice::from_ref(&call.first)), numbers(&call.joined)].concat();
    calls.iter().map(call).collect()
}

pub(in crate::store) async fn due_requests_of_the_same_content_are_leased_in_one_call(store: Arc<dyn Store>) {
    let scheduled = |request: &mut NewRequest| request.scheduled_at = moment(200);
    let submissions = [
        joinable("a", "x", 1),
        joinable("b", "y", 2),
        joinable("cd", "x", 3),
        // A later one of a card of the first call waits.
        joinable("a", "x", 4),
        changed(&joinable("e", "x", 5), |request| request.priority = Priority::Express),
        changed(&joinable("f", "x", 6), |request| request.joint_fields = None),
        changed(&joinable("g", "x", 7), scheduled),
        joinable("hij", "x", 8),
        joinable("k", "x", 9),
        joinable("l", "y", 10),
        changed(&joinable("m", "y", 11), |request| request.family = Family::SmsSas),
    ];
    for submission in submissions {
        submit(store.as_ref(), submission).await;
    }
    // The set of three does not fit, and none overtakes it.
    assert_eq!(calls(&claim_calls(store.as_ref(), 2, 5).await), [vec![5], vec![1, 3]]);
    assert_eq!(calls(&claim_calls(store.as_ref(), 9, 4).await), [vec![2, 10], vec![6], vec![8, 9], vec![11]]);
    assert!(claim_calls(store.as_ref(), 9, 4).await.is_empty(), "one waits, and one is not due");
}

/// An attempt in a call, with its answer if one came.
fn attempt_in(call: &Arc<JointCall>, response: Option<&str>) -> Attempt {
    Attempt {
        attempt: 1,
        part: None,
        joint_call: Some(Arc::clone(call)),
        started_at: moment(101),
        duration_ms: 5,
        timings: None,
        sent: true,
        http_status: response.map(|_| 200),
        error: None,
        response: response.map(Into::into),
        content_type: None,
    }
}

/// Of a call's requests, one was taken over before the answer came.
pub(in crate::store) async fn the_answer_to_a_joint_call_is_shown_where_it_came(store: Arc<dyn Store>) {
    for (card, second) in [("a", 1), ("b", 2), ("c", 3)] {
        submit(store.as_ref(), joinable(card, "x", second)).await;
    }
    let claimed = claim_calls(store.as_ref(), 1, 9).await.pop().unwrap();
    let members = [vec![claimed.first], claimed.joined].concat();
    let leases = members.iter().map(|m| (m.request.number, m.lease.clone())).collect();
    let call = Arc::new(JointCall { id: "1".to_owned(), numbers: vec![1, 2, 3], body: "<all/>".to_owned() });
    assert!(store.begin_joint_call(Arc::clone(&call), leases).await.unwrap());
    let responses = [None, Some("<answer/>"), Some("<answer/>")];
    let end = |(LeasedRequest { mut request, lease }, response)| {
        let attempt = attempt_in(&call, response);
        request.apply(Outcome::Completed { reference: None, result: None }, Some(&attempt), moment(101));
        AttemptCommit { request, lease, keeps_lease: false, attempt: Some(attempt), events: Vec::new() }
    };
    store.commit_attempts(members.into_iter().zip(responses).map(end).collect()).await.unwrap();
    for (number, response) in (1..).zip(responses) {
        let record = store.find_request(None, RecordKey::Number(number)).await.unwrap().unwrap();
        let attempts = store.list_attempts(number).await.unwrap();
        assert_eq!((record.response.as_deref(), attempts[0].response.as_deref()), (response, response), "{number}");
    }
}

/// As if the answer to its commit had been lost.
pub(in crate::store) async fn a_joint_call_that_is_given_back_is_gone(store: Arc<dyn Store>) {
    for (card, second) in [("a", 1), ("b", 2)] {
        submit(store.as_ref(), joinable(card, "x", second)).await;
    }
    let call = Arc::new(JointCall { id: "1".to_owned(), numbers: vec![1, 2], body: "<both/>".to_owned() });
    let begin = async || {
        let claimed = claim_calls(store.as_ref(), 1, 9).await.pop().unwrap();
        let members = [vec![claimed.first], claimed.joined].concat();
        let leases = members.iter().map(|m| (m.request.number, m.lease.clone())).collect();
        (store.begin_joint_call(Arc::clone(&call), leases).await.unwrap(), members)
    };
    let give_back = async |members: Vec<LeasedRequest>| {
        let commits = members.into_iter().map(|leased| AttemptCommit::give_back(leased, moment(101))).collect();
        store.commit_attempts(commits).await.unwrap()
    };
    let (_, first) = begin().await;
    give_back(first.clone()).await;
    // One id stands for one call.
    let (is_begun, _) = begin().await;
    assert!(is_begun);
    // The leases of then say nothing of the call that is under way now.
    let results = give_back(first).await;
    assert!(results.iter().all(|result| matches!(result, CommitResult::LeaseLost(_))));
    let record = store.find_request(None, RecordKey::Number(2)).await.unwrap().unwrap();
    assert_eq!(record.joint_call, Some(call));
}

pub(in crate::store) async fn a_joint_call_is_kept_until_its_last_request_is_gone(store: Arc<dyn Store>) {
    for (card, second) in [("a", 1), ("b", 2)] {
        submit(store.as_ref(), joinable(card, "x", second)).await;
    }
    let claimed = claim_calls(store.as_ref(), 1, 9).await.pop().unwrap();
    let members = [vec![claimed.first], claimed.joined].concat();
    let leases: Vec<(i64, Lease)> = members.iter().map(|m| (m.request.number, m.lease.clone())).collect();
    let call = Arc::new(JointCall { id: "1".to_owned(), numbers: vec![1, 2], body: "<both/>".to_owned() });
    let mut lost = leases.clone();
    lost[1].1.token += 1;
    assert!(!store.begin_joint_call(Arc::clone(&call), lost).await.unwrap());
    let find = async |number| store.find_request(None, RecordKey::Number(number)).await.unwrap().unwrap();
    let waiting = find(1).await;
    assert_eq!((waiting.is_in_joint_call, waiting.joint_call), (true, None), "one of the leases is lost");
    assert!(store.begin_joint_call(Arc::clone(&call), leases).await.unwrap());
    let begun = find(2).await;
    assert_eq!((begun.is_in_joint_call, begun.last_text()), (true, Some("<both/>")));
    let failure = Failure::default();
    let outcomes = [Outcome::SendAlone { failure }, Outcome::Completed { reference: None, result: None }];
    for (LeasedRequest { mut request, lease }, outcome) in members.into_iter().zip(outcomes) {
        let attempt = attempt_in(&call, Some("<answer/>"));
        request.apply(outcome, Some(&attempt), moment(101));
        let commit = AttemptCommit { request, lease, keeps_lease: false, attempt: Some(attempt), events: Vec::new() };
        store.commit_attempts(vec![commit]).await.unwrap();
    }
    let found = find(1).await;
    assert_eq!((found.is_in_joint_call, found.joint_call.as_ref()), (false, Some(&call)));
    let attempts = store.list_attempts(1).await.unwrap();
    assert_eq!(found.text_of(&attempts[0]), Some("<both/>"));
    // Rejected with others: alone from now on, whatever comes.
    assert_eq!((found.content.joint_fields.as_ref(), found.content.joint_key()), (None, None));
    submit(store.as_ref(), joinable("c", "x", 3)).await;
    let claimed = claim_calls(store.as_ref(), 9, 9).await;
    assert_eq!(calls(&claimed), [vec![3], vec![1]]);
    let purge = async || store.purge_requests(moment(150), 0).await.unwrap().count;
    assert_eq!((purge().await, find(1).await.joint_call), (1, Some(call)), "the other one is still there");
    let alone = claimed.into_iter().next_back().unwrap().first;
    try_commit(store.as_ref(), alone, Outcome::Completed { reference: None, result: None }, moment(120)).await;
    assert_eq!((purge().await, store.find_request(None, RecordKey::Number(1)).await.unwrap().is_none()), (1, true));
    let sent = submit_leased(store.as_ref(), pairing("z", moment(130), true)).await.request;
    assert_eq!((sent.state, sent.joint_call), (State::Pending, None));
}
