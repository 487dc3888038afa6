//! Several base URLs, and a Conax that does not answer at all.

use serde_json::{Value, json};

use crate::support::{Conax, Gateway, Reaction, eventually, ok_answer};

/// An address where nobody listens.
fn closed() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

async fn health(gateway: &Gateway, path: &str) -> (u16, Value) {
    let response = reqwest::get(format!("{}{path}", gateway.url)).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn the_first_base_url_that_is_reached_is_used() {
    let conax = Conax::start(|_, _| Reaction::Write(ok_answer("1"))).await;
    let urls = format!("{},{}, {}", closed(), conax.url, closed());
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.url", &urls)]).await;
    let record = client.pair_now("a").await;
    assert_eq!((&record["life_cycle_state"], &record["delivery"]["attempts"]), (&json!("COMPLETED"), &json!(1)));
}

#[tokio::test]
async fn a_request_that_may_have_arrived_goes_to_no_other() {
    let first = Conax::start(|_, _| Reaction::Close).await;
    let second = Conax::start(|_, _| Reaction::Write(ok_answer("1"))).await;
    let urls = format!("{},{}", first.url, second.url);
    let (_gateway, client) =
        Gateway::start_signed_in(&[("upstream.url", &urls), ("processor.backoff_initial_s", "300")]).await;
    assert_eq!(client.pair_now("a").await["error_code"], "OUTCOME_UNKNOWN");
    assert!(second.received().is_empty());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_left_alone_until_it_does() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let settings = [
        ("upstream.url", url.as_str()),
        ("upstream.breaker_failures", "2"),
        ("processor.backoff_initial_s", "0.05"),
        ("processor.backoff_max_s", "0.2"),
        ("processor.max_attempts", "1000"),
    ];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    assert_eq!(health(&gateway, "/readyz").await.0, 200);
    let mut numbers = Vec::new();
    for card in ["a", "b", "c", "d"] {
        numbers.push(client.pair(card, json!({})).await.data()["number"].clone());
    }
    let (status, words) = eventually(async || Some(health(&gateway, "/readyz").await).filter(|h| h.0 == 503)).await;
    assert_eq!((status, &words["upstream"], &words["store"]), (503, &json!("not answering"), &json!("ok")));
    assert_eq!(health(&gateway, "/livez").await, (200, json!({"status": "ok"})));
    gateway.logged("not tried, since calls in a row were not answered").await;
    let conax = Conax::start_at(&address.to_string(), |_, _| Reaction::Write(ok_answer("1"))).await;
    for number in numbers {
        assert_eq!(client.ended(&number).await["life_cycle_state"], "COMPLETED");
    }
    assert_eq!(conax.received().len(), 4);
    assert_eq!(health(&gateway, "/readyz").await.0, 200);
    assert!(gateway.logged("upstream answers again").await.contains("calls pause"));
}
