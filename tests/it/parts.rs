//! Sets that are larger than one call takes: sent in several calls, in order, as one record that tells of each.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, Cluster, Conax, Gateway, Reaction, Received, WEB, answer_to, contract_with, edit_bindings, eventually,
    operation_of, run_in, values_of,
};

const SPLIT: [&str; 5] = [
    "ADD_SUBSCRIPTIONS",
    "CREATE_PAIRING",
    "SEND_MAIL_MESSAGE_TO_CLIENT",
    "UPDATE_CA_PIN_TO_GIVEN_VALUE",
    "CANCEL_SUBSCRIPTIONS",
];
const SOON: [(&str, &str); 3] =
    [("processor.backoff_initial_s", "0.05"), ("processor.backoff_max_s", "0.1"), ("processor.poll_s", "0.2")];

/// The contract of the program, of which some request types take so many cards in a call.
fn contract(batch: u32) -> TempDir {
    let lines = format!("batch = {batch}\n");
    contract_with(&SPLIT.map(|request_type| (request_type, lines.as_str())))
}

/// A gateway whose calls take so many cards, and what belongs to it.
struct Setup {
    gateway: Gateway,
    client: Client,
    _contract: TempDir,
}

async fn start(batch: u32, url: &str, more: &[(&str, &str)]) -> Setup {
    let contract = contract(batch);
    let dir = contract.path().display().to_string();
    let own = [("upstream.url", url), ("contract.dir", dir.as_str())];
    let (gateway, client) = Gateway::start_signed_in(&[&own[..], &SOON, more].concat()).await;
    Setup { gateway, client, _contract: contract }
}

fn cards(names: &str) -> Value {
    names.chars().map(|card| json!({"smartcard_ca_id": card.to_string()})).collect()
}

fn adding(names: &str) -> Value {
    json!({"smartcard_set": cards(names), "service_ca_id": "1", "process_immediately": true})
}

fn mailing(names: &str) -> Value {
    json!({"smartcard_set": cards(names), "message": "hello", "process_immediately": true})
}

/// The cards of each call, by the first letter of its operation: `A:ab`.
fn calls(conax: &Conax) -> Vec<String> {
    let call = |request: &Received| {
        let operation = operation_of(request).0;
        format!("{}:{}", operation.get(..1).unwrap(), values_of(request, "CaClientId").concat())
    };
    conax.received().iter().map(call).collect()
}

fn has(request: &Received, card: &str) -> bool {
    values_of(request, "CaClientId").iter().any(|value| value == card)
}

/// An answer of Conax with a reference number made of the cards.
fn done(request: &Received) -> Reaction {
    let reference = format!("ref-{}", values_of(request, "CaClientId").concat());
    let answer = String::from_utf8(answer_to(request, "OK", "")).unwrap().replace("ref-7", &reference);
    let length = answer.split("\r\n\r\n").nth(1).unwrap().len();
    let head = answer.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    Reaction::Write(answer.replacen(&format!("Content-Length: {head}"), &format!("Content-Length: {length}"), 1).into())
}

fn states(record: &Value) -> Vec<String> {
    let parts = record["delivery"]["parts"].as_array().unwrap();
    let state = |part: &Value| {
        let cards: String = part["smartcards"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let doubt = if part["in_doubt"] == true { "?" } else { "" };
        format!("{cards} {}{doubt} {}", part["life_cycle_state"].as_str().unwrap(), part["attempts"])
    };
    parts.iter().map(state).collect()
}

fn show(gateway: &Gateway, number: &str) -> String {
    requests(gateway, &["show", number]).1
}

/// A command about requests in the store of a gateway: whether it worked, and what it said.
fn requests(gateway: &Gateway, words: &[&str]) -> (bool, String) {
    let data_dir = gateway.data_dir();
    let words = [&["requests"], words, &["--data-dir", &data_dir]].concat();
    let output = run_in(gateway.folder.path(), &words, &gateway.store_environment());
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[track_caller]
fn decide(gateway: &Gateway, words: &[&str]) -> String {
    let (worked, text) = requests(gateway, &[words, &["--reason", "looked", "--user", "night shift"]].concat());
    assert!(worked, "{text}");
    text
}

#[tokio::test]
async fn a_large_set_is_sent_in_several_calls_one_after_the_other() {
    let conax = Conax::start(|_, request| done(request)).await;
    let Setup { gateway, client, .. } = start(2, &conax.url, &[]).await;
    let record = client.call("add_subscriptions", adding("abcde")).await.data();
    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    assert_eq!(calls(&conax), ["A:ab", "A:cd", "A:e"]);
    assert_eq!(states(&record), ["ab COMPLETED 1", "cd COMPLETED 1", "e COMPLETED 1"]);
    let references: Vec<_> =
        record["delivery"]["parts"].as_array().unwrap().iter().map(|p| &p["reference_number"]).collect();
    assert_eq!(references, ["ref-ab", "ref-cd", "ref-e"]);
    assert_eq!((&record["reference_number"], &record["delivery"]["attempts"]), (&json!("ref-ab"), &json!(3)));
    assert_eq!(record["request"], conax.received()[2].body, "the last that was sent");
    assert_eq!(client.show(&record["number"]).await, record);
    let shown = show(&gateway, "1");
    for words in
        ["part 2: COMPLETED, attempts 1, reference ref-cd: c, d\n", "attempt 1 at part 1: ", "  request:\n<?xml"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // A set that fits into a single call is sent in a single call, without parts.
    let small = client.call("add_subscriptions", adding("ab")).await.data();
    assert_eq!((&small["life_cycle_state"], small["delivery"].get("parts")), (&json!("COMPLETED"), None));
    let found = client.get(&format!("{WEB}/list?reference_number=ref-cd")).await.data();
    assert_eq!(found[0]["number"], record["number"], "by the reference of any part: {found:#}");
}

#[tokio::test]
async fn a_partial_success_is_told_exactly_and_again_is_for_the_rest() {
    let conax = Conax::start(|n, request| match has(request, "c") && n < 3 {
        true => Reaction::Write(answer_to(request, "CLIENT_NOT_FOUND", "")),
        false => done(request),
    })
    .await;
    let Setup { gateway, client, .. } = start(2, &conax.url, &[]).await;
    let record = client.call("add_subscriptions", adding("abcde")).await.data();
    assert_eq!(calls(&conax), ["A:ab", "A:cd", "A:e"], "a rejected part does not stop the others");
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("PARTLY_DONE")));
    let told = "2 of 3 calls were done.\nDone: a, b, e.\nNot done: c, d (CLIENT_NOT_FOUND: in words).";
    assert_eq!(record["error_description"], told);
    assert_eq!(record["provider_error_code"], "CLIENT_NOT_FOUND");
    assert_eq!(states(&record), ["ab COMPLETED 1", "cd REJECTED 1", "e COMPLETED 1"]);
    let part = &record["delivery"]["parts"][1];
    assert_eq!(
        (&part["error_code"], &part["provider_error_description"]),
        (&json!("CLIENT_NOT_FOUND"), &json!("in words"))
    );
    decide(&gateway, &["again", "1"]);
    let again = client.ended(&json!("2")).await;
    assert_eq!((&again["life_cycle_state"], again["delivery"].get("parts")), (&json!("COMPLETED"), None));
    assert_eq!(calls(&conax).pop().unwrap(), "A:cd", "the cards that were not done");
}

#[tokio::test]
async fn if_all_parts_are_rejected_the_reason_is_upstreams_own() {
    let conax = Conax::start(|_, request| Reaction::Write(answer_to(request, "SYSTEM_ERROR", ""))).await;
    let Setup { client, gateway: _gateway, .. } = start(2, &conax.url, &[]).await;
    let record = client.call("add_subscriptions", adding("abc")).await.data();
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("SYSTEM_ERROR")));
    assert_eq!(record["error_description"], "in words");
    assert_eq!(calls(&conax), ["A:ab", "A:c"]);
}

#[tokio::test]
async fn a_lost_answer_of_a_safe_part_is_sent_again_and_then_the_next_part() {
    let conax = Conax::start(|n, request| match n {
        1 | 2 => Reaction::Close,
        _ => done(request),
    })
    .await;
    let Setup { client, gateway: _gateway, .. } = start(2, &conax.url, &[]).await;
    let record = client.call("add_subscriptions", adding("abcde")).await.data();
    let delivery = &record["delivery"];
    assert_eq!((&delivery["state"], &delivery["in_doubt"]), (&json!("resolving"), &json!(true)), "{record:#}");
    assert_eq!(states(&record), ["ab COMPLETED 1", "cd PENDING? 1", "e PENDING 0"]);
    let later = client.call("cancel_subscriptions", adding("e")).await.data();
    assert_eq!(later["life_cycle_state"], "COMPLETED");
    let record = client.show(&record["number"]).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    assert_eq!(states(&record), ["ab COMPLETED 1", "cd COMPLETED 3", "e COMPLETED 1"]);
    assert_eq!(calls(&conax), ["A:ab", "A:cd", "A:cd", "A:cd", "A:e", "C:e"], "and a later request of a card waits");
    assert_eq!(conax.received()[1].body, conax.received()[3].body);
}

#[tokio::test]
async fn a_pairing_in_doubt_is_verified_by_the_cards_of_its_part() {
    let conax = Conax::start(|n, request| match (n, operation_of(request).0.as_str()) {
        (_, "GetPairingStatusForCard") if has(request, "c") => Reaction::Write(answer_to(
            request,
            "OK",
            "<PairingStatus>PAIRED</PairingStatus><PairingModuleIds><PairingModuleId>s</PairingModuleId></PairingModuleIds>",
        )),
        (_, "GetPairingStatusForCard") => {
            Reaction::Write(answer_to(request, "OK", "<PairingStatus>NOT_PAIRED</PairingStatus>"))
        }
        (1, _) => Reaction::Close,
        _ => done(request),
    })
    .await;
    let Setup { client, gateway: _gateway, .. } = start(2, &conax.url, &[]).await;
    let body = json!({"smartcard_set": cards("abcde"), "stb_set": [{"stb_ca_id": "s"}], "process_immediately": true});
    let record = client.call("create_pairing", body).await.data();
    let record = client.ended(&record["number"]).await;
    assert_eq!(calls(&conax), ["C:ab", "C:cd", "G:c", "G:d", "C:cd", "C:e"]);
    assert_eq!(states(&record), ["ab COMPLETED 1", "cd COMPLETED 2", "e COMPLETED 1"]);
}

/// A message of which the answers of two parts are lost.
async fn leave_messages_to_an_operator(store: &[(&str, &str)]) {
    let conax = Conax::start(|n, request| match n {
        1 | 2 => Reaction::Close,
        _ => done(request),
    })
    .await;
    let Setup { gateway, client, .. } = start(1, &conax.url, store).await;
    let record = client.call("send_mail_message_to_client", mailing("abcd")).await.data();
    assert_eq!(record["delivery"]["state"], "needs_operator", "{record:#}");
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("PENDING"), &json!("OUTCOME_UNKNOWN")));
    assert_eq!(states(&record), ["a COMPLETED 1", "b PENDING? 1", "c PENDING? 1", "d COMPLETED 1"]);
    assert!(requests(&gateway, &["list", "--in-doubt"]).1.contains("OUTCOME_UNKNOWN"));
    let later = client.call("add_subscriptions", adding("d")).await.data();
    assert_eq!(later["life_cycle_state"], "COMPLETED", "it holds up nothing");
    let text = decide(&gateway, &["settle", "1", "--as", "rejected"]);
    assert!(text.contains("needs another decision: part 3"), "{text}");
    decide(&gateway, &["retry", "1"]);
    let record = client.ended(&record["number"]).await;
    assert_eq!(calls(&conax), ["S:a", "S:b", "S:c", "S:d", "A:d", "S:c"]);
    assert_eq!(states(&record), ["a COMPLETED 1", "b REJECTED 1", "c COMPLETED 2", "d COMPLETED 1"]);
    let told = "3 of 4 calls were done.\nDone: a, c, d.\nNot done: b (SETTLED: By night shift: looked).";
    assert_eq!((&record["error_code"], &record["error_description"]), (&json!("PARTLY_DONE"), &json!(told)));
    let shown = show(&gateway, "1");
    assert!(shown.contains("by night shift: part 2: looked") && shown.contains("attempt 5 at part 3"), "{shown}");
}

#[tokio::test]
async fn a_message_in_doubt_is_left_to_an_operator_and_the_other_parts_go_on() {
    leave_messages_to_an_operator(&[]).await;
}

#[tokio::test]
async fn so_it_is_on_postgresql() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    leave_messages_to_an_operator(&[("store.url", &cluster.new_database())]).await;
}

#[tokio::test]
async fn a_doubt_is_given_up_in_time_and_is_not_sent_again_after_the_next_part() {
    let conax = Conax::start(|_, request| match has(request, "b") {
        true => Reaction::Close,
        false => done(request),
    })
    .await;
    let Setup { client, gateway, .. } = start(1, &conax.url, &[("processor.in_doubt_timeout_s", "0.6")]).await;
    let record = client.call("add_subscriptions", adding("abc")).await.data();
    let record = eventually(async || {
        Some(client.show(&record["number"]).await).filter(|record| record["delivery"]["state"] == "needs_operator")
    })
    .await;
    let sent = calls(&conax);
    assert_eq!((sent.first().unwrap().as_str(), sent.last().unwrap().as_str()), ("A:a", "A:c"), "{sent:?}");
    assert!(sent.len() >= 3 && sent[1..sent.len() - 1].iter().all(|call| call == "A:b"), "{sent:?}");
    assert_eq!(record["delivery"]["parts"][2]["life_cycle_state"], "COMPLETED");
    decide(&gateway, &["settle", "1", "--as", "completed", "--reference", "R2"]);
    let record = client.show(&record["number"]).await;
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("COMPLETED"), &Value::Null));
    assert_eq!(record["delivery"]["parts"][1]["reference_number"], "R2");
}

/// Kills a gateway whose second part is under way: the first is not sent again.
async fn kill_at_the_second_part(store: &[(&str, &str)]) {
    let conax = Conax::start(|n, request| match n {
        1 => Reaction::Hold(Vec::new()),
        _ => done(request),
    })
    .await;
    let Setup { mut gateway, client, _contract } = start(2, &conax.url, store).await;
    let call = {
        let client = client.clone();
        tokio::spawn(async move { client.call("add_subscriptions", adding("abcde")).await })
    };
    eventually(async || (conax.received().len() == 2).then_some(())).await;
    gateway.kill().await;
    assert!(call.await.is_err(), "no answer was given");
    gateway.start_again(&[]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    let record = client.ended(&json!("1")).await;
    assert_eq!(calls(&conax), ["A:ab", "A:cd", "A:cd", "A:e"]);
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    assert_eq!(states(&record), ["ab COMPLETED 1", "cd COMPLETED 2", "e COMPLETED 1"]);
    assert_eq!(conax.received()[1].body, conax.received()[2].body);
}

#[tokio::test]
async fn after_a_kill_the_parts_that_were_done_stay_done() {
    kill_at_the_second_part(&[("store.lease_s", "1")]).await;
}

#[tokio::test]
async fn so_they_do_on_postgresql() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let database = cluster.new_database();
    kill_at_the_second_part(&[("store.url", &database), ("store.lease_s", "1")]).await;
}

#[tokio::test]
async fn tries_are_counted_for_each_part_and_what_is_left_can_be_cancelled() {
    let busy = || Reaction::Write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec());
    let conax = Conax::start(move |n, request| match n {
        0 | 1 | 3 | 4 => busy(),
        6.. => Reaction::Write(b"HTTP/1.1 503 Busy\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => done(request),
    })
    .await;
    let settings = [("processor.max_attempts", "3"), ("upstream.breaker_failures", "100")];
    let Setup { gateway, client, .. } = start(1, &conax.url, &settings).await;
    let record = client.call("add_subscriptions", adding("abcd")).await.data();
    let record = eventually(async || {
        let record = client.show(&record["number"]).await;
        (record["delivery"]["attempts"] == 7).then_some(record)
    })
    .await;
    assert_eq!(states(&record), ["a COMPLETED 3", "b COMPLETED 3", "c PENDING 1", "d PENDING 0"]);
    assert_eq!((&record["delivery"]["state"], &record["error_code"]), (&json!("retrying"), &json!("UPSTREAM_BUSY")));
    decide(&gateway, &["cancel", "1"]);
    let record = client.show(&record["number"]).await;
    let told = "2 of 4 calls were done.\nDone: a, b.\nNot done: c (CANCELLED: By night shift: looked).\n\
                Not done: d (CANCELLED: By night shift: looked).";
    assert_eq!((&record["error_code"], &record["error_description"]), (&json!("PARTLY_DONE"), &json!(told)));
}

#[tokio::test]
async fn a_call_ends_in_time_with_the_record_as_it_stands_and_the_run_goes_on() {
    let conax = Conax::start(|_, request| match done(request) {
        Reaction::Write(answer) => Reaction::After(Duration::from_millis(250), answer),
        other => other,
    })
    .await;
    let settings = [("processor.immediate_wait_s", "0.1"), ("upstream.answer_timeout_s", "0.9")];
    let Setup { client, gateway: _gateway, .. } = start(1, &conax.url, &settings).await;
    let record = client.call("add_subscriptions", adding("abcdefgh")).await.data();
    assert_eq!(record["life_cycle_state"], "PENDING", "{record:#}");
    assert_eq!(record["delivery"]["parts"][0]["life_cycle_state"], "COMPLETED");
    let record = client.ended(&record["number"]).await;
    assert_eq!((&record["life_cycle_state"], calls(&conax).len()), (&json!("COMPLETED"), 8));
    assert_eq!(record["process_name"], "PROVISIONING_REQUEST_PROCESSING", "others had their turn");
}

#[tokio::test]
async fn a_pin_of_several_parts_is_masked_and_gone_at_the_end() {
    let conax = Conax::start(|n, request| match n {
        1 => Reaction::Close,
        _ => done(request),
    })
    .await;
    let Setup { mut gateway, client, .. } = start(1, &conax.url, &[]).await;
    let body = json!({"smartcard_set": cards("ab"), "ca_pin": "86420975", "process_immediately": true});
    let waiting = client.call("update_ca_pin_to_given_value", body).await.data();
    assert_eq!(waiting["delivery"]["state"], "resolving");
    let ended = client.ended(&waiting["number"]).await;
    assert!(ended["request"].as_str().unwrap().contains("****"), "{ended:#}");
    assert!(conax.received().iter().all(|request| request.body.contains(">86420975<")), "Conax gets it");
    assert_eq!(gateway.terminate().await, Some(0));
    let mut texts = vec![waiting.to_string(), ended.to_string(), gateway.log()];
    texts.extend(gateway.stored().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    assert!(texts.iter().all(|text| !text.contains("86420975")));
}

#[tokio::test]
async fn each_call_is_recorded_as_a_case_and_replayed() {
    let conax = Conax::start(|_, request| done(request)).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "c0".repeat(32)).unwrap();
    let (cases, key) = (folder.path().join("cases"), folder.path().join("key").display().to_string());
    let recording = format!("record:{}={}", cases.display(), conax.url);
    let key = [("fixtures.key_file", key.as_str())];
    let adding = |last: &str| {
        let cards = [["0145025331"; 4].as_slice(), &["0145025332"]].concat();
        let cards: Value = (1..).zip(cards).map(|(n, card)| json!({"smartcard_ca_id": format!("{card}{n}")})).collect();
        let mut body = json!({"smartcard_set": cards, "service_ca_id": "1", "process_immediately": true});
        body["smartcard_set"][4]["smartcard_ca_id"] = last.into();
        body
    };
    let Setup { mut gateway, client, .. } = start(2, &recording, &key).await;
    let live = client.call("add_subscriptions", adding("01450253315")).await.data();
    assert_eq!(live["life_cycle_state"], "COMPLETED", "{live:#}");
    assert_eq!(gateway.terminate().await, Some(0));
    let recorded = std::fs::read_dir(cases.join("ADD_SUBSCRIPTIONS")).unwrap().count();
    assert_eq!(recorded, 3);
    let Setup { client, gateway: _gateway, .. } = start(2, &format!("replay:{}", cases.display()), &key).await;
    let replayed = client.call("add_subscriptions", adding("01450253315")).await.data();
    for key in ["life_cycle_state", "request"] {
        assert_eq!(replayed[key], live[key], "{key}: {replayed:#}");
    }
    assert_eq!(states(&replayed), states(&live));
    let unknown = client.call("add_subscriptions", adding("01450253399")).await.data();
    assert_eq!((&unknown["error_code"], &unknown["life_cycle_state"]), (&json!("PARTLY_DONE"), &json!("REJECTED")));
    let codes: Vec<_> =
        unknown["delivery"]["parts"].as_array().unwrap().iter().map(|part| &part["error_code"]).collect();
    assert_eq!(codes, [&Value::Null, &Value::Null, &json!("NO_FIXTURE")]);
}

#[tokio::test]
async fn the_inspector_has_each_call_and_exports_a_case_of_each() {
    let conax = Conax::start(|_, request| done(request)).await;
    let Setup { client, gateway: _gateway, .. } = start(2, &conax.url, &[]).await;
    let record = client.call("add_subscriptions", adding("abc")).await.data();
    let get = async |path: &str| {
        let address = format!("{}/inspector/api/exchanges/{}{path}", client.url, record["id"].as_str().unwrap());
        client.http.get(address).bearer_auth(&client.token).send().await.unwrap().bytes().await.unwrap()
    };
    let detail: Value = serde_json::from_slice(&get("").await).unwrap();
    for (index, attempt) in detail["data"]["attempts"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&attempt["part"], &attempt["request"]), (&json!(index + 1), &json!(conax.received()[index].body)));
    }
    let archive: Value = serde_json::from_slice(&get("/har").await).unwrap();
    assert_eq!(archive["log"]["entries"].as_array().map(Vec::len), Some(2), "{archive:#}");
}

#[tokio::test]
async fn a_value_that_the_schema_forbids_is_named_by_its_place_in_the_set() {
    let Setup { client, gateway: _gateway, .. } = start(2, "simulator", &[]).await;
    let mut body = adding("abcde");
    body["smartcard_set"][3]["smartcard_ca_id"] = "x".repeat(500).into();
    let answer = client.call("add_subscriptions", body).await;
    answer.assert_error(400, "INVALID_PARAMETER", "$.smartcard_set[3].smartcard_ca_id");
}

#[test]
fn the_contract_says_where_a_set_cannot_be_split() {
    let check = |contract: &TempDir| {
        let dir = contract.path().display().to_string();
        let output = run_in(contract.path(), &["contract", "check"], &[("CONAX_GATEWAY_CONTRACT_DIR", &dir)]);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let good = contract(2);
    assert!(check(&good).contains("at most 2 cards a call"));
    let values = good.path().join("values.json");
    std::fs::write(&values, json!({"smartcard_ca_id": ["a", "b", "c"], "service_ca_id": "1"}).to_string()).unwrap();
    let dir = good.path().display().to_string();
    let tried = run_in(
        good.path(),
        &["contract", "try", "ADD_SUBSCRIPTIONS", "values.json"],
        &[("CONAX_GATEWAY_CONTRACT_DIR", &dir)],
    );
    assert_eq!(String::from_utf8(tried.stdout).unwrap().matches("\nPOST ").count() + 1, 2);
    let cards = |most: &str| ("authorization.xsd", "maxOccurs=\"unbounded\"", format!("maxOccurs=\"{most}\""));
    for (request_type, line, schema, expected) in [
        ("ADD_SUBSCRIPTIONS", "batch = 0", None, "batch is a number of cards, at least 1"),
        (
            "GET_ACTIVE_SUBSCRIPTIONS",
            "batch = 2",
            None,
            "GET_ACTIVE_SUBSCRIPTIONS has no set of cards that could be split",
        ),
        ("ADD_SUBSCRIPTIONS", "batch = 4", Some(cards("3")), "batch is 4, and 'CaClientId' takes at most 3 cards"),
        (
            "ADD_SUBSCRIPTIONS",
            "batch = 2",
            Some(cards("1")),
            "CaClientIds/CaClientId' takes one card: batch can only be 1",
        ),
    ] {
        let contract = contract(1);
        let section = format!("[request.{request_type}]\n");
        edit_bindings(contract.path(), &section, &format!("{section}# the line\n"));
        edit_bindings(contract.path(), "# the line\nbatch = 1\n", "# the line\n");
        edit_bindings(contract.path(), "# the line\n", &format!("{line}\n"));
        if let Some((file, old, new)) = schema {
            let file = contract.path().join(file);
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace(old, &new)).unwrap();
        }
        let text = check(&contract);
        let at = text.lines().find(|text| text.contains(expected)).unwrap_or_else(|| panic!("{expected}: {text}"));
        let number = at.split("bindings.toml:").nth(1).unwrap().split(':').next().unwrap().parse::<usize>().unwrap();
        let bindings = std::fs::read_to_string(contract.path().join("bindings.toml")).unwrap();
        assert_eq!(bindings.lines().nth(number - 1).unwrap(), line);
    }
}
