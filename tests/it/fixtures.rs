//! The corpus `fixtures/TYPE/CASE`: what a client calls, what Conax gets and answers, and what the client is told.
//! `UPDATE_FIXTURES=1` writes what the gateway sends and replies now, to be looked at before it is committed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use conax_gateway::request::RequestType;
use serde_json::Value;

use crate::support::{Client, Conax, Gateway, Reaction};

/// What differs each time, in a reply.
const VOLATILE: [&str; 9] = [
    "id",
    "number",
    "sequence_number",
    "scheduled_date",
    "executed_date",
    "created_date",
    "updated_date",
    "process_id",
    "created_by_unit",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn read_json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// A reply without what differs each time: who called, when, and the ids made up for it.
fn stable(reply: &Value) -> Value {
    match reply {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str()) && *key != "log_information");
            kept.map(|(key, value)| (key.clone(), stable(value))).collect()
        }
        Value::Array(items) => items.iter().map(stable).collect(),
        other => other.clone(),
    }
}

/// A message without the text of an element that differs each time.
fn blank(message: &str, name: &str) -> String {
    let (open, close) = (format!("{name}>"), format!("</ns1:{name}>"));
    match message.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1))) {
        Some((before, after)) => format!("{before}{open}{close}{after}"),
        None => message.to_owned(),
    }
}

/// Compares with a file, or writes it.
fn assert_file(file: &Path, is_same: impl Fn(&str) -> bool, now: &str) {
    let is_update = std::env::var_os("UPDATE_FIXTURES").is_some();
    match std::fs::read_to_string(file) {
        Ok(expected) if is_same(&expected) => {}
        // What differs each time is left as it is.
        Ok(_) | Err(_) if is_update => std::fs::write(file, now).unwrap(),
        Ok(_) => panic!("{} differs; now:\n{now}", file.display()),
        Err(e) => panic!("{}: {e}", file.display()),
    }
}

async fn run_case(client: &Client, conax: &Conax, answer: &Mutex<Vec<u8>>, case: &Path) {
    let exchange = read_json(&case.join("exchange.json"));
    let response = std::fs::read(case.join("response.xml")).ok();
    if let Some(body) = &response {
        let (status, content_type) = (&exchange["http_status"], exchange["headers"]["Content-Type"].as_str().unwrap());
        let head =
            format!("HTTP/1.1 {status} \r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
        *answer.lock().unwrap() = [head.as_bytes(), body].concat();
    }
    let before = conax.received().len();
    let reply = client.post(exchange["method"].as_str().unwrap(), read_json(&case.join("call.json"))).await.json;
    let received = conax.received();
    assert_eq!(received.len() - before, usize::from(response.is_some()), "{}", case.display());
    if let Some(request) = received.get(before) {
        let volatile = exchange["volatile"].as_array().unwrap();
        let same =
            |text: &str| volatile.iter().fold(text.to_owned(), |text, name| blank(&text, name.as_str().unwrap()));
        assert_file(&case.join("request.xml"), |file| same(file) == same(&request.body), &request.body);
    }
    let now = serde_json::to_string_pretty(&reply).unwrap() + "\n";
    let is_same = |file: &str| stable(&serde_json::from_str(file).unwrap()) == stable(&reply);
    assert_file(&case.join("reply.json"), is_same, &now);
    let state = &reply["data"]["life_cycle_state"];
    match case.file_name().unwrap().to_str().unwrap() {
        "success" => assert_eq!(state, "COMPLETED", "{}", case.display()),
        "rejection" | "fault" => assert_eq!(state, "REJECTED", "{}", case.display()),
        "invalid" => assert_ne!(reply["status"]["code"], "OK", "{}", case.display()),
        _ => {}
    }
}

#[tokio::test]
async fn every_case_of_every_type() {
    let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
    let shared = Arc::clone(&answer);
    let conax = Conax::start(move |_, _| Reaction::Write(shared.lock().unwrap().clone())).await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    for kind in ["services", "smartcards", "subscriptions"] {
        let file = folder().join(format!("catalogue/{kind}.csv"));
        let (file, data_dir) = (file.to_str().unwrap(), gateway.data_dir());
        assert!(crate::support::run(&["catalogue", "import", kind, file, "--data-dir", &data_dir]).status.success());
    }
    for kind in RequestType::ALL {
        for case in ["success", "rejection", "fault", "invalid"] {
            run_case(&client, &conax, &answer, &folder().join(kind.as_str()).join(case)).await;
        }
    }
}
