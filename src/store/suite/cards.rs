//! Tests of the order of a card's requests, and of cards with the same number in two CA systems.

use super::*;

pub(in crate::store) async fn a_card_keeps_its_order_whatever_the_clocks_say(store: Arc<dyn Store>) {
    let (first, _) = submit(store.as_ref(), pairing("a", moment(11), false)).await;
    let (second, lease) = submit(store.as_ref(), pairing("a", moment(10), true)).await;
    assert!(lease.is_none(), "an earlier one waits, by a clock that is ahead");
    assert_eq!(
        numbers(&claim(store.as_ref(), moment(10), 9, &node("n"), Cas::VARIANTS).await),
        [0_i64; 0],
        "the first is not due yet"
    );
    let claimed = claim(store.as_ref(), moment(11), 9, &node("n"), Cas::VARIANTS).await;
    assert_eq!(numbers(&claimed), [first.number]);
    // The request is queued again, and the clock goes back.
    let failure = Failure::default();
    let released =
        commit(store.as_ref(), claimed[0].clone(), Outcome::RetryLater { at: moment(20), failure }, moment(12)).await;
    assert_eq!(released, 1, "the second may be looked at again");
    assert_eq!(numbers(&claim(store.as_ref(), moment(12), 9, &node("n"), Cas::VARIANTS).await), [0_i64; 0]);
    assert_eq!(store.find_next_due(Cas::VARIANTS).await.unwrap(), Some(moment(20)));
    let claimed = claim(store.as_ref(), moment(20), 9, &node("n"), Cas::VARIANTS).await;
    assert_eq!(numbers(&claimed), [first.number]);
    commit(store.as_ref(), claimed[0].clone(), done(), moment(21)).await;
    assert_eq!(numbers(&claim(store.as_ref(), moment(21), 9, &node("n"), Cas::VARIANTS).await), [second.number]);
}

pub(in crate::store) async fn many_requests_of_one_card_wait_for_one_each(store: Arc<dyn Store>) {
    for _ in 0..2_000 {
        submit(store.as_ref(), pairing("a", moment(1), false)).await;
    }
    let mut claimed = claim(store.as_ref(), moment(2), 9, &node("n"), Cas::VARIANTS).await;
    while store.find_next_due(Cas::VARIANTS).await.unwrap().is_some() {
        assert!(claim(store.as_ref(), moment(2), 9, &node("n"), Cas::VARIANTS).await.is_empty());
    }
    for number in 1..50 {
        assert_eq!(numbers(&claimed), [number]);
        assert_eq!(commit(store.as_ref(), claimed[0].clone(), done(), moment(3)).await, 1, "its end wakes one");
        claimed = claim(store.as_ref(), moment(3), 9, &node("n"), Cas::VARIANTS).await;
    }
}

/// The same submission as a request of Panaccess.
fn of_panaccess(submission: Submission) -> Submission {
    let (family, request_type) = (Family::Panaccess, RequestType::named("SET_PACKAGE"));
    let request = Arc::new(NewRequest { family, request_type, ..(*submission.request).clone() });
    Submission { request, ..submission }
}

pub(in crate::store) async fn a_ca_system_has_its_own_cards_and_its_own_turn(store: Arc<dyn Store>) {
    let store = store.as_ref();
    let (conax, lease) = submit(store, pairing("a", moment(1), true)).await;
    assert!(lease.is_some());
    for _ in 0..2 {
        submit(store, pairing("a", moment(1), false)).await;
    }
    let (first, lease) = submit(store, of_panaccess(pairing("a", moment(1), true))).await;
    assert!(lease.is_some(), "a card of the same number is another card");
    let (second, lease) = submit(store, of_panaccess(pairing("a", moment(1), true))).await;
    assert!(lease.is_none(), "and has its own order");
    let (other, _) = submit(store, of_panaccess(pairing("b", moment(2), false))).await;
    let n = node("n");
    let of = |systems| claim(store, moment(3), 9, &n, systems);
    assert_eq!(store.find_next_due(&[Cas::Panaccess]).await.unwrap(), Some(moment(1)));
    assert_eq!(numbers(&of(&[Cas::Panaccess]).await), [other.number]);
    assert_eq!(store.find_next_due(&[Cas::Panaccess]).await.unwrap(), None, "it waits for the first");
    assert_eq!(store.find_next_due(&[Cas::Conax]).await.unwrap(), Some(moment(1)));
    let leased = |request: &ProvisioningRequest| {
        let lease = Lease { owner: node("n"), token: 1 };
        LeasedRequest { request: request.clone(), lease }
    };
    assert_eq!(commit(store, leased(&first), done(), moment(4)).await, 1);
    assert_eq!(numbers(&of(&[Cas::Conax]).await), [0_i64; 0], "its cards are taken still");
    assert_eq!(numbers(&of(Cas::VARIANTS).await), [second.number]);
    assert_eq!(commit(store, leased(&conax), done(), moment(5)).await, 1);
    assert_eq!(numbers(&of(Cas::VARIANTS).await), [conax.number + 1]);
}
