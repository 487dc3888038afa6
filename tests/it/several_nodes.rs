//! Several gateways on one PostgreSQL: they keep the order of a card and the limits of callers together, one takes over from
//! another that was killed, an outage of the server ends by itself, and the dates of the machines do not matter.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::kills::{
    Chance, Meant, RESTLESS, Stage, all_records, be_a_client, check, coalescing_contract, truthful_conax,
};
use crate::support::{
    BIN, Client, Cluster, Conax, Gateway, PASSWORD, Pooler, Reaction, Relay, USER, WEB, answer_to, eventually,
    ok_answer, operation_of, run_in, values_of,
};

/// Kills of the short run, and gateways in it.
const KILLS: u64 = 6;
const NODES: usize = 3;
/// Rounds without a kill, at most, until all is answered.
const MOST_LATER: u64 = 10;
/// Clients at the same time, and requests that each one has to make between two kills.
const CLIENTS: u64 = 4;
const REQUESTS: u64 = 3;

/// Gateways on one new database.
async fn start_nodes(cluster: &Cluster, count: usize, settings: &[(&str, &str)]) -> (Vec<Gateway>, Client) {
    let database = cluster.new_database();
    let settings: Vec<_> = settings.iter().copied().chain([("store.url", database.as_str())]).collect();
    // At the same time: each of them finds an empty database.
    let nodes = futures_util::future::join_all((0..count).map(|_| Gateway::start(&settings))).await;
    let client = Client::sign_in(&nodes[0].url).await;
    (nodes, client)
}

fn at(node: &Gateway, client: &Client) -> Client {
    Client { url: node.url.clone(), ..client.clone() }
}

async fn shared_cluster() -> Option<Arc<Cluster>> {
    tokio::task::spawn_blocking(Cluster::shared).await.unwrap()
}

#[tokio::test]
async fn two_gateways_share_tokens_keys_and_the_order_of_a_card() {
    let Some(cluster) = shared_cluster().await else { return };
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    // Nobody looks by himself within the time of the test.
    let settings = [("upstream.url", conax.url.as_str()), ("processor.poll_s", "600"), ("store.lease_s", "600")];
    let (nodes, first) = start_nodes(&cluster, 2, &settings).await;
    let second = at(&nodes[1], &first);
    let now = json!({"process_immediately": true});
    let [one, other] = [first.clone(), second.clone()].map(|client| {
        let now = now.clone();
        async move { client.pair("a", now).await.data() }
    });
    let one = tokio::spawn(one);
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let other = tokio::spawn(other);
    let accepted = eventually(async || {
        let list = second.get(&format!("{WEB}/list?life_cycle_state=PENDING")).await.data();
        (list.as_array()?.len() == 2).then_some(list)
    });
    assert_eq!(accepted.await[1]["sequence_number"], 2);
    conax.release_all();
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert_eq!([&one["life_cycle_state"], &other["life_cycle_state"]], ["COMPLETED", "COMPLETED"]);
    assert_eq!(conax.received().len(), 2);
    assert_eq!(first.show(&other["number"]).await, other, "it is the same record at both");

    let body =
        json!({"smartcard_set": [{"smartcard_ca_id": "b"}], "stb_set": [{"stb_ca_id": "s"}], "token": first.token});
    let path = format!("{WEB}/create_pairing");
    let [at_one, at_other] = [&first, &second].map(|client| client.post_with_key(&path, "k", body.to_string()));
    let (at_one, at_other) = tokio::join!(at_one, at_other);
    assert_eq!(at_one.data()["number"], at_other.data()["number"], "a key gives one record");
}

#[tokio::test]
async fn what_a_killed_gateway_had_sent_is_in_doubt_at_the_other_one() {
    let Some(cluster) = shared_cluster().await else { return };
    let conax = Conax::start(|count, request| match count {
        0..2 => Reaction::Hold(ok_answer("1")),
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let settings =
        [("upstream.url", conax.url.as_str()), ("store.lease_s", "1"), ("processor.backoff_initial_s", "0.1")];
    let (mut nodes, client) = start_nodes(&cluster, 2, &settings).await;
    let now = |card: &str| json!({"smartcard_set": [{"smartcard_ca_id": card}], "process_immediately": true});
    let mut bodies = [now("safe"), now("never")];
    bodies[0]["service_ca_id"] = "1".into();
    bodies[1]["message"] = "m".into();
    for (method, body) in ["add_subscriptions", "send_mail_message_to_client"].into_iter().zip(bodies) {
        let sent = conax.received().len();
        let call = client.http.post(client.address(&format!("{WEB}/{method}"))).bearer_auth(&client.token);
        // Never answered: its gateway is killed.
        tokio::spawn(call.header("content-type", "application/json").body(body.to_string()).send());
        eventually(async || (conax.received().len() > sent).then_some(())).await;
    }
    nodes[0].kill().await;
    let other = at(&nodes[1], &client);
    let records = eventually(async || {
        let records = all_records(&other).await;
        let is_settled =
            |record: &Value| record["life_cycle_state"] != "PENDING" || record["delivery"]["state"] == "needs_operator";
        (records.len() == 2 && records.iter().all(is_settled)).then_some(records)
    })
    .await;
    let of = |card: &str| {
        records.iter().find(|r| r["smartcard_set"][0]["smartcard_ca_id"] == card || r.to_string().contains(card))
    };
    assert_eq!(of("ADD_SUBSCRIPTIONS").unwrap()["life_cycle_state"], "COMPLETED");
    assert_eq!(of("SEND_MAIL_MESSAGE_TO_CLIENT").unwrap()["error_code"], "OUTCOME_UNKNOWN");
    let sent: Vec<_> = conax.received().iter().map(|request| operation_of(request).0).collect();
    assert_eq!(sent.len(), 3, "what must not be sent twice is not: {sent:?}");
    assert_eq!(values_of(&conax.received()[2], "CaClientId"), ["safe"]);
}

#[tokio::test]
async fn an_outage_is_answered_503_and_ends_by_itself() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    let cluster = Arc::new(cluster);
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (nodes, client) = start_nodes(&cluster, 1, &[("upstream.url", conax.url.as_str())]).await;
    let before = client.pair("a", json!({"scheduled_date": "2099-01-01T00:00:00Z"})).await.data();
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { client.pair_now("b").await }
    });
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let stopping = Arc::clone(&cluster);
    tokio::task::spawn_blocking(move || stopping.stop_at_once()).await.unwrap();
    let refused = client.pair("c", json!({})).await;
    assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE"), "{:#}", refused.json);
    assert!(refused.headers.contains_key("retry-after"));
    let ready = async || reqwest::get(format!("{}/readyz", nodes[0].url)).await.unwrap().status().as_u16();
    assert_eq!(ready().await, 503);
    // Conax answers meanwhile: that must not be lost.
    conax.release_all();
    let starting = Arc::clone(&cluster);
    tokio::task::spawn_blocking(move || starting.start_server()).await.unwrap();
    eventually(async || (ready().await == 200).then_some(())).await;
    assert_eq!(client.show(&before["number"]).await, before);
    let number = under_way.await.unwrap()["number"].clone();
    let done = eventually(async || {
        let record = client.show(&number).await;
        (record["life_cycle_state"] == "COMPLETED").then_some(record)
    });
    done.await;
    assert_eq!(conax.received().len(), 1, "nothing is sent twice");
    assert_eq!(client.pair_now("c").await["life_cycle_state"], "COMPLETED");
}

/// Guesses count wherever they are made.
#[tokio::test]
async fn whoever_guesses_at_one_gateway_has_to_pause_at_the_other() {
    let Some(cluster) = shared_cluster().await else { return };
    let (nodes, client) = start_nodes(&cluster, 2, &[]).await;
    let nodes = [at(&nodes[0], &client), at(&nodes[1], &client)];
    let sign_in = async |node: usize, password: &str| {
        let body = json!({"username": "guessed", "password": password, "organisation": "demo"});
        nodes[node].post_raw("authentication/token", body.to_string()).await.status
    };
    for attempt in 0..5 {
        assert_eq!(sign_in(attempt % 2, "a guess").await, 401);
    }
    assert_eq!([sign_in(0, "a guess").await, sign_in(1, "a guess").await], [429, 429]);
    let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo"});
    let known = nodes[1].post_raw("authentication/token", body.to_string()).await;
    assert_eq!(known.status, 200, "the others are not held up");
}

/// A user who calls both gateways gets more than one would give him, until they have told each other: then he pays it off. One
/// gateway alone never refuses for longer than the second of a request.
#[tokio::test]
async fn the_limit_of_a_user_holds_for_all_gateways_together() {
    let Some(cluster) = shared_cluster().await else { return };
    let (nodes, client) = start_nodes(&cluster, 2, &[("server.user_requests_per_s", "1")]).await;
    let list = async |node: &Gateway| at(node, &client).get(&format!("{WEB}/list?type=CREATE_PAIRING")).await;
    let seconds_to_wait = async |node: &Gateway| {
        let answer = list(node).await;
        assert!(matches!(answer.status, 200 | 429), "{}", answer.status);
        answer.headers.get("retry-after").map_or(0, |seconds| seconds.to_str().unwrap().parse().unwrap())
    };
    eventually(async || {
        let waits: [u64; 2] = [seconds_to_wait(&nodes[0]).await, seconds_to_wait(&nodes[1]).await];
        waits.iter().any(|seconds| *seconds > 1).then_some(())
    })
    .await;
    for node in &nodes {
        eventually(async || (list(node).await.status == 200).then_some(())).await;
    }
}

/// The machines' clocks are ten minutes ahead and ten minutes behind.
#[tokio::test]
async fn the_dates_of_the_machines_do_not_matter() {
    let Some(cluster) = shared_cluster().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (library, database) = (crate::date::library(folder.path()), cluster.new_database());
    let conax = Conax::start(|count, request| match count {
        0 => Reaction::Hold(answer_to(request, "OK", "")),
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("store.url", database.as_str()),
        ("store.lease_s", "2"),
        ("processor.backoff_initial_s", "0.1"),
        ("auth.token_ttl_s", "600"),
    ];
    let start = async |name: &str, seconds: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, seconds).unwrap();
        let environment =
            [("LD_PRELOAD".to_owned(), library.clone()), ("DATE_STEP".to_owned(), file.display().to_string())];
        Gateway::start_with(&settings, &environment).await
    };
    let (mut ahead, behind) = (start("ahead", "600").await, start("behind", "-600").await);
    // A token is good for as long as it is at the gateway that issued it.
    let at_behind = Client::sign_in(&behind.url).await;
    let at_ahead = at(&ahead, &at_behind);
    let in_two_seconds = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let body = |card: &str| json!({"smartcard_set": [{"smartcard_ca_id": card}], "service_ca_id": "1"});
    let mut held = body("held");
    held["process_immediately"] = true.into();
    let call = at_ahead.http.post(at_ahead.address(&format!("{WEB}/add_subscriptions"))).bearer_auth(&at_ahead.token);
    tokio::spawn(call.header("content-type", "application/json").body(held.to_string()).send());
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let mut scheduled = Vec::new();
    for client in [&at_ahead, &at_behind] {
        let mut body = body("scheduled");
        body["scheduled_date"] = in_two_seconds.as_str().into();
        scheduled.push(client.call("add_subscriptions", body).await.data());
    }
    assert!(scheduled.iter().all(|record| record["life_cycle_state"] == "PENDING"));
    let mut queued = Vec::new();
    for client in [&at_ahead, &at_behind, &at_ahead, &at_behind] {
        queued.push(client.call("add_subscriptions", body("queued")).await.data());
    }
    for record in scheduled.iter().chain(&queued) {
        let ended = at_behind.ended(&record["number"]).await;
        assert_eq!((&ended["life_cycle_state"], &ended["delivery"]["attempts"]), (&json!("COMPLETED"), &json!(1)));
        let due = record["scheduled_date"].as_str().unwrap();
        assert!(ended["executed_date"].as_str().unwrap() >= due, "{ended:#}");
    }
    let of = |card: &str| {
        let received = conax.received();
        received.iter().filter(|request| values_of(request, "CaClientId") == [card]).count()
    };
    assert_eq!([of("held"), of("scheduled"), of("queued")], [1, 2, 4]);
    ahead.kill().await;
    let held = eventually(async || {
        let records = all_records(&at_behind).await;
        records.into_iter().find(|r| r["number"] == "1" && r["life_cycle_state"] == "COMPLETED")
    });
    assert_eq!(held.await["delivery"]["attempts"], 2, "taken over, and resolved");
    assert_eq!(of("held"), 2);
}

/// PgBouncer in transaction mode, with fewer sessions than there are connections.
#[tokio::test]
async fn gateways_work_through_a_pooler_that_changes_the_session_with_each_transaction() {
    let Some(cluster) = shared_cluster().await else { return };
    let started = tokio::task::spawn_blocking({
        let cluster = Arc::clone(&cluster);
        move || Pooler::start(&cluster)
    });
    let Some(pooler) = started.await.unwrap() else { return };
    let conax = Conax::start(|_, request| Reaction::Write(answer_to(request, "OK", ""))).await;
    let database = cluster.new_database();
    let url = pooler.url(database.rsplit('/').next().unwrap());
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("store.url", url.as_str()),
        ("store.transaction_pooling", "true"),
        ("processor.poll_s", "0.1"),
    ];
    let nodes = futures_util::future::join_all((0..2).map(|_| Gateway::start(&settings))).await;
    let client = Client::sign_in(&nodes[0].url).await;
    let calls = (0..60).map(|index: usize| {
        let client = at(&nodes[index % 2], &client);
        let body = json!({"smartcard_set": [{"smartcard_ca_id": format!("card-{}", index % 7)}],
            "service_ca_id": format!("{}", 1000 + index), "process_immediately": index.is_multiple_of(3)});
        async move { client.call("add_subscriptions", body).await.data()["number"].clone() }
    });
    let numbers = futures_util::future::join_all(calls).await;
    for number in &numbers {
        assert_eq!(client.ended(number).await["life_cycle_state"], "COMPLETED");
    }
    assert_eq!(conax.received().len(), 60);
    let records = all_records(&client).await;
    for card in 0..7 {
        let received = conax.received();
        let of_card = received.iter().filter(|request| values_of(request, "CaClientId") == [format!("card-{card}")]);
        let sent: Vec<_> = of_card.map(|request| request.body.clone()).collect();
        let mut accepted: Vec<_> = records
            .iter()
            .map(|record| (record["sequence_number"].as_i64(), record["request"].as_str().unwrap().to_owned()))
            .filter(|(_, body)| body.contains(&format!(">card-{card}<")))
            .collect();
        accepted.sort();
        assert_eq!(sent, accepted.into_iter().map(|(_, body)| body).collect::<Vec<_>>(), "in the order of the card");
    }
    let variables = [("CONAX_GATEWAY_STORE_URL", url.as_str()), ("CONAX_GATEWAY_STORE_TRANSACTION_POOLING", "true")];
    let listed = run_in(nodes[0].folder.path(), &["requests", "list"], &variables);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(nodes.iter().all(|node| !node.log().contains("ERROR")), "{}", nodes[0].log());
}

#[tokio::test]
async fn commands_work_on_postgresql_and_a_backup_is_for_pg_dump() {
    let Some(cluster) = shared_cluster().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.new_database();
    let run = |args: &[&str]| {
        let output = run_in(folder.path(), args, &[("CONAX_GATEWAY_STORE_URL", &url)]);
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = run(&["user", "list"]);
    assert!(code == Some(1) && said.contains("there is no database"), "{said}");
    assert!(run(&["store", "migrate"]).1.contains("the tables are made"));
    assert!(run(&["store", "migrate"]).1.contains("already"));
    assert_eq!(run(&["user", "list"]).0, Some(0));
    for command in [["backup", "b"], ["restore", "b"]] {
        let (code, said) = run(&command);
        assert!(code == Some(1) && said.contains("pg_"), "{said}");
    }
    assert_eq!(run(&["config", "check"]).0, Some(0));
    let name = url.rsplit('/').next().unwrap();
    let next_version =
        || cluster.psql(name, "UPDATE store_version SET version = version + 1 RETURNING version").unwrap();
    next_version();
    assert_eq!(run(&["config", "check"]).0, Some(0), "the next version's tables, while the nodes are upgraded");
    let version = next_version();
    let (code, said) = run(&["config", "check"]);
    assert!(code == Some(1) && said.contains(&format!("of version {version}")), "{said}");
}

#[tokio::test]
async fn a_store_is_copied_to_postgresql_and_back() {
    let Some(cluster) = shared_cluster().await else { return };
    let conax = Conax::start(|_, _| Reaction::Write(ok_answer("1"))).await;
    let database = cluster.new_database();
    let folder = tempfile::tempdir().unwrap();
    let on = |url: &str| [("upstream.url", conax.url.clone()), ("store.url", url.to_owned())];
    let start = async |url: &str| {
        let settings = on(url);
        Gateway::start(&settings.each_ref().map(|(key, value)| (*key, value.as_str()))).await
    };
    let [first, last] = ["first", "last"].map(|name| format!("sqlite:{}", folder.path().join(name).display()));
    let mut gateway = start(&first).await;
    let client = Client::sign_in(&gateway.url).await;
    for card in ["a", "a", "b"] {
        client.pair_now(card).await;
    }
    client.pair("c", json!({"scheduled_date": "2099-01-01T00:00:00Z"})).await.data();
    let records = all_records(&client).await;
    let copy = |more: &[&str]| {
        let args: Vec<_> = ["store", "copy"].iter().chain(more).copied().collect();
        let output = run_in(folder.path(), &args, &[]);
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = copy(&[&first, &database]);
    assert!(code == Some(1) && said.contains("another conax-gateway is running here"), "{said}");
    gateway.terminate().await;
    let (code, said) = copy(&[&first, &database]);
    assert!(code == Some(0) && said.contains("request: 4 of 4"), "{said}");
    let (code, said) = copy(&[&first, &database]);
    assert!(code == Some(1) && said.contains("--resume"), "{said}");
    // As if it had been interrupted.
    let name = database.rsplit('/').next().unwrap();
    cluster.psql(name, "DELETE FROM attempt WHERE number > 1; DELETE FROM request_device WHERE kind = 'stb'").unwrap();
    assert_eq!(copy(&[&first, &database, "--resume"]).0, Some(0));

    let mut gateway = start(&database).await;
    let on_postgres = Client { url: gateway.url.clone(), ..client.clone() };
    assert_eq!(all_records(&on_postgres).await, records, "the token is good there, too");
    let next = on_postgres.pair_now("a").await;
    assert_eq!((&next["sequence_number"], &next["number"]), (&json!(3), &json!("5")));
    let (code, said) = copy(&[&database, &last]);
    assert!(code == Some(1) && said.contains("a gateway works with it"), "{said}");
    gateway.kill().await;
    cluster.psql(name, "UPDATE node SET lease_ms = 0").unwrap();
    assert_eq!(copy(&[&database, &last]).0, Some(0));
    let gateway = start(&last).await;
    let back = Client { url: gateway.url.clone(), ..client };
    let listed = all_records(&back).await;
    assert_eq!(listed.len(), 5);
    assert!(records.iter().all(|record| listed.contains(record)));
    assert_eq!(back.pair_now("a").await["sequence_number"], 4);
}

/// `NODE_KILLS=200` makes it as many kills; `SEED` repeats a run; every other start is of the version whose binary
/// `OTHER_BIN` names, as in an upgrade.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_sent_twice_when_gateways_server_and_network_fail() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    let cluster = Arc::new(cluster);
    let kills = std::env::var("NODE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = std::env::var("SEED").map_or_else(|_| rand::random::<u64>() | 1, |seed| seed.parse().unwrap());
    println!("SEED={seed} NODE_KILLS={kills}");
    let (chance, stage) = (Arc::new(Chance(AtomicU64::new(seed))), Arc::new(Stage::default()));
    let conax = truthful_conax(Arc::clone(&stage), Arc::clone(&chance)).await;
    let contract = coalescing_contract();
    let dir = contract.path().display().to_string();
    // Few slots, so that requests are due together.
    let joint = [("contract.dir", dir.as_str()), ("upstream.max_concurrency", "1")];
    // A binary of another version has a contract of its own.
    let joint = joint.into_iter().filter(|_| std::env::var("OTHER_BIN").is_err());
    let own = [("upstream.url", conax.url.as_str()), ("store.lease_s", "2")];
    let settings: Vec<_> = own.into_iter().chain(RESTLESS).chain(joint).collect();
    let database = cluster.new_database();
    let relay = Relay::start(&cluster.socket()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", relay.port, database.rsplit('/').next().unwrap());
    let settings: Vec<_> = settings.into_iter().chain([("store.url", url.as_str())]).collect();
    let mut nodes = futures_util::future::join_all((0..NODES).map(|_| Gateway::start(&settings))).await;
    let client = Client::sign_in(&nodes[0].url).await;
    let answered: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let (mut left, mut tags, mut server_kills, mut cuts) = (Vec::new(), 0, 0, 0);
    for round in 0.. {
        if round > kills && left.is_empty() {
            break;
        }
        assert!(round < kills + MOST_LATER, "what is not answered without kills: {left:?}");
        if round > kills {
            // Whoever is refused while a server starts would come again too soon.
            for node in &nodes {
                let url = format!("{}/readyz", node.url);
                eventually(async || reqwest::get(&url).await.is_ok_and(|ready| ready.status() == 200).then_some(()))
                    .await;
            }
        }
        let mut lists: Vec<Vec<Meant>> = vec![Vec::new(); usize::try_from(CLIENTS).unwrap()];
        for (index, request) in std::mem::take(&mut left).into_iter().enumerate() {
            let list = index % lists.len();
            lists[list].push(request);
        }
        for list in &mut lists {
            while round <= kills && list.len() < usize::try_from(REQUESTS).unwrap() {
                tags += 1;
                list.push(Meant::new(&chance, tags));
            }
        }
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let clients: Vec<_> = lists
            .into_iter()
            .enumerate()
            .map(|(index, list)| {
                let access = (nodes[index % NODES].url.clone(), client.token.clone());
                let shared = (Arc::clone(&stage), Arc::clone(&answered));
                tokio::spawn(be_a_client(http.clone(), access, shared, list))
            })
            .collect();
        let (victim, hits) = (usize::try_from(chance.below(3)).unwrap(), chance.below(8));
        let (hits_server, hits_network) = (hits < 2, hits == 2 || hits == 3);
        if round < kills {
            tokio::time::sleep(Duration::from_millis(chance.below(80))).await;
            if hits_server {
                server_kills += 1;
                let cluster = Arc::clone(&cluster);
                let restarted = tokio::task::spawn_blocking(move || {
                    cluster.stop_at_once();
                    cluster.start_server();
                });
                restarted.await.unwrap();
            } else if hits_network {
                cuts += 1;
                relay.block();
                tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
                if hits == 2 {
                    relay.cut();
                }
                relay.open();
            } else {
                nodes[victim].kill().await;
            }
        }
        for client in clients {
            left.extend(client.await.unwrap());
        }
        if round < kills && !hits_server && !hits_network {
            let other = std::env::var("OTHER_BIN").unwrap_or_else(|_| BIN.to_owned());
            nodes[victim].start_again_as(if round % 2 == 0 { &other } else { BIN }).await;
        }
    }
    let client = at(&nodes[0], &client);
    let records = eventually(async || {
        let records = all_records(&client).await;
        let is_settled = |r: &Value| r["life_cycle_state"] != "PENDING" || r["delivery"]["state"] == "needs_operator";
        records.iter().all(is_settled).then_some(records)
    })
    .await;
    println!("{server_kills} of the kills hit the server, and {cuts} the network");
    check(&records, &answered.lock().unwrap(), &conax.received());
}
