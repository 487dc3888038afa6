//! Decisions of an operator on the terminal, while the gateway runs.

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, answer_to, run};

/// A message whose outcome is unknown, and a gateway whose Conax answers from then on.
async fn unknown(answer: bool) -> (Gateway, Client, Conax, Value) {
    let conax = Conax::start(move |n, request| match n {
        0 => Reaction::Close,
        _ if answer => Reaction::Write(answer_to(request, "OK", "")),
        _ => Reaction::Close,
    })
    .await;
    let settings = [("upstream.url", conax.url.as_str()), ("processor.poll_s", "0.05")];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let body = json!({"smartcard_set": [{"smartcard_ca_id": "a"}], "message": "hello", "process_immediately": true});
    let record = client.call("send_mail_message_to_client", body).await.data();
    assert_eq!(record["delivery"]["state"], "needs_operator");
    (gateway, client, conax, record)
}

#[track_caller]
fn decide(gateway: &Gateway, words: &[&str]) -> (bool, String) {
    let data_dir = gateway.data_dir();
    let output = run(&[&["requests"], words, &["--user", "night shift", "--data-dir", &data_dir]].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn retry_sends_it_once_more() {
    let (gateway, client, conax, record) = unknown(true).await;
    let list = || {
        String::from_utf8(run(&["requests", "list", "--in-doubt", "--data-dir", &gateway.data_dir()]).stdout).unwrap()
    };
    assert_eq!(list().matches("OUTCOME_UNKNOWN").count(), 1);
    let (worked, text) = decide(&gateway, &["retry", "1", "--reason", "not seen on the screen"]);
    assert!(worked, "{text}");
    let ended = client.ended(&record["number"]).await;
    assert_eq!((&ended["life_cycle_state"], &ended["delivery"]["attempts"]), (&json!("COMPLETED"), &json!(2)));
    assert_eq!(conax.received()[0].body, conax.received()[1].body);
    assert_eq!(list().matches("OUTCOME_UNKNOWN").count(), 0);
    let shown = run(&["requests", "show", "1", "--data-dir", &gateway.data_dir()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let places: Vec<_> = ["attempt 1: ", "RETRIED: ", "attempt 2: "].iter().map(|words| shown.find(words)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{shown}");
    assert!(shown.contains("by night shift: not seen on the screen"), "{shown}");
    let (worked, text) = decide(&gateway, &["retry", "1", "--reason", "again"]);
    assert!(!worked && text.contains("it has ended"), "{text}");
}

#[tokio::test]
async fn what_is_retried_by_order_and_doubtful_again_waits_for_the_next_order() {
    let (gateway, client, conax, record) = unknown(false).await;
    for sent in 2..4 {
        assert!(decide(&gateway, &["retry", "1", "--reason", "r"]).0);
        let attempts = crate::support::eventually(async || {
            let delivery = client.show(&record["number"]).await["delivery"].clone();
            (delivery["state"] == "needs_operator" && delivery["attempts"] == sent).then_some(delivery)
        });
        attempts.await;
        assert_eq!(conax.received().len(), sent);
    }
}

#[tokio::test]
async fn settle_ends_a_doubt_and_nothing_else() {
    let (gateway, client, conax, record) = unknown(true).await;
    let (worked, text) = decide(&gateway, &["cancel", "1", "--reason", "r"]);
    assert!(!worked && text.contains("may have been sent"), "{text}");
    let settle = ["settle", "1", "--as", "completed", "--reference", "ref-9", "--reason", "seen in Conax"];
    assert!(decide(&gateway, &settle).0);
    let ended = client.show(&record["number"]).await;
    assert_eq!((&ended["life_cycle_state"], &ended["reference_number"]), (&json!("COMPLETED"), &json!("ref-9")));
    assert_eq!((&ended["error_code"], &ended["delivery"]["in_doubt"]), (&Value::Null, &json!(false)));
    assert!(!decide(&gateway, &settle).0, "it has ended");
    assert_eq!(conax.received().len(), 1);

    let waiting = client.pair("b", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let number = waiting["number"].as_str().unwrap();
    assert!(!decide(&gateway, &["settle", number, "--as", "rejected", "--reason", "r"]).0);
    assert!(!decide(&gateway, &["retry", number, "--reason", "r"]).0);
    let (worked, text) = decide(&gateway, &["cancel", number, "--reason", "a mistake"]);
    assert!(worked, "{text}");
    let ended = client.show(&waiting["number"]).await;
    assert_eq!((&ended["life_cycle_state"], &ended["error_code"]), (&json!("REJECTED"), &json!("CANCELLED")));
    assert_eq!(ended["error_description"], "By night shift: a mistake");
    assert_eq!(ended["executed_date"], Value::Null, "nothing was sent");
    assert!(!decide(&gateway, &["cancel", "77", "--reason", "r"]).0);
}

#[tokio::test]
async fn rejecting_a_doubt_says_so() {
    let (gateway, client, _conax, record) = unknown(true).await;
    assert!(decide(&gateway, &["settle", "1", "--as", "rejected", "--reason", "never came"]).0);
    let ended = client.show(&record["number"]).await;
    assert_eq!((&ended["life_cycle_state"], &ended["error_code"]), (&json!("REJECTED"), &json!("SETTLED")));
}
