//! The ids by which a client knows its call: kept in answer, log and record, and passed on to Conax.

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, WEB, answer_to, eventually, run};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// create_pairing with these headers; returns the X-Request-Id of the answer, and the record.
async fn pair(client: &Client, headers: &[(&str, &str)], more: Value) -> (String, Value) {
    let mut body = json!({"smartcard_set": [{"smartcard_ca_id": "01450253313"}], "stb_set": [{"stb_ca_id": "1"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut request = client.http.post(client.address(&format!("{WEB}/create_pairing"))).bearer_auth(&client.token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["status"]["code"], "OK", "{answer}");
    (id, answer["data"].clone())
}

fn shown(gateway: &Gateway, number: &Value) -> Value {
    let number = number.as_str().unwrap();
    let output = run(&["requests", "show", number, "--json", "--data-dir", &gateway.data_dir()]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The lines of the log with an id, which has it, the user and the client's address once each.
fn lines_of(gateway: &Gateway, id: &str) -> Vec<String> {
    let log = gateway.log();
    let lines: Vec<String> =
        log.lines().filter(|line| line.contains(&format!("\"{id}\""))).map(str::to_owned).collect();
    for line in &lines {
        for (name, least) in [("request_id", 1), ("user", 1), ("peer", 0), ("number", 0)] {
            let count = line.matches(&format!("\"{name}\":")).count();
            assert!((least..=1).contains(&count), "{name}: {line}");
        }
        assert!(line.contains("\"user\":\"tester\""), "{line}");
    }
    lines
}

#[tokio::test]
async fn the_ids_of_a_call_go_with_it_everywhere() {
    let conax = Conax::start(|_, request| Reaction::Keep(answer_to(request, "OK", ""))).await;
    let settings = [("upstream.url", conax.url.as_str()), ("log.format", "json"), ("processor.poll_s", "0.05")];
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    let headers = [("x-request-id", "crm-42/7"), ("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
    let (id, record) = pair(&client, &headers, json!({"process_immediately": true})).await;
    assert_eq!(id, "crm-42/7");
    let call = conax.received().pop().unwrap();
    assert_eq!((call.header("traceparent"), call.header("tracestate")), (Some(PARENT), Some("a=1,b=2")));
    let correlation = json!({"request_id": "crm-42/7", "traceparent": PARENT, "tracestate": "a=1,b=2"});
    assert_eq!(shown(&gateway, &record["number"])["correlation"], correlation);
    let lines = eventually(async || Some(lines_of(&gateway, &id)).filter(|lines| lines.len() == 2)).await;
    let number = format!("\"number\":{}", record["number"].as_str().unwrap());
    assert!(lines.iter().all(|line| line.contains(&number) && line.contains("\"peer\":\"127.0.0.1\"")), "{lines:?}");

    // A request that another life of the gateway sends much later has the ids of the call.
    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let later = [("x-request-id", "later"), ("traceparent", PARENT)];
    let (_, record) = pair(&client, &later, json!({"scheduled_date": soon})).await;
    gateway.kill().await;
    gateway.start_again(&[]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    client.ended(&record["number"]).await;
    assert_eq!(conax.received().pop().unwrap().header("traceparent"), Some(PARENT));
    eventually(async || lines_of(&gateway, "later").iter().find(|line| line.contains("attempt ended")).cloned()).await;

    // An id with a meaning elsewhere is none, and a trace that is none is not passed on.
    let made_up = [("x-request-id", "a b"), ("traceparent", "00-0-0-01")];
    let (id, record) = pair(&client, &made_up, json!({"process_immediately": true})).await;
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(shown(&gateway, &record["number"])["correlation"], json!({"request_id": id}));
    assert_eq!(conax.received().pop().unwrap().header("traceparent"), None);
}
