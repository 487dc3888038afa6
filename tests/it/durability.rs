//! The work that a killed gateway leaves behind, and that a stopped one finishes.

use serde_json::json;

use crate::support::{Client, Conax, Gateway, Reaction, eventually, ok_answer, run};

#[tokio::test]
async fn an_accepted_request_survives_sigkill() {
    let (mut gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    let mut records = Vec::new();
    for n in 0..20 {
        records.push(client.pair(&format!("{n:011}"), json!({})).await.data());
    }
    gateway.kill().await;
    gateway.start_again(&[]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    for record in records {
        assert_eq!(client.show(&record["number"]).await, record, "the token is good after a restart, too");
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (mut gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let call = tokio::spawn(async move { client.pair_now("a").await });
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let log = gateway.folder.path().join("log");
    let (code, ()) = tokio::join!(gateway.terminate(), async {
        eventually(async || std::fs::read_to_string(&log).unwrap().contains("stopping").then_some(())).await;
        conax.release();
    });
    assert_eq!(code, Some(0));
    assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn one_gateway_a_data_folder() {
    let gateway = Gateway::start(&[("store.url", "sqlite")]).await;
    let second = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &gateway.data_dir()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another conax-gateway is running here"));
}
