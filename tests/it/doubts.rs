//! Requests that were sent without a valid answer: what each resend rule makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, Received, answer_to, eventually, operation_of, run};

const SOON: [(&str, &str); 2] = [("processor.backoff_initial_s", "0.05"), ("processor.backoff_max_s", "0.1")];

async fn start(conax: &Conax, more: &[(&str, &str)]) -> (Gateway, Client) {
    let url = [("upstream.url", conax.url.as_str())];
    Gateway::start_signed_in(&[&url[..], &SOON, more].concat()).await
}

async fn add(client: &Client, card: &str) -> Value {
    let body = json!({"smartcard_set": [{"smartcard_ca_id": card}], "service_ca_id": "1", "process_immediately": true});
    client.call("add_subscriptions", body).await.data()
}

async fn mail(client: &Client, card: &str) -> Value {
    let body = json!({"smartcard_set": [{"smartcard_ca_id": card}], "message": "hello", "process_immediately": true});
    client.call("send_mail_message_to_client", body).await.data()
}

fn operations(conax: &Conax) -> Vec<String> {
    conax.received().iter().map(|request| operation_of(request).0).collect()
}

fn is_query(request: &Received) -> bool {
    operation_of(request).0.starts_with("Get")
}

#[tokio::test]
async fn a_safe_request_is_sent_again_byte_for_byte() {
    let conax = Conax::start(|n, request| match n {
        0 | 1 => Reaction::Close,
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let (_gateway, client) = start(&conax, &[]).await;
    let record = add(&client, "a").await;
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("PENDING"), &json!("OUTCOME_UNKNOWN")));
    let delivery = &record["delivery"];
    assert_eq!((&delivery["state"], &delivery["in_doubt"]), (&json!("resolving"), &json!(true)), "{record:#}");
    assert!(delivery["next_attempt_date"].is_string());
    let record = client.ended(&record["number"]).await;
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("COMPLETED"), &Value::Null));
    assert_eq!((&record["delivery"]["attempts"], &record["delivery"]["in_doubt"]), (&json!(3), &json!(false)));
    let received = conax.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|r| r.body == received[0].body && record["request"] == r.body));
}

#[tokio::test]
async fn a_pairing_that_was_done_is_found_out() {
    let conax = Conax::start(|_, request| match is_query(request) {
        true => Reaction::Write(answer_to(
            request,
            "OK",
            "<PairingStatus>PAIRED</PairingStatus><PairingModuleIds><PairingModuleId>x</PairingModuleId>\
             <PairingModuleId>9000000001</PairingModuleId></PairingModuleIds>",
        )),
        false => Reaction::Close,
    })
    .await;
    let (gateway, client) = start(&conax, &[]).await;
    let record = client.pair_now("a").await;
    assert_eq!(record["delivery"]["state"], "resolving");
    let record = client.ended(&record["number"]).await;
    assert_eq!((&record["life_cycle_state"], &record["delivery"]["attempts"]), (&json!("COMPLETED"), &json!(1)));
    assert_eq!(operations(&conax), ["CreatePairing", "GetPairingStatusForCard"]);
    let shown = run(&["requests", "show", "1", "--data-dir", &gateway.data_dir()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("VERIFIED: ") && shown.contains("It was done."), "{shown}");
    assert!(shown.contains("  query:\n<?xml") && shown.contains("  answer:\n<soap"), "both texts: {shown}");
}

#[tokio::test]
async fn a_pairing_that_was_not_done_is_sent_again() {
    let conax = Conax::start(|n, request| match (n, is_query(request)) {
        (0 | 1, _) => Reaction::Close,
        (_, true) => Reaction::Write(answer_to(request, "OK", "<PairingStatus>NOT_PAIRED</PairingStatus>")),
        (_, false) => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let (_gateway, client) = start(&conax, &[]).await;
    let record = client.pair_now("a").await;
    let record = client.ended(&record["number"]).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    let query = "GetPairingStatusForCard";
    assert_eq!(operations(&conax), ["CreatePairing", query, query, "CreatePairing"], "the first query told nothing");
    assert_eq!(conax.received()[0].body, conax.received()[3].body);
}

#[tokio::test]
async fn a_message_is_never_sent_again_and_holds_up_nothing() {
    let conax = Conax::start(|n, request| match n {
        0 => Reaction::Close,
        1 => Reaction::Write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let (mut gateway, client) = start(&conax, &[("processor.poll_s", "0.05")]).await;
    for n in ["1", "2"] {
        let record = mail(&client, "a").await;
        assert_eq!(record["number"], n);
        assert_eq!(
            (&record["delivery"]["state"], &record["error_code"]),
            (&json!("needs_operator"), &json!("OUTCOME_UNKNOWN"))
        );
        assert_eq!(record["delivery"]["next_attempt_date"], Value::Null);
    }
    assert_eq!(add(&client, "a").await["life_cycle_state"], "COMPLETED");
    gateway.kill().await;
    gateway.start_again(&[]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    assert_eq!(add(&client, "a").await["life_cycle_state"], "COMPLETED");
    assert_eq!(client.show(&json!("1")).await["delivery"]["state"], "needs_operator");
    assert_eq!(conax.received().len(), 4);
}

#[tokio::test]
async fn a_doubt_holds_up_its_card_until_it_is_given_up_and_is_then_not_sent_again() {
    let conax = Conax::start(|_, request| match request.body.contains(">1<") {
        true => Reaction::Close,
        false => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let (_gateway, client) = start(&conax, &[("processor.in_doubt_timeout_s", "1.5")]).await;
    let began = std::time::Instant::now();
    let doubtful = add(&client, "a").await;
    let cancel =
        json!({"smartcard_set": [{"smartcard_ca_id": "a"}], "service_ca_id": "2", "process_immediately": true});
    let later = client.call("cancel_subscriptions", cancel).await.data();
    assert_eq!(later["life_cycle_state"], "COMPLETED", "after {:?}: {later:#}", began.elapsed());
    assert!(began.elapsed().as_secs_f64() >= 1.4, "it was held up: {:?}", began.elapsed());
    let record = client.show(&doubtful["number"]).await;
    assert_eq!(
        (&record["delivery"]["state"], &record["error_code"]),
        (&json!("needs_operator"), &json!("OUTCOME_UNKNOWN"))
    );
    let sent = operations(&conax);
    assert!(sent.len() > 2, "it was tried again meanwhile: {sent:?}");
    assert_eq!(sent.iter().position(|name| name == "CancelSubscriptions"), Some(sent.len() - 1), "{sent:?}");
    assert_eq!(add(&client, "b").await["delivery"]["state"], "resolving", "other cards are not concerned");
    assert_eq!(operations(&conax).iter().filter(|name| *name == "CancelSubscriptions").count(), 1);
}

#[tokio::test]
async fn a_doubt_is_resolved_before_an_earlier_request_that_falls_due_meanwhile() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let conax = Conax::start(move |_, request| match up.load(Ordering::SeqCst) {
        false => Reaction::Close,
        true => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let (_gateway, client) = start(&conax, &[]).await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let cancel = json!({"smartcard_set": [{"smartcard_ca_id": "a"}], "service_ca_id": "2", "scheduled_date": soon});
    let earlier = client.call("cancel_subscriptions", cancel).await.data();
    let doubtful = add(&client, "a").await;
    assert_eq!(doubtful["delivery"]["state"], "resolving");
    let due = earlier["scheduled_date"].as_str().unwrap().to_owned();
    eventually(async || (chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S").to_string() > due).then_some(())).await;
    is_up.store(true, Ordering::SeqCst);
    for record in [&doubtful, &earlier] {
        assert_eq!(client.ended(&record["number"]).await["life_cycle_state"], "COMPLETED");
    }
    let sent = operations(&conax);
    assert_eq!(sent.iter().position(|name| name == "CancelSubscriptions"), Some(sent.len() - 1), "{sent:?}");
}

#[tokio::test]
async fn what_was_under_way_when_the_gateway_died_follows_the_same_rules() {
    let conax = Conax::start(|n, request| match n {
        0..3 => Reaction::Hold(Vec::new()),
        _ if is_query(request) => {
            Reaction::Write(answer_to(request, "OK", "<PairingStatus>NOT_PAIRED</PairingStatus>"))
        }
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let (mut gateway, client) = start(&conax, &[]).await;
    let calls: Vec<_> = (0..3)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                match n {
                    0 => drop(add(&client, "a").await),
                    1 => drop(mail(&client, "b").await),
                    _ => drop(client.pair_now("c").await),
                }
            })
        })
        .collect();
    eventually(async || (conax.received().len() == 3).then_some(())).await;
    gateway.kill().await;
    for call in calls {
        assert!(call.await.is_err(), "no answer was given");
    }
    gateway.start_again(&[]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    let mut states = Vec::new();
    for number in ["1", "2", "3"] {
        let record = match client.show(&json!(number)).await {
            record if record["type"] == "SEND_MAIL_MESSAGE_TO_CLIENT" => {
                let is_noticed = |record: &Value| record["delivery"]["attempts"] != 0;
                eventually(async || Some(client.show(&json!(number)).await).filter(is_noticed)).await
            }
            _ => client.ended(&json!(number)).await,
        };
        let delivery = &record["delivery"];
        states.push((record["type"].clone(), record["life_cycle_state"].clone(), delivery["attempts"].clone()));
    }
    states.sort_by_key(|(kind, _, _)| kind.to_string());
    let expected = json!([
        ["ADD_SUBSCRIPTIONS", "COMPLETED", 2],
        ["CREATE_PAIRING", "COMPLETED", 2],
        ["SEND_MAIL_MESSAGE_TO_CLIENT", "PENDING", 1]
    ]);
    assert_eq!(json!(states), expected);
    let mut sent = operations(&conax);
    sent.sort();
    let expected = [
        "AddSubscriptions",
        "AddSubscriptions",
        "CreatePairing",
        "CreatePairing",
        "GetPairingStatusForCard",
        "SendMailMessageToClients",
    ];
    assert_eq!(sent, expected);
    gateway.logged("an operator must settle it").await;
}

#[tokio::test]
async fn a_pin_is_shown_nowhere_and_gone_when_the_request_has_ended() {
    let conax = Conax::start(|n, request| match n {
        0 => Reaction::Close,
        1 => Reaction::Write(answer_to(request, "OK", "<Echo>86420975</Echo>")),
        _ => Reaction::Write(
            String::from_utf8(answer_to(request, "SYSTEM_ERROR", "")).unwrap().replace("in words", "86420975").into(),
        ),
    })
    .await;
    let (mut gateway, client) = start(&conax, &[]).await;
    let body = json!({"smartcard_set": [{"smartcard_ca_id": "a"}], "ca_pin": "86420975", "process_immediately": true});
    let waiting = client.call("update_ca_pin_to_given_value", body.clone()).await.data();
    assert_eq!(waiting["delivery"]["state"], "resolving");
    let done = client.ended(&waiting["number"]).await;
    assert!(done["response"].as_str().unwrap().contains("<Echo>****</Echo>"), "{done:#}");
    let refused = client.call("update_ca_pin_to_given_value", body).await.data();
    assert_eq!((&refused["life_cycle_state"], &refused["error_description"]), (&json!("REJECTED"), &json!("****")));
    assert!(conax.received().iter().all(|request| request.body.contains(">86420975<")), "Conax gets it");
    assert_eq!(gateway.terminate().await, Some(0));
    let mut texts = vec![waiting.to_string(), done.to_string(), refused.to_string(), gateway.log()];
    texts.extend(gateway.stored().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    assert!(texts.len() >= 5, "the store holds something");
    for (index, text) in texts.iter().enumerate() {
        let at = text.find("86420975");
        let around = at.map(|at| text.get(at.saturating_sub(300)..at + 50));
        assert!(at.is_none(), "text {index}: {around:?}");
    }
}

#[tokio::test]
async fn a_message_has_a_connection_of_its_own() {
    let keep =
        |request: &Received| String::from_utf8(answer_to(request, "OK", "")).unwrap().replace("close", "keep-alive");
    let conax = Conax::start(move |_, request| Reaction::Keep(keep(request).into())).await;
    let (_gateway, client) = start(&conax, &[]).await;
    for card in ["a", "b"] {
        add(&client, card).await;
        mail(&client, card).await;
    }
    let connections: Vec<usize> = conax.received().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 0, 2], "others use an idle one again");
}

#[tokio::test]
async fn a_pin_is_sent_again_soon_within_its_own_time() {
    let seen = std::sync::Mutex::new(std::collections::HashSet::new());
    let conax = Conax::start(move |_, request| match seen.lock().unwrap().insert(request.body.clone()) {
        true => Reaction::Close,
        false => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    // By the defaults, which are what counts here; so few do not open the circuit breaker.
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let mut numbers = Vec::new();
    for card in ["a", "b", "c", "d"] {
        let body = json!({"smartcard_set": [{"smartcard_ca_id": card}], "process_immediately": true});
        let record = client.call("update_ca_pin_to_default_value", body).await.data();
        assert_eq!(record["delivery"]["state"], "resolving");
        numbers.push(record["number"].clone());
    }
    for number in numbers {
        assert_eq!(client.ended(&number).await["life_cycle_state"], "COMPLETED");
    }
    assert_eq!(conax.received().len(), 8);
}

#[tokio::test]
async fn a_no_to_a_repetition_does_not_say_that_the_first_attempt_failed() {
    let conax = Conax::start(|n, request| match (n, is_query(request)) {
        (0 | 2, _) => Reaction::Close,
        (_, true) => Reaction::Write(answer_to(request, "OK", "<PairingStatus>NOT_PAIRED</PairingStatus>")),
        (_, false) => Reaction::Write(answer_to(request, "CLIENT_NOT_FOUND", "")),
    })
    .await;
    let (_gateway, client) = start(&conax, &[]).await;
    let ended = async |record: Value| {
        let record = client.ended(&record["number"]).await;
        assert_eq!(
            (&record["life_cycle_state"], &record["error_code"]),
            (&json!("REJECTED"), &json!("CLIENT_NOT_FOUND"))
        );
        assert_eq!((&record["delivery"]["state"], &record["delivery"]["attempts"]), (&json!("ended"), &json!(2)));
        record["delivery"]["in_doubt"].clone()
    };
    assert_eq!(ended(add(&client, "a").await).await, true, "nobody knows what became of the first");
    assert_eq!(ended(client.pair_now("b").await).await, false, "the first was found not to have been done");
    let first = add(&client, "c").await;
    assert_eq!((&first["life_cycle_state"], &first["delivery"]["in_doubt"]), (&json!("REJECTED"), &json!(false)));
}
