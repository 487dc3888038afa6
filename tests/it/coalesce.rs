//! Requests of the same content that are sent in one call: which ones join, and what becomes of each.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, Cluster, Conax, Gateway, Reaction, Received, WEB, answer_to, contract_with, edit_bindings, eventually,
    operation_of, run_in, values_of,
};

const TYPES: [&str; 4] = ["ADD_SUBSCRIPTIONS", "CANCEL_SUBSCRIPTIONS", "CREATE_PAIRING", "DISPLAY_FINGERPRINT"];
/// A single slot, so that whatever comes while a call is held is due together.
const ONE_SLOT: [(&str, &str); 4] = [
    ("upstream.max_concurrency", "1"),
    ("processor.backoff_initial_s", "0.05"),
    ("processor.backoff_max_s", "0.1"),
    ("processor.poll_s", "0.2"),
];

struct Setup {
    gateway: Gateway,
    client: Client,
    conax: Conax,
    _contract: TempDir,
}

/// A gateway that sends up to four cards in a call. Its first call is held; `script` answers the others, the held one as 0.
async fn start(script: impl Fn(usize, &Received) -> Reaction + Send + Sync + 'static, more: &[(&str, &str)]) -> Setup {
    let contract = contract_with(&TYPES.map(|request_type| (request_type, "batch = 4\ncoalesce = true\n")));
    start_with(script, contract, "", more).await
}

/// The same with a contract, and words before the URL of Conax.
async fn start_with(
    script: impl Fn(usize, &Received) -> Reaction + Send + Sync + 'static,
    contract: TempDir,
    before_url: &str,
    more: &[(&str, &str)],
) -> Setup {
    let conax = Conax::start(move |n, request| match (n, script(n, request)) {
        (0, Reaction::Write(answer)) => Reaction::Hold(answer),
        (_, reaction) => reaction,
    })
    .await;
    let (dir, url) = (contract.path().display().to_string(), format!("{before_url}{}", conax.url));
    let own = [("upstream.url", url.as_str()), ("contract.dir", dir.as_str())];
    let (gateway, client) = Gateway::start_signed_in(&[&own[..], &ONE_SLOT, more].concat()).await;
    let setup = Setup { gateway, client, conax, _contract: contract };
    setup.add("z", "9").await;
    eventually(async || (setup.conax.received().len() == 1).then_some(())).await;
    setup
}

impl Setup {
    async fn call(&self, method: &str, names: &str, more: Value) -> Value {
        let cards: Value = names.chars().map(|card| json!({"smartcard_ca_id": card.to_string()})).collect();
        let mut body = json!({"smartcard_set": cards});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.client.call(method, body).await.data()["number"].clone()
    }

    /// The number of a request that adds a service to cards.
    async fn add(&self, names: &str, service: &str) -> Value {
        self.call("add_subscriptions", names, json!({"service_ca_id": service})).await
    }

    /// Lets the first call go; the records of these numbers once they have ended.
    async fn ended(&self, numbers: &[&Value]) -> Vec<Value> {
        self.conax.release();
        let mut records = Vec::new();
        for number in numbers {
            records.push(self.client.ended(number).await);
        }
        records
    }

    /// The calls after the first, by the first letter of the operation and the cards: `A:ab`.
    fn calls(&self) -> Vec<String> {
        let call = |request: &Received| {
            let operation = operation_of(request).0;
            format!("{}:{}", operation.get(..1).unwrap(), values_of(request, "CaClientId").concat())
        };
        self.conax.received().iter().skip(1).map(call).collect()
    }
}

fn done(request: &Received) -> Reaction {
    Reaction::Write(answer_to(request, "OK", ""))
}

fn states(records: &[Value]) -> Vec<String> {
    let state =
        |record: &Value| format!("{} {}", record["life_cycle_state"].as_str().unwrap(), record["delivery"]["attempts"]);
    records.iter().map(state).collect()
}

fn show(gateway: &Gateway, number: &Value) -> String {
    let data_dir = gateway.data_dir();
    let words = ["requests", "show", number.as_str().unwrap(), "--data-dir", &data_dir];
    let output = run_in(gateway.folder.path(), &words, &gateway.store_environment());
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn requests_of_the_same_content_are_one_call_and_a_record_each() {
    let setup = start(|_, request| done(request), &[]).await;
    let (a, bc, d) = (setup.add("a", "1").await, setup.add("bc", "1").await, setup.add("d", "1").await);
    let (other, e) = (setup.add("x", "2").await, setup.add("e", "1").await);
    let cancelled = setup.call("cancel_subscriptions", "y", json!({"service_ca_id": "1"})).await;
    let records = setup.ended(&[&a, &bc, &d, &other, &e, &cancelled]).await;
    assert_eq!(states(&records), ["COMPLETED 1"; 6]);
    assert_eq!(setup.calls(), ["A:abcd", "A:x", "A:e", "C:y"], "four cards are a whole call; other content is another");
    let sent = &setup.conax.received()[1].body;
    for record in &records[..3] {
        assert_eq!((&record["request"], &record["reference_number"]), (&json!(sent), &json!("ref-7")));
        assert_eq!(record["delivery"]["sent_together"], json!(3));
    }
    assert_eq!(records[4]["delivery"].get("sent_together"), None);
    assert_eq!(records[1]["parameters_set"].as_array().unwrap().len(), 5, "its own parameters: {:#}", records[1]);
    let shown = show(&setup.gateway, &bc);
    assert!(shown.contains("attempt 1 in one call of 3 requests (2, 3, 4): ") && shown.contains(sent), "{shown}");
    let get = async |path: &str| {
        let client = &setup.client;
        let address = format!("{}/inspector/api/exchanges/{}{path}", client.url, records[1]["id"].as_str().unwrap());
        let answer = client.http.get(address).bearer_auth(&client.token).send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()
    };
    let attempt = &get("").await["data"]["attempts"][0];
    assert_eq!((&attempt["joint_requests"], &attempt["request"]), (&json!([2, 3, 4]), &json!(sent)));
    let page = eventually(async || {
        let page = setup.client.http.get(format!("{}/metrics", setup.client.url)).send().await.unwrap();
        Some(page.text().await.unwrap()).filter(|page| page.contains("conax_gateway_joint_calls_total{"))
    })
    .await;
    for (sample, expected) in [("joint_calls_total", 1), ("joint_call_requests_total", 3)] {
        let line = format!("conax_gateway_{sample}{{type=\"ADD_SUBSCRIPTIONS\"}} {expected}\n");
        assert!(page.contains(&line), "{page}");
    }
    let archive = get("/har").await;
    assert_eq!(archive["log"]["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(archive["log"]["entries"][0]["request"]["postData"]["text"].as_str().map(str::len), Some(sent.len()));
}

#[tokio::test]
async fn a_call_that_no_connection_took_is_not_counted() {
    let mut setup = start(|_, request| done(request), &[]).await;
    let (a, _b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    setup.gateway.kill().await;
    // Nobody listens there, and the two are due together.
    setup.gateway.start_again(&[("upstream.url", "http://127.0.0.1:1")]).await;
    setup.client.url.clone_from(&setup.gateway.url);
    eventually(async || (setup.client.show(&a).await["delivery"]["sent_together"] == 2).then_some(())).await;
    let page = setup.client.http.get(format!("{}/metrics", setup.client.url)).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("conax_gateway_attempts_total{") && !page.contains("joint_calls_total{"), "{page}");
}

/// `query` gives the result of a query of the gateway's tables.
async fn the_answer_stands_once(store: &[(&str, &str)], query: impl AsyncFn(&Gateway, &str) -> String) {
    let answer = |request: &Received| answer_to(request, "OK", "<!--what-all-were-told-->");
    let mut setup = start(move |_, request| Reaction::Write(answer(request)), store).await;
    let numbers = [setup.add("a", "1").await, setup.add("b", "1").await, setup.add("c", "1").await];
    let records = setup.ended(&[&numbers[0], &numbers[1], &numbers[2]]).await;
    assert_eq!(setup.calls(), ["A:abc"]);
    for (number, record) in numbers.iter().zip(&records) {
        assert!(record["response"].as_str().unwrap().contains("what-all-were-told"), "{record:#}");
        assert!(show(&setup.gateway, number).contains("what-all-were-told"));
    }
    let search = format!("{}/inspector/api/exchanges?q=what-all-were-told", setup.client.url);
    let found = setup.client.http.get(search).bearer_auth(&setup.client.token).send().await.unwrap();
    let found = found.text().await.unwrap();
    assert!(records.iter().all(|record| found.contains(record["id"].as_str().unwrap())), "{found}");
    let stored =
        "SELECT (SELECT count(*) FROM attempt WHERE response LIKE '%all-were-told%' AND joint_call IS NOT NULL)
        || ' ' || (SELECT count(*) FROM joint_call WHERE response LIKE '%all-were-told%')";
    assert_eq!(query(&setup.gateway, stored).await, "0 1");
    // A copy has it, too.
    assert_eq!(setup.gateway.terminate().await, Some(0));
    if store[0].1 != "sqlite" {
        query(&setup.gateway, "UPDATE node SET lease_ms = 0").await;
    }
    let folder = setup.gateway.folder.path();
    let (from, to) = (store[0].1.replace("sqlite", "sqlite:data"), folder.join("copy").display().to_string());
    let copied = run_in(folder, &["store", "copy", &from, &format!("sqlite:{to}")], &[]);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let shown = run_in(folder, &["requests", "show", numbers[2].as_str().unwrap(), "--data-dir", &to], &[]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("what-all-were-told"));
}

#[tokio::test]
async fn the_answer_to_a_call_stands_once_and_each_record_shows_it() {
    the_answer_stands_once(&[("store.url", "sqlite")], async |gateway: &Gateway, sql: &str| {
        let file = gateway.folder.path().join("data/gateway.sqlite3");
        rusqlite::Connection::open(file).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    })
    .await;
}

#[tokio::test]
async fn the_answer_to_a_call_stands_once_on_postgresql() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let database = cluster.new_database();
    let name = database.rsplit('/').next().unwrap();
    the_answer_stands_once(&[("store.url", &database)], async |_: &Gateway, sql: &str| {
        cluster.psql(name, sql).unwrap()
    })
    .await;
}

#[tokio::test]
async fn priorities_do_not_meet_and_a_card_keeps_its_order() {
    let setup = start(|_, request| done(request), &[]).await;
    let first = setup.call("cancel_subscriptions", "b", json!({"service_ca_id": "1"})).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    let c = setup.call("add_subscriptions", "c", json!({"service_ca_id": "1", "priority": "EXPRESS"})).await;
    let again = setup.add("a", "1").await;
    let later = json!({"service_ca_id": "1", "scheduled_date": "2040-01-01T00:00:00"});
    let scheduled = setup.call("add_subscriptions", "d", later).await;
    let records = setup.ended(&[&first, &a, &b, &c, &again]).await;
    assert_eq!(states(&records), ["COMPLETED 1"; 5]);
    // The cancellation of b goes before its addition, and one call has a card once.
    assert_eq!(setup.calls(), ["A:c", "C:b", "A:ab", "A:a"]);
    assert_eq!(setup.client.show(&scheduled).await["delivery"]["attempts"], 0);
}

#[tokio::test]
async fn after_a_rejection_each_is_sent_alone() {
    let setup = start(
        |_, request| match values_of(request, "CaClientId").contains(&"b".to_owned()) {
            true => Reaction::Write(answer_to(request, "CLIENT_NOT_FOUND", "")),
            false => done(request),
        },
        &[],
    )
    .await;
    let (a, b, c) = (setup.add("a", "1").await, setup.add("b", "1").await, setup.add("c", "1").await);
    let records = setup.ended(&[&a, &b, &c]).await;
    assert_eq!(setup.calls(), ["A:abc", "A:a", "A:b", "A:c"]);
    assert_eq!(states(&records), ["COMPLETED 2", "REJECTED 2", "COMPLETED 2"]);
    assert_eq!((&records[1]["error_code"], &records[0]["error_code"]), (&json!("CLIENT_NOT_FOUND"), &Value::Null));
    assert_eq!(
        (&records[0]["request"], &records[0]["delivery"]["in_doubt"]),
        (&json!(setup.conax.received()[2].body), &json!(false))
    );
    let shown = show(&setup.gateway, &a);
    assert!(shown.contains("attempt 1 in one call of 3 requests") && shown.contains(&setup.conax.received()[1].body));
}

#[tokio::test]
async fn what_is_not_delivered_is_sent_together_again() {
    let busy = || Reaction::Write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec());
    let setup = start(move |n, request| if n == 1 { busy() } else { done(request) }, &[]).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    assert_eq!(states(&setup.ended(&[&a, &b]).await), ["COMPLETED 2"; 2]);
    assert_eq!(setup.calls(), ["A:ab", "A:ab"]);
}

#[tokio::test]
async fn a_doubt_is_resolved_for_each_request_by_the_rule_of_its_type() {
    let setup = start(
        |n, request| match (n, operation_of(request).0.as_str()) {
            (1..=3, _) => Reaction::Close,
            (_, "GetPairingStatusForCard") => {
                let boxes = "<PairingModuleIds><PairingModuleId>s</PairingModuleId></PairingModuleIds>";
                let is_paired = values_of(request, "CaClientId") == ["c"];
                let (status, boxes) = if is_paired { ("PAIRED", boxes) } else { ("NOT_PAIRED", "") };
                let payload = format!("<PairingStatus>{status}</PairingStatus>{boxes}");
                Reaction::Write(answer_to(request, "OK", &payload))
            }
            _ => done(request),
        },
        &[],
    )
    .await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    let pairing = json!({"stb_set": [{"stb_ca_id": "s"}]});
    let (c, d) =
        (setup.call("create_pairing", "c", pairing.clone()).await, setup.call("create_pairing", "d", pairing).await);
    let slot = json!({"fingerprint_slot": "1"});
    let (e, f) = (
        setup.call("display_fingerprint", "e", slot.clone()).await,
        setup.call("display_fingerprint", "f", slot).await,
    );
    assert_eq!(
        states(&setup.ended(&[&a, &b, &c, &d]).await),
        ["COMPLETED 2", "COMPLETED 2", "COMPLETED 1", "COMPLETED 2"]
    );
    let mut calls = setup.calls();
    assert_eq!(calls[..3], ["A:ab", "C:cd", "D:ef"]);
    calls[3..].sort();
    assert_eq!(calls[3..], ["A:a", "A:b", "C:d", "G:c", "G:d"], "a safe type alone, a pairing after a look");
    for number in [&e, &f] {
        let record = setup.client.show(number).await;
        assert_eq!(
            (&record["delivery"]["state"], &record["delivery"]["attempts"]),
            (&json!("needs_operator"), &json!(1))
        );
        assert_eq!(record["request"], json!(setup.conax.received()[3].body), "what was sent");
    }
}

/// Kills a gateway whose joint call is under way: each request is in doubt, and resolved alone.
async fn kill_in_a_joint_call(store: &[(&str, &str)]) {
    let script = |n, request: &Received| if n == 1 { Reaction::Hold(Vec::new()) } else { done(request) };
    let mut setup = start(script, store).await;
    let mut numbers = vec![setup.add("a", "1").await, setup.add("b", "1").await];
    setup.conax.release();
    eventually(async || (setup.conax.received().len() == 2).then_some(())).await;
    numbers.push(setup.add("c", "1").await);
    setup.gateway.kill().await;
    setup.gateway.start_again(&[]).await;
    setup.client.url.clone_from(&setup.gateway.url);
    let records = setup.ended(&numbers.iter().collect::<Vec<_>>()).await;
    assert_eq!(states(&records), ["COMPLETED 2", "COMPLETED 2", "COMPLETED 1"]);
    let mut calls = setup.calls();
    calls.sort();
    assert_eq!(calls, ["A:a", "A:ab", "A:b", "A:c"], "c came later, and joins none that are in doubt");
    let shown = show(&setup.gateway, &numbers[0]);
    let sent = &setup.conax.received()[1].body;
    assert!(shown.contains("attempt 1 in one call of 2 requests (2, 3): ") && shown.contains(sent), "{shown}");
    assert!(shown.contains("The gateway stopped while this request was under way."), "{shown}");
}

#[tokio::test]
async fn after_a_kill_each_request_of_a_joint_call_is_in_doubt() {
    kill_in_a_joint_call(&[("store.lease_s", "1")]).await;
}

#[tokio::test]
async fn so_it_is_on_postgresql() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let database = cluster.new_database();
    kill_in_a_joint_call(&[("store.url", &database), ("store.lease_s", "1")]).await;
}

/// The kill comes between the lease of requests and the commit of their call, as the tables then tell.
#[tokio::test]
async fn what_was_leased_for_a_call_that_was_not_stored_is_not_in_doubt() {
    let script = |n, request: &Received| if n == 1 { Reaction::Hold(Vec::new()) } else { done(request) };
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let database = cluster.new_database();
    let mut setup = start(script, &[("store.url", &database), ("store.lease_s", "1")]).await;
    let numbers = [setup.add("a", "1").await, setup.add("b", "1").await];
    setup.conax.release();
    eventually(async || (setup.conax.received().len() == 2).then_some(())).await;
    setup.gateway.kill().await;
    let name = database.rsplit('/').next().unwrap();
    cluster.psql(name, "UPDATE request SET joint_call = '' WHERE joint_call <> ''").unwrap();
    setup.gateway.start_again(&[]).await;
    setup.client.url.clone_from(&setup.gateway.url);
    let records = setup.ended(&numbers.iter().collect::<Vec<_>>()).await;
    assert_eq!(states(&records), ["COMPLETED 1"; 2]);
    assert_eq!(setup.calls(), ["A:ab", "A:ab"], "they wait for their turn again, and have it together");
}

#[tokio::test]
async fn a_request_of_another_contract_is_sent_as_it_was_accepted() {
    let mut setup = start(|_, request| done(request), &[]).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    // In the new contract the message has a value that the accepted messages have not.
    let end = "end_date = \"AddSubscriptionsRequest/Subscriptions/Subscription/EndTime\"\n";
    let constant = "[request.ADD_SUBSCRIPTIONS.constants]\n\
                    \"AddSubscriptionsRequest/Subscriptions/Subscription/EndTime\" = \"2040-01-01T00:00:00\"\n";
    edit_bindings(setup._contract.path(), end, constant);
    setup.gateway.kill().await;
    setup.gateway.start_again(&[]).await;
    setup.client.url.clone_from(&setup.gateway.url);
    let records = setup.ended(&[&a, &b]).await;
    assert_eq!(states(&records), ["COMPLETED 1"; 2]);
    let calls: Vec<_> = setup.calls().into_iter().filter(|call| !call.contains('z')).collect();
    assert_eq!(calls, ["A:a", "A:b"]);
    assert!(!records[0]["request"].as_str().unwrap().contains("2040"), "{:#}", records[0]);
}

#[tokio::test]
async fn an_answer_is_read_by_the_contract_of_its_call() {
    let held = |n, request: &Received| match (n, answer_to(request, "SYSTEM_ERROR", "")) {
        (1, answer) => Reaction::Hold(answer),
        (_, answer) => Reaction::Write(answer),
    };
    let contract = contract_with(&[("ADD_SUBSCRIPTIONS", "batch = 4\ncoalesce = true\n")]);
    edit_bindings(contract.path(), "SYSTEM_ERROR = \"rejected\"", "SYSTEM_ERROR = \"completed\"");
    let setup = start_with(held, contract, "", &[]).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    setup.conax.release();
    eventually(async || (setup.conax.received().len() == 2).then_some(())).await;
    // By the new contract such an answer is a rejection, and nothing is sent together.
    let contract = setup._contract.path();
    edit_bindings(contract, "SYSTEM_ERROR = \"completed\"", "SYSTEM_ERROR = \"rejected\"");
    edit_bindings(contract, "coalesce = true\n", "");
    setup.gateway.signal("HUP").await;
    setup.gateway.logged("the configuration is loaded anew").await;
    let (c, d) = (setup.add("c", "1").await, setup.add("d", "1").await);
    let records = setup.ended(&[&a, &b, &c, &d]).await;
    assert_eq!(states(&records), ["COMPLETED 1", "COMPLETED 1", "REJECTED 1", "REJECTED 1"]);
    assert_eq!(setup.calls(), ["A:ab", "A:c", "A:d"]);
    assert_eq!(records[1]["delivery"]["sent_together"], json!(2));
}

/// An operator cancels a request of a joint call: while the call is under way, and after it was not delivered.
async fn cancel_in_a_joint_call(store: &[(&str, &str)]) {
    let script = |n, request: &Received| match (n, done(request)) {
        (1, _) => Reaction::Hold(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()),
        (_, reaction) => reaction,
    };
    // What was not delivered waits for the operator.
    let slow = [("processor.backoff_initial_s", "600"), ("processor.backoff_max_s", "600")];
    let setup = start(script, &[&slow[..], store].concat()).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    setup.conax.release();
    eventually(async || (setup.conax.received().len() == 2).then_some(())).await;
    let decide = |decision: &str, number: &Value| {
        let data_dir = setup.gateway.data_dir();
        let words =
            ["requests", decision, number.as_str().unwrap(), "--reason", "r", "--user", "u", "--data-dir", &data_dir];
        let output = run_in(setup.gateway.folder.path(), &words, &setup.gateway.store_environment());
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_done, said) = decide("cancel", &a);
    assert!(!is_done && said.contains("it is under way"), "{said}");
    setup.conax.release();
    for number in [&a, &b] {
        eventually(async || (setup.client.show(number).await["delivery"]["attempts"] == 1).then_some(())).await;
    }
    assert!(decide("cancel", &a).0);
    assert!(decide("retry", &b).0);
    let records = setup.ended(&[&a, &b]).await;
    assert_eq!(states(&records), ["REJECTED 1", "COMPLETED 2"]);
    assert_eq!(setup.calls(), ["A:ab", "A:b"], "what is cancelled goes in no further call");
    assert_eq!((&records[0]["error_code"], &records[1]["error_code"]), (&json!("CANCELLED"), &Value::Null));
    let sent = [&records[0]["request"], &records[1]["request"]];
    assert_eq!(sent, [&json!(setup.conax.received()[1].body), &json!(setup.conax.received()[2].body)]);
    assert_eq!((&records[0]["response"], records[1]["delivery"].get("sent_together")), (&json!(""), None));
}

#[tokio::test]
async fn a_request_of_a_call_is_cancelled_before_or_after_it() {
    cancel_in_a_joint_call(&[]).await;
}

#[tokio::test]
async fn a_request_of_a_call_is_cancelled_on_postgresql() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let database = cluster.new_database();
    cancel_in_a_joint_call(&[("store.url", &database)]).await;
}

#[tokio::test]
async fn a_secret_of_the_configuration_is_in_the_call_alone() {
    let header = "[headers]\nlogin = \"<p:Password xmlns:p='urn:test'>{secret.conax}</p:Password>\"\n\n[answer]\n";
    let contract = contract_with(&[("ADD_SUBSCRIPTIONS", "batch = 4\ncoalesce = true\n")]);
    edit_bindings(contract.path(), "[answer]\n", header);
    let secret = [("secrets.conax", "open-sesame")];
    let mut setup = start_with(|_, request| done(request), contract, "", &secret).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    let records = setup.ended(&[&a, &b]).await;
    assert_eq!(setup.calls(), ["A:ab"]);
    assert!(setup.conax.received()[1].body.contains(">open-sesame<"));
    assert!(records[1]["request"].as_str().unwrap().contains(">****<"), "{:#}", records[1]);
    assert_eq!(setup.gateway.terminate().await, Some(0));
    let stored = setup.gateway.stored().into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(stored.chain([setup.gateway.log()]).all(|text| !text.contains("open-sesame")));
}

#[tokio::test]
async fn a_recording_has_a_case_of_each_request_so_none_are_sent_together() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "c0".repeat(32)).unwrap();
    let (cases, key) = (folder.path().join("cases"), folder.path().join("key").display().to_string());
    let contract = contract_with(&[("ADD_SUBSCRIPTIONS", "batch = 4\ncoalesce = true\n")]);
    let before_url = format!("record:{}=", cases.display());
    let key = [("fixtures.key_file", key.as_str())];
    let setup = start_with(|_, request| done(request), contract, &before_url, &key).await;
    let (a, b) = (setup.add("a", "1").await, setup.add("b", "1").await);
    setup.ended(&[&a, &b]).await;
    assert_eq!(setup.calls(), ["A:a", "A:b"]);
}

#[tokio::test]
async fn an_immediate_request_is_sent_alone_though_it_had_to_wait() {
    let held = |n, request: &Received| match (n, done(request)) {
        (1, Reaction::Write(answer)) => Reaction::Hold(answer),
        (_, reaction) => reaction,
    };
    let setup = start(held, &[("upstream.max_concurrency", "2")]).await;
    let body = json!({"smartcard_set": [{"smartcard_ca_id": "z"}], "service_ca_id": "1", "process_immediately": true});
    let client = setup.client.clone();
    // The request waits for its card, which the held call has.
    let waiting = tokio::spawn(async move { client.call("add_subscriptions", body).await.data() });
    eventually(async || {
        let list = setup.client.get(&format!("{WEB}/list?smartcard_ca_id=z")).await.data();
        (list.as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    setup.add("y", "9").await;
    eventually(async || (setup.conax.received().len() == 2).then_some(())).await;
    let later = setup.add("a", "1").await;
    setup.conax.release_all();
    setup.ended(&[&later]).await;
    assert_eq!(waiting.await.unwrap()["life_cycle_state"], "COMPLETED");
    let mut calls = setup.calls();
    calls.sort();
    assert_eq!(calls, ["A:a", "A:y", "A:z"]);
}

#[test]
fn the_contract_says_which_requests_cannot_be_sent_together() {
    let check = |request_type: &str, lines: &str| {
        let contract = contract_with(&[(request_type, lines)]);
        let dir = contract.path().display().to_string();
        let output = run_in(contract.path(), &["contract", "check"], &[("CONAX_GATEWAY_CONTRACT_DIR", &dir)]);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let both = "batch = 2\ncoalesce = true\n";
    assert!(check("ADD_SUBSCRIPTIONS", both).contains("at most 2 cards a call, of one request or several"));
    for (request_type, lines, expected) in [
        ("ADD_SUBSCRIPTIONS", "coalesce = true\n", "coalesce needs batch"),
        ("ADD_SUBSCRIPTIONS", "batch = 1\ncoalesce = true\n", "coalesce needs batch"),
        ("UPDATE_CA_PIN_TO_GIVEN_VALUE", both, "has a secret, ca_pin"),
        ("SEND_MAIL_MESSAGE_TO_CLIENT", both, "has a sequence_number of its own in each message"),
        ("ADD_SUBSCRIPTIONS", "coalesce = 1\n", "invalid type"),
    ] {
        let said = check(request_type, lines);
        assert!(said.contains(expected) && said.contains("bindings.toml:"), "{request_type}: {said}");
    }
}
