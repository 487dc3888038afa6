//! PostgreSQL that does not answer, though nothing is closed, and a standby that takes its place: nothing is lost, nothing is
//! sent twice, and no gateway has to be started again.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::kills::{Chance, Meant, RESTLESS, Stage, all_records, be_a_client, check, truthful_conax};
use crate::support::{Client, Cluster, Conax, Gateway, Reaction, Relay, answer_to, eventually};

/// The longest time after which a caller is told that the gateway cannot take requests now.
const PATIENCE: Duration = Duration::from_secs(25);
/// Requests of each of the clients during the failover.
const REQUESTS: u64 = 12;
const CLIENTS: u64 = 3;

#[tokio::test]
async fn while_the_server_does_not_answer_callers_are_told_and_calls_end_with_their_lease() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let database = cluster.new_database();
    let relay = Relay::start(&cluster.socket()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", relay.port, database.rsplit('/').next().unwrap());
    let conax = Conax::start(|count, request| match count {
        0 => Reaction::Hold(answer_to(request, "OK", "")),
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("store.url", url.as_str()),
        ("store.lease_s", "2"),
        ("processor.backoff_initial_s", "0.1"),
    ];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let before = client.pair("a", json!({"scheduled_date": "2099-01-01T00:00:00Z"})).await.data();
    let body = json!({"smartcard_set": [{"smartcard_ca_id": "b"}], "service_ca_id": "1", "process_immediately": true});
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { client.call("add_subscriptions", body).await.data() }
    });
    eventually(async || (conax.received().len() == 1).then_some(())).await;

    relay.block();
    let began = Instant::now();
    let refused = client.pair("c", json!({})).await;
    assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE"), "{:#}", refused.json);
    assert!(refused.headers.contains_key("retry-after") && began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    let ready = async || reqwest::get(format!("{}/readyz", gateway.url)).await.unwrap().status().as_u16();
    assert_eq!(ready().await, 503);
    let ended = "could not renew its leases in the store in time, and ended the call";
    gateway.logged(ended).await;
    // Conax answers when nobody listens any more.
    conax.release_all();

    relay.open();
    eventually(async || (ready().await == 200).then_some(())).await;
    assert_eq!(client.show(&before["number"]).await, before);
    let record = client.ended(&under_way.await.unwrap()["number"]).await;
    assert_eq!((&record["life_cycle_state"], &record["delivery"]["attempts"]), (&json!("COMPLETED"), &json!(2)));
    assert_eq!(conax.received().len(), 2, "it was in doubt, and may be sent again");
    assert_eq!(all_records(&client).await.len(), 2, "what was refused is not there");
    let number = client.pair_now("c").await["number"].clone();
    assert_eq!(client.ended(&number).await["life_cycle_state"], "COMPLETED");
}

/// The first host vanishes without a word in the middle of the work, and the second one is promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_promoted_goes_on_with_all_that_was_accepted() {
    let started = tokio::task::spawn_blocking(|| {
        let primary = Cluster::start()?;
        let standby = primary.start_standby();
        Some((primary, standby))
    });
    let Some((primary, standby)) = started.await.unwrap() else { return };
    let (primary, standby) = (Arc::new(primary), Arc::new(standby));
    let database = primary.new_database();
    let name = database.rsplit('/').next().unwrap();
    let relay = Relay::start(&primary.socket()).await;
    let second = standby.url(name);
    let second = second.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let url = format!("postgres://postgres@127.0.0.1:{},{second}:5432/{name}", relay.port);
    let (chance, stage) = (Arc::new(Chance(AtomicU64::new(rand::random::<u64>() | 1))), Arc::new(Stage::default()));
    let conax = truthful_conax(Arc::clone(&stage), Arc::clone(&chance)).await;
    let own = [("upstream.url", conax.url.as_str()), ("store.url", url.as_str()), ("store.lease_s", "3")];
    let settings: Vec<_> = own.into_iter().chain(RESTLESS).collect();
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let answered: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let mut tags = 0;
    let mut list = || {
        let mut more = || {
            tags += 1;
            Meant::new(&chance, tags)
        };
        (0..REQUESTS).map(|_| more()).collect::<Vec<_>>()
    };
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let send = |list: Vec<Meant>| {
        let access = (gateway.url.clone(), client.token.clone());
        tokio::spawn(be_a_client(http.clone(), access, (Arc::clone(&stage), Arc::clone(&answered)), list))
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| send(list())).collect();
    eventually(async || (answered.lock().unwrap().len() > 5).then_some(())).await;
    relay.block();
    let promoted = Arc::clone(&standby);
    tokio::task::spawn_blocking(move || promoted.promote()).await.unwrap();
    let mut left = Vec::new();
    for client in clients {
        left.extend(client.await.unwrap());
    }
    assert!(answered.lock().unwrap().len() < usize::try_from(CLIENTS * REQUESTS).unwrap(), "it was in the middle");
    for _ in 0..10 {
        left = send(left).await.unwrap();
    }
    assert!(left.is_empty(), "{left:?}");
    let client = Client { url: gateway.url.clone(), ..client };
    let records = eventually(async || {
        let records = all_records(&client).await;
        let is_settled =
            |r: &serde_json::Value| r["life_cycle_state"] != "PENDING" || r["delivery"]["state"] == "needs_operator";
        records.iter().all(is_settled).then_some(records)
    })
    .await;
    check(&records, &answered.lock().unwrap(), &conax.received());
}
