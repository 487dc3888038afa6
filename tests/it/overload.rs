//! More than the gateway can do: what is turned away is told so at once, and nothing was done for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Conax, Gateway, Reaction, WEB, eventually, ok_answer, values_of};

#[tokio::test]
async fn immediate_requests_beyond_those_that_may_wait_are_turned_away_without_a_record() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.max_concurrency", "1"),
        ("processor.immediate_queue", "1"),
        ("processor.immediate_queue_s", "30"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let pair = |card: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.pair(card, json!({"process_immediately": true})).await })
    };
    let sent = pair("1");
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    // The first of these to come waits, and the other is answered.
    let (mut waits, mut refused) = (pair("2"), pair("3"));
    let began = Instant::now();
    let (refused, waits) = tokio::select! {
        answer = &mut waits => (answer.unwrap(), refused),
        answer = &mut refused => (answer.unwrap(), waits),
    };
    refused.assert_error(503, "UNAVAILABLE", "");
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    // Two are to be worked off, and the first one has been under way for as long as this test, at most.
    assert!((1..=2 * began.elapsed().as_secs() + 10).contains(&seconds), "{seconds}");
    // A request that is not immediate waits in the store instead.
    assert_eq!(client.pair("4", json!({})).await.data()["life_cycle_state"], "PENDING");
    (0..3).for_each(|_| conax.release());
    for call in [sent, waits] {
        assert_eq!(call.await.unwrap().data()["life_cycle_state"], "COMPLETED");
    }
    let all = eventually(async || {
        let all =
            client.get(&format!("{WEB}/list?type=CREATE_PAIRING&fields_set=number,life_cycle_state")).await.data();
        let all = all.as_array().unwrap().clone();
        all.iter().all(|record| record["life_cycle_state"] == "COMPLETED").then_some(all)
    });
    let numbers: Vec<Value> = all.await.iter().map(|record| record["number"].clone()).collect();
    assert_eq!(numbers, ["1", "2", "3"], "the one that was turned away has no record");
}

#[tokio::test]
async fn express_calls_are_sent_before_regular_ones_that_have_waited_longer() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let settings = [("upstream.url", conax.url.as_str()), ("upstream.max_concurrency", "1")];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let pair = |card: &'static str, priority: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.pair(card, json!({"process_immediately": true, "priority": priority})).await })
    };
    let waiting = async || {
        let page = client.http.get(format!("{}/metrics", client.url)).send().await.unwrap().text().await.unwrap();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix("conax_gateway_immediate_calls_waiting{provider=\"main\"} "));
        line.unwrap().parse::<usize>().unwrap()
    };
    let mut calls = vec![pair("1", "REGULAR")];
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    for (card, priority) in [("2", "REGULAR"), ("3", "REGULAR"), ("4", "EXPRESS")] {
        let before = calls.len() - 1;
        calls.push(pair(card, priority));
        eventually(async || (waiting().await > before).then_some(())).await;
    }
    conax.release_all();
    for call in calls {
        assert_eq!(call.await.unwrap().data()["life_cycle_state"], "COMPLETED");
    }
    let sent: Vec<_> = conax.received().iter().flat_map(|request| values_of(request, "CaClientId")).collect();
    assert_eq!(sent, ["1", "4", "2", "3"]);
}

#[tokio::test]
async fn retry_after_follows_how_long_conax_takes() {
    let conax = Conax::start(|_, _| Reaction::After(Duration::from_secs(2), ok_answer("1"))).await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.max_concurrency", "1"),
        ("processor.immediate_queue", "1"),
        ("processor.immediate_queue_s", "10"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    client.pair_now("1").await;
    let calls: Vec<_> = (2..8)
        .map(|card| {
            let client = client.clone();
            tokio::spawn(async move { client.pair(&card.to_string(), json!({"process_immediately": true})).await })
        })
        .collect();
    let mut done = 0;
    for call in calls {
        let answer = call.await.unwrap();
        match answer.status {
            200 => done += 1,
            // Two come before: that is 4 s, and a little for the store.
            _ => assert!(["4", "5"].contains(&answer.headers["retry-after"].to_str().unwrap()), "{answer:?}"),
        }
    }
    assert_eq!(done, 2);
}
