//! Requests in their turn: dates, priorities, the order of a card, tries again, and what an operator switches off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, Received, WEB, eventually, ok_answer};

fn card_of(request: &Received) -> String {
    request.body.split("CaClientId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_run_sends_what_is_due() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let accepted = client.pair("01450253313", json!({})).await.data();
    assert_eq!((&accepted["life_cycle_state"], &accepted["process_id"]), (&json!("PENDING"), &Value::Null));
    let record = client.ended(&accepted["number"]).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    assert_eq!(record["process_name"], "PROVISIONING_REQUEST_PROCESSING");
    assert_eq!(record["process_id"].as_str().unwrap().len(), 32);
    let future = client.pair("01450253314", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    assert_eq!(future["scheduled_date"], "9000-01-01T00:00:00");
    let now = client.pair("01450253314", json!({"scheduled_date": "2020-01-01T00:00:00Z"})).await.data();
    assert_eq!(client.ended(&now["number"]).await["life_cycle_state"], "COMPLETED", "the future one holds up nothing");
    assert_eq!(client.show(&future["number"]).await["life_cycle_state"], "PENDING");
}

#[tokio::test]
async fn a_scheduled_request_is_sent_when_it_falls_due() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let accepted = client.pair("01450253313", json!({"scheduled_date": soon})).await.data();
    let record = client.ended(&accepted["number"]).await;
    assert!(record["executed_date"].as_str() >= record["scheduled_date"].as_str(), "{record:#}");
}

#[tokio::test]
async fn express_goes_before_regular_and_a_card_keeps_its_order() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::clone(&sent);
    let conax = Conax::start(move |n, request| {
        script.lock().unwrap().push(card_of(request));
        // The first one holds the only place until all others wait.
        if n == 0 { Reaction::Hold(ok_answer("0")) } else { Reaction::Write(ok_answer("n")) }
    })
    .await;
    let settings = [("upstream.url", conax.url.as_str()), ("upstream.max_concurrency", "1")];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    client.pair("first", json!({})).await.data();
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let mut last = Value::Null;
    for (card, priority) in [("a", "REGULAR"), ("b", "REGULAR"), ("c", "EXPRESS"), ("a", "EXPRESS"), ("d", "EXPRESS")] {
        last = client.pair(card, json!({"priority": priority})).await.data()["number"].clone();
    }
    conax.release();
    client.ended(&last).await;
    eventually(async || (sent.lock().unwrap().len() == 6).then_some(())).await;
    // The second one for "a" is EXPRESS, but comes after the first one of its card.
    assert_eq!(*sent.lock().unwrap(), ["first", "c", "d", "a", "a", "b"]);
}

#[tokio::test]
async fn requests_of_one_card_are_never_under_way_together() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let settings = [("upstream.url", conax.url.as_str()), ("processor.immediate_wait_s", "0.2")];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let first = client.pair("a", json!({})).await.data();
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let waited = client.pair_now("a").await;
    assert_eq!(waited["life_cycle_state"], "PENDING", "it waited for its card in vain");
    let other = tokio::spawn({
        let client = client.clone();
        async move { client.pair_now("b").await }
    });
    eventually(async || (conax.received().len() == 2).then_some(())).await;
    assert_eq!(conax.received().iter().map(card_of).collect::<Vec<_>>(), ["a", "b"]);
    conax.release();
    conax.release();
    assert_eq!(other.await.unwrap()["life_cycle_state"], "COMPLETED");
    client.ended(&first["number"]).await;
    conax.release();
    let second = client.ended(&waited["number"]).await;
    assert_eq!((&first["sequence_number"], &second["sequence_number"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn an_immediate_request_waits_for_earlier_ones_of_its_card() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    client.pair("a", json!({})).await.data();
    let list = format!("{WEB}/list?smartcard_ca_id=a");
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let immediate = tokio::spawn({
        let client = client.clone();
        async move { client.pair_now("a").await }
    });
    eventually(async || Some(client.get(&list).await.data()).filter(|l| l.as_array().unwrap().len() == 2)).await;
    assert_eq!(conax.received().len(), 1, "the second one is accepted, and waits");
    conax.release();
    eventually(async || (conax.received().len() == 2).then_some(())).await;
    if immediate.is_finished() {
        panic!("it did not wait: {:#}", immediate.await.unwrap());
    }
    conax.release();
    assert_eq!(immediate.await.unwrap()["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn what_was_not_delivered_is_tried_again_then_rejected() {
    // Bound and never listening: nobody else can take the port, and connections are refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("http://{}", socket.local_addr().unwrap());
    let settings =
        [("upstream.url", closed.as_str()), ("processor.max_attempts", "3"), ("processor.backoff_initial_s", "0.05")];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let record = client.pair_now("01450253313").await;
    assert_eq!((&record["life_cycle_state"], &record["delivery"]["state"]), (&json!("PENDING"), &json!("retrying")));
    assert!(record["delivery"]["next_attempt_date"].is_string() && record["request"].is_null());
    let record = client.ended(&record["number"]).await;
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("CONNECT_FAILED")));
    assert_eq!((&record["delivery"]["attempts"], &record["request"]), (&json!(3), &Value::Null));
    gateway.logged("not delivered").await;
}

#[tokio::test]
async fn a_busy_conax_gets_the_same_bytes_again() {
    let conax = Conax::start(|n, _| match n {
        0 => Reaction::Write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Reaction::Write(ok_answer("1")),
    })
    .await;
    let settings = [("upstream.url", conax.url.as_str()), ("processor.backoff_initial_s", "0.05")];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let record = client.pair_now("01450253313").await;
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("PENDING"), &json!("UPSTREAM_BUSY")));
    let record = client.ended(&record["number"]).await;
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("COMPLETED"), &Value::Null));
    let received = conax.received();
    assert_eq!((received.len(), &received[0].body), (2, &received[1].body));
}

#[tokio::test]
async fn nothing_is_sent_when_upstream_is_not_effective() {
    let conax = Conax::start(|_, _| Reaction::Write(ok_answer("1"))).await;
    let settings =
        [("upstream.url", conax.url.as_str()), ("upstream.effective", "false"), ("processor.poll_s", "0.05")];
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    let record = client.pair_now("01450253313").await;
    assert_eq!(record["life_cycle_state"], "PENDING");
    assert_eq!(gateway.terminate().await, Some(0));
    assert!(conax.received().is_empty());
    gateway.start_again(&[("upstream.effective", "true")]).await;
    let client = Client::sign_in(&gateway.url).await;
    assert_eq!(client.ended(&record["number"]).await["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn a_call_runs_on_when_its_client_goes() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.pair_now("a").await }
    });
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    call.abort();
    assert!(call.await.is_err());
    conax.release();
    assert_eq!(client.ended(&json!("1")).await["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn regular_requests_keep_flowing_while_express_ones_arrive() {
    let conax = Conax::start(|_, _| Reaction::After(Duration::from_millis(20), ok_answer("1"))).await;
    let settings =
        [("upstream.url", conax.url.as_str()), ("upstream.effective", "false"), ("upstream.max_concurrency", "4")];
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    for n in 0..200 {
        client.pair(&format!("regular-{n}"), json!({})).await.data();
    }
    assert_eq!(gateway.terminate().await, Some(0));
    gateway.start_again(&[("upstream.effective", "true")]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    // Four at a time, 20 ms each: at most 200 a second. A fifth of that is EXPRESS, as long as regular ones wait.
    let mut pace = tokio::time::interval(Duration::from_millis(25));
    let mut express = 0;
    let waiting = format!("{WEB}/list?life_cycle_state=PENDING&fields_set=priority&number_of_results=1000");
    loop {
        pace.tick().await;
        express += 1;
        client.pair(&format!("express-{express}"), json!({"priority": "EXPRESS"})).await.data();
        if express % 20 == 0 {
            let waiting = client.get(&waiting).await.data();
            let regular = waiting.as_array().unwrap().iter().filter(|r| r["priority"] == "REGULAR").count();
            if regular == 0 {
                break;
            }
            assert!(express < 1000, "{regular} are still waiting");
        }
    }
    let sent: Vec<bool> = conax.received().iter().map(|r| card_of(r).starts_with("express")).collect();
    let between = sent.iter().skip_while(|express| !**express).filter(|express| !**express).count();
    assert!(between > 100, "regular ones were sent between express ones: {between}");
}

#[tokio::test]
async fn immediate_requests_do_not_push_aside_those_that_wait() {
    let conax = Conax::start(|_, _| Reaction::After(Duration::from_millis(5), ok_answer("1"))).await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.max_concurrency", "1"),
        ("processor.immediate_queue_s", "600"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    // More arrive than can be sent, whether or not the earlier ones are answered.
    let mut pace = tokio::time::interval(Duration::from_millis(3));
    let mut crowd = Vec::new();
    for n in 0..150 {
        pace.tick().await;
        let client = client.clone();
        crowd.push(tokio::spawn(async move { client.pair_now(&format!("card-{n}")).await }));
    }
    let mut number_of = std::collections::HashMap::new();
    for call in crowd {
        let record = call.await.unwrap();
        let card = record["parameters_set"][0]["smartcard_ca_id"].as_str().unwrap().to_owned();
        number_of.insert(card, record["number"].as_str().unwrap().parse::<i64>().unwrap());
    }
    let sent: Vec<i64> = conax.received().iter().map(|r| number_of[&card_of(r)]).collect();
    let overtaken = |at: usize| sent[..at].iter().filter(|other| **other > sent[at]).count();
    let most = (0..sent.len()).map(overtaken).max().unwrap();
    assert!(most <= 3, "one was overtaken by {most}: {sent:?}");
}
