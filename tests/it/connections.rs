//! Connections that take a place and do nothing with it, in whatever way.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Conax, Gateway, Reaction, WEB, eventually, ok_answer};

/// How long anything may take.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(20);
const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// Opens that many connections, and says this on each one.
async fn crowd(gateway: &Gateway, count: usize, words: &str) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(gateway.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

/// Reads a connection until its end.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end, too.
    drop(tokio::time::timeout(ADMIT_TIMEOUT, stream.read_to_end(&mut said)).await.expect("it is closed in time"));
    String::from_utf8(said).unwrap()
}

async fn status_of(client: &Client, path: &str) -> u16 {
    client.http.get(format!("{}{path}", client.url)).send().await.unwrap().status().as_u16()
}

/// Whoever comes is served although all places are taken by connections that say this.
async fn nobody_is_locked_out_by(words: &str) {
    let settings = [("server.max_connections", "8"), ("server.max_connections_per_address", "8")];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let _idle = crowd(&gateway, 20, words).await;
    // New connections, since the client's own one may have been closed.
    let fresh = |http| Client { http, ..client.clone() };
    eventually(async || {
        let client = fresh(reqwest::Client::builder().no_proxy().build().unwrap());
        assert_eq!((status_of(&client, "/livez").await, status_of(&client, "/readyz").await), (200, 200));
        let answer = client.get(&format!("{WEB}/list?type=CREATE_PAIRING")).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn silent_connections_give_way() {
    nobody_is_locked_out_by("").await;
}

#[tokio::test]
async fn who_says_nothing_has_less_time_than_who_has_begun() {
    let gateway = Gateway::start(&[("server.first_byte_timeout_s", "0.3")]).await;
    let mut others = crowd(&gateway, 2, "").await;
    others[1].write_all(b"GET /li").await.unwrap();
    assert_eq!(read_to_end(&mut others[0]).await, "");
    others[1].write_all(b"vez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut others[1]).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_connection_that_rests_goes_on_where_it_was() {
    let gateway = Gateway::start(&[("log.filter", "info,conax_gateway::http=debug")]).await;
    let mut stream = crowd(&gateway, 1, LIVEZ).await.pop().unwrap();
    let rests = async |times: usize| {
        eventually(async || (gateway.log().matches("a connection rests").count() == times).then_some(())).await;
    };
    let mut said = [0; 4096];
    for (half, times) in [("", 1), ("GET /li", 2)] {
        let count = stream.read(&mut said).await.unwrap();
        assert!(said[..count].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&said[..count]));
        // What the server has read of the next request is not lost by the rest.
        stream.write_all(half.as_bytes()).await.unwrap();
        rests(times).await;
        stream.write_all(LIVEZ.strip_prefix(half).unwrap().as_bytes()).await.unwrap();
    }
    let count = stream.read(&mut said).await.unwrap();
    assert!(said[..count].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&said[..count]));
}

#[tokio::test]
async fn connections_with_half_a_head_give_way() {
    nobody_is_locked_out_by("POST /crmapi/rest/v2/authentication/token HTTP/1.1\r\nHost: x\r\nX-").await;
}

#[tokio::test]
async fn connections_with_half_a_body_give_way() {
    let head = "POST /crmapi/rest/v2/authentication/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{\"user";
    nobody_is_locked_out_by(head).await;
}

#[tokio::test]
async fn connections_between_two_requests_give_way() {
    nobody_is_locked_out_by(LIVEZ).await;
}

#[tokio::test]
async fn a_thousand_silent_connections_lock_nobody_out_of_the_defaults() {
    let (gateway, client) = Gateway::start_signed_in(&[]).await;
    let _silent = crowd(&gateway, 1100, "").await;
    let began = Instant::now();
    let fresh = Client { http: reqwest::Client::builder().no_proxy().build().unwrap(), ..client };
    assert_eq!(status_of(&fresh, "/livez").await, 200);
    fresh.pair_now("01450253313").await;
    assert!(began.elapsed() < Duration::from_secs(4), "before the silent ones were too late anyway");
}

#[tokio::test]
async fn while_requests_have_all_places_health_checks_are_answered_and_others_told_to_come_again() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("server.max_connections", "2"),
        ("server.max_connections_per_address", "2"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let fresh = || Client { http: reqwest::Client::builder().no_proxy().build().unwrap(), ..client.clone() };
    let mut calls = Vec::new();
    // The connections are opened in turn: one that has not asked yet may have to give way. The first is that of the sign-in.
    for (card, client) in [("1", client.clone()), ("2", fresh())] {
        calls.push(tokio::spawn(async move { client.pair_now(card).await }));
        eventually(async || (conax.received().len() == calls.len()).then_some(())).await;
    }
    assert_eq!((status_of(&fresh(), "/livez").await, status_of(&fresh(), "/readyz").await), (200, 200));
    let refused = fresh().pair("3", json!({})).await;
    refused.assert_error(503, "UNAVAILABLE", "");
    assert!(refused.headers.contains_key("retry-after") && refused.headers["connection"] == "close");
    let soap = fresh().http.post(format!("{}/ca-server/webservices/caclient/pairing", client.url));
    let soap = soap.header("content-type", "text/xml").body("<x/>").send().await.unwrap();
    assert_eq!((soap.status().as_u16(), soap.headers().contains_key("retry-after")), (503, true));
    assert!(soap.text().await.unwrap().contains("Fault"));
    (0..2).for_each(|_| conax.release());
    for call in calls {
        assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED", "busy ones do not give way");
    }
    eventually(async || (fresh().pair("3", json!({})).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn an_address_has_its_share() {
    let gateway = Gateway::start(&[("server.max_connections_per_address", "3")]).await;
    let mut first = crowd(&gateway, 1, LIVEZ).await.pop().unwrap();
    let mut others = crowd(&gateway, 2, LIVEZ).await;
    // Until the first one has waited long enough to make room, others come into the reserve.
    let mut said = Vec::new();
    eventually(async || {
        others.extend(crowd(&gateway, 1, LIVEZ).await);
        tokio::time::timeout(Duration::from_millis(50), first.read_to_end(&mut said)).await.ok()
    })
    .await
    .unwrap();
    assert!(others.len() < 20, "it went when the fourth one came, not when it was idle for too long");
}

#[tokio::test]
async fn who_does_not_take_an_answer_loses_it() {
    let settings = [("server.write_timeout_s", "0.3"), ("log.filter", "info,conax_gateway::http=debug")];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let cards: Vec<_> = (0..10_000).map(|n| json!({"smartcard_ca_id": format!("{n:011}")})).collect();
    let body = json!({"smartcard_set": cards, "stb_set": [{"stb_ca_id": "1"}]});
    let record = client.call("create_pairing", body).await.data();
    let number = record["number"].as_str().unwrap();
    let show = format!(
        "GET /crmapi/rest/v2/{WEB}/show?token={}&provisioning_request_identifier=number={number} HTTP/1.1\r\nHost: x\r\n\r\n",
        client.token
    );
    // More than the buffers between the two take.
    let mut stream = crowd(&gateway, 1, &show.repeat(20)).await.pop().unwrap();
    gateway.logged("a connection ended early").await;
    let said = read_to_end(&mut stream).await;
    assert!(said.matches("HTTP/1.1 200 ").count() < 20, "all of it was sent");
}
