//! Repeated requests, and clients that ask too much or too slowly.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Conax, Gateway, Reaction, WEB, eventually, ok_answer};

async fn pair_with_key(client: &Client, key: &str, body: &Value) -> (u16, Value) {
    let request = client.http.post(client.address(&format!("{WEB}/create_pairing")));
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    let response = request.bearer_auth(&client.token).body(body.to_string()).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

fn pairing(card: &str) -> Value {
    json!({"smartcard_set": [{"smartcard_ca_id": card}], "stb_set": [{"stb_ca_id": "1"}]})
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_record_again() {
    let (mut gateway, client) = Gateway::start_signed_in(&[]).await;
    let (status, first) = pair_with_key(&client, "k1", &pairing("01450253313")).await;
    assert_eq!(status, 200);
    let ended = client.ended(&first["data"]["number"]).await;
    // The order of keys and the token do not count.
    let again = format!(
        "{{\"token\":\"{}\",\"stb_set\":[{{\"stb_ca_id\":\"1\"}}],\"smartcard_set\":[{{\"smartcard_ca_id\":\"01450253313\"}}]}}",
        client.token
    );
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(pair_with_key(&client, "k1", &again).await.1["data"], ended, "the whole record, as it stands now");
    let (status, conflict) = pair_with_key(&client, "k1", &pairing("01450253314")).await;
    assert_eq!((status, &conflict["status"]["code"]), (409, &json!("CONFLICT")));
    assert_ne!(pair_with_key(&client, "k2", &pairing("01450253313")).await.1["data"]["number"], ended["number"]);
    gateway.kill().await;
    gateway.start_again(&[]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    assert_eq!(pair_with_key(&client, "k1", &pairing("01450253313")).await.1["data"], ended);
    for key in ["", &"k".repeat(256)] {
        let (status, error) = pair_with_key(&client, key, &pairing("01450253313")).await;
        assert_eq!((status, &error["status"]["description"]), (400, &json!("Idempotency-Key")));
    }
}

#[tokio::test]
async fn a_set_has_a_bound() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let with = |count: usize| {
        let cards: Vec<_> = (0..count).map(|n| json!({"smartcard_ca_id": n.to_string()})).collect();
        json!({"smartcard_set": cards, "stb_set": [{"stb_ca_id": "1"}]})
    };
    assert_eq!(pair_with_key(&client, "k1", &with(10_000)).await.0, 200);
    for count in [10_001, 25_000] {
        let (status, error) = pair_with_key(&client, "k2", &with(count)).await;
        let message = format!("smartcard_set must have from 1 to 10000 items, not {count}.");
        assert_eq!((status, &error["status"]["code"]), (400, &json!("INVALID_PARAMETER")));
        assert_eq!(
            (&error["status"]["message"], &error["status"]["description"]),
            (&json!(message), &json!("$.smartcard_set"))
        );
    }
}

#[tokio::test]
async fn the_same_key_at_the_same_time_makes_one_request() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let mut body = pairing("a");
    body["process_immediately"] = true.into();
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (client, body) = (client.clone(), body.clone());
            tokio::spawn(async move { pair_with_key(&client, "k", &body).await.1["data"].clone() })
        })
        .collect();
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    conax.release();
    for call in calls {
        let record = call.await.unwrap();
        assert_eq!((&record["number"], &record["life_cycle_state"]), (&json!("1"), &json!("COMPLETED")), "{record:#}");
    }
    assert_eq!(conax.received().len(), 1);
}

#[tokio::test]
async fn a_user_who_asks_too_much_is_told_to_wait() {
    let (_gateway, client) = Gateway::start_signed_in(&[("server.user_requests_per_s", "3")]).await;
    let path = format!("{WEB}/list?life_cycle_state=PENDING");
    let mut refused = None;
    for _ in 0..20 {
        let answer = client.get(&path).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("twenty requests took longer than their seconds");
    refused.assert_error(429, "TOO_MANY_REQUESTS", "");
    assert!(refused.headers.contains_key("retry-after"));
}

/// The gateway's answer to these bytes, read until the gateway closes the connection.
async fn converse(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await.unwrap().unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn slow_clients_do_not_keep_a_connection() {
    let settings =
        [("server.first_byte_timeout_s", "0.3"), ("server.header_timeout_s", "0.3"), ("server.body_timeout_s", "0.3")];
    let gateway = Gateway::start(&settings).await;
    assert_eq!(converse(&gateway, b"").await, "");
    converse(&gateway, b"POST /crmapi/rest/v2/authentication/token HTTP/1.1\r\nHost: x\r\n").await;
    let head = "POST /crmapi/rest/v2/authentication/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{\"user";
    let said = converse(&gateway, head.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("REQUEST_TIMEOUT"), "{said}");
}

#[tokio::test]
async fn a_connection_goes_on_after_a_body_that_nobody_wanted() {
    let gateway = Gateway::start(&[]).await;
    let mut stream = TcpStream::connect(gateway.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"POST /no/such/method HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(b"{ } GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await.unwrap().unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("HTTP/1.1 404 ") && said.contains("HTTP/1.1 200 "), "{said}");
}
