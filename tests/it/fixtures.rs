//! The corpus `fixtures/TYPE/CASE`: what a client calls, what Conax gets and answers, and what the client is told.
//! `UPDATE_FIXTURES=1` writes what the gateway sends and replies now, to be looked at before it is committed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use conax_gateway::recording::{Case, Exchange, comparable_reply, read_folder};
use conax_gateway::request::{Family, RequestType};
use serde_json::Value;

use crate::support::{Client, Conax, Gateway, Reaction, run};

const CATALOGUE: [&str; 3] = ["services", "smartcards", "subscriptions"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A reply without what differs each time, and without who called.
fn stable(reply: &Value, exchange: &Exchange) -> Value {
    let mut reply = comparable_reply(reply, &exchange.volatile);
    if let Some(data) = reply["data"].as_object_mut() {
        data.remove("log_information");
    }
    reply
}

/// A message without the text of an element that differs each time.
fn blank(message: &str, name: &str) -> String {
    let (open, close) = (format!("{name}>"), format!("</ns1:{name}>"));
    match message.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1))) {
        Some((before, after)) => format!("{before}{open}{close}{after}"),
        None => message.to_owned(),
    }
}

/// `idle` is a client of a gateway that sends nothing: what is not processed immediately is PENDING there.
async fn run_case(client: &Client, idle: &Client, conax: &Conax, answer: &Mutex<Vec<u8>>, case: &Case) {
    let is_update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let (label, exchange) = (case.label(), &case.exchange);
    if let Some(body) = &case.response {
        let status = hyper::StatusCode::from_u16(exchange.http_status.unwrap()).unwrap();
        let content_type = exchange.response_type().unwrap();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        *answer.lock().unwrap() = [head.as_bytes(), body].concat();
    }
    let before = conax.received().len();
    let mut call = case.call.clone().unwrap();
    let is_deferred = call.get("process_immediately").is_none();
    if is_deferred && case.response.is_some() {
        // Sent at once, so that there is a request to look at; the reply is that of a call that is not.
        call["process_immediately"] = true.into();
    }
    let method = exchange.method.as_deref().unwrap();
    let mut reply = client.post(method, call).await.json;
    let received = conax.received();
    assert_eq!(received.len() - before, usize::from(case.response.is_some()), "{label}");
    let mut now = case.clone();
    if let Some(request) = received.get(before) {
        let same = |text: &str| exchange.volatile.iter().fold(text.to_owned(), |text, name| blank(&text, name));
        let recorded = String::from_utf8(case.request.clone().unwrap()).unwrap();
        if same(&recorded) != same(&request.body) {
            assert!(is_update, "{label}: the request is now\n{}", request.body);
            now.request = Some(request.body.clone().into_bytes());
        }
    }
    if is_deferred {
        reply = idle.post(method, case.call.clone().unwrap()).await.json;
    }
    let recorded = case.reply.clone().unwrap();
    if stable(&recorded, exchange) != stable(&reply, exchange) {
        assert!(is_update, "{label}: the reply is now\n{reply:#}");
        now.reply = Some(comparable_reply(&reply, &[]));
    }
    if now != *case {
        now.write(&folder()).unwrap();
    }
    let state = &reply["data"]["life_cycle_state"];
    match case.name.as_str() {
        "success" => assert_eq!(state, "COMPLETED", "{label}"),
        "rejection" | "fault" => assert_eq!(state, "REJECTED", "{label}"),
        "invalid" => assert_ne!(reply["status"]["code"], "OK", "{label}"),
        _ => {}
    }
}

#[tokio::test]
async fn every_case_of_every_type() {
    let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
    let shared = Arc::clone(&answer);
    let conax = Conax::start(move |_, _| Reaction::Write(shared.lock().unwrap().clone())).await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let (idle_gateway, idle) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    for (gateway, kind) in [&gateway, &idle_gateway].into_iter().flat_map(|g| CATALOGUE.map(|kind| (g, kind))) {
        let file = folder().join(format!("catalogue/{kind}.csv"));
        let (file, data_dir) = (file.to_str().unwrap(), gateway.data_dir());
        assert!(run(&["catalogue", "import", kind, file, "--data-dir", &data_dir]).status.success());
    }
    let cases = read_folder(&folder()).unwrap();
    let of_conax =
        |request_type: &RequestType| !RequestType::of_family(Family::Panaccess).any(|other| other == *request_type);
    for request_type in RequestType::all().filter(of_conax) {
        for name in ["success", "rejection", "fault", "invalid"] {
            assert!(
                cases.iter().any(|case| case.case_type == request_type.as_str() && case.name == name),
                "{request_type}/{name}"
            );
        }
    }
    for case in &cases {
        run_case(&client, &idle, &conax, &answer, case).await;
    }
}

#[test]
fn the_corpus_answers_its_own_calls() {
    let checked = run(&["fixtures", "check", folder().to_str().unwrap()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
