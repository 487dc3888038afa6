//! A disk that cannot be written, files that are gone or damaged, other names of the same files, and what is left on the
//! disk of a secret.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::support::{Client, Conax, Gateway, Reaction, WEB, answer_to, eventually, ok_answer, run};

/// Files of the process may grow to so many bytes.
fn limit_files(gateway: &Gateway, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

async fn status(client: &Client, path: &str) -> u16 {
    client.http.get(format!("{}{path}", client.url)).send().await.unwrap().status().as_u16()
}

async fn is_ready(client: &Client) -> Option<()> {
    (status(client, "/readyz").await == 200).then_some(())
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_stops_nothing_for_ever() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (gateway, client) = Gateway::start_signed_in(&[("store.url", "sqlite"), ("upstream.url", &conax.url)]).await;
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { client.pair_now("00000000001").await }
    });
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    limit_files(&gateway, Some(1));
    let began = Instant::now();
    conax.release();
    let record = under_way.await.unwrap();
    assert!(began.elapsed().as_secs() < 20, "not the 90 s that a call may take");
    assert_eq!(record["life_cycle_state"], "PENDING", "what is not on disk is told nobody: {record:#}");
    assert_eq!(client.pair("00000000002", json!({})).await.code(), "UNAVAILABLE");
    assert_eq!((status(&client, "/livez").await, status(&client, "/readyz").await), (200, 503));
    limit_files(&gateway, None);
    assert_eq!(client.ended(&record["number"]).await["life_cycle_state"], "COMPLETED");
    eventually(async || is_ready(&client).await).await;
    assert_eq!(client.pair("00000000002", json!({})).await.data()["number"], "2");
    assert_eq!(conax.received().len(), 1, "it was sent once");
}

fn database(gateway: &Gateway) -> PathBuf {
    gateway.folder.path().join("data/gateway.sqlite3")
}

#[tokio::test]
async fn what_is_written_into_files_that_are_gone_is_not_accepted() {
    let (gateway, client) = Gateway::start_signed_in(&[("store.url", "sqlite")]).await;
    let (file, aside) = (database(&gateway), gateway.folder.path().join("aside"));
    for name in ["gateway.sqlite3", "gateway.sqlite3-wal", "gateway.sqlite3-shm"] {
        let file = file.with_file_name(name);
        std::fs::rename(&file, &aside).unwrap();
        assert_eq!(client.pair("00000000001", json!({})).await.code(), "UNAVAILABLE", "{name}");
        eventually(async || (status(&client, "/readyz").await == 503).then_some(())).await;
        std::fs::write(&file, "").unwrap();
        assert_eq!(client.pair("00000000001", json!({})).await.code(), "UNAVAILABLE", "{name} replaced");
        std::fs::rename(&aside, &file).unwrap();
        client.pair("00000000001", json!({})).await.data();
        eventually(async || is_ready(&client).await).await;
    }
    gateway.logged("gateway.sqlite3-wal was removed while the gateway has it open").await;
}

#[tokio::test]
async fn another_name_of_the_folder_or_the_database_lets_no_second_gateway_in() {
    let gateway = Gateway::start(&[("store.url", "sqlite")]).await;
    let other = tempfile::tempdir().unwrap();
    let link = other.path().join("link");
    std::os::unix::fs::symlink(gateway.data_dir(), &link).unwrap();
    std::fs::hard_link(database(&gateway), other.path().join("gateway.sqlite3")).unwrap();
    // A file that says that somebody is there could be removed.
    for entry in std::fs::read_dir(gateway.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("gateway.sqlite3") {
            std::fs::remove_file(path).unwrap();
        }
    }
    for folder in [Path::new(&gateway.data_dir()), &link, other.path()] {
        let second = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &folder.display().to_string()]);
        let message = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(1), "{message}");
        assert!(message.contains("another conax-gateway is running here"), "{message}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_named_at_the_start() {
    let (mut gateway, client) =
        Gateway::start_signed_in(&[("store.url", "sqlite"), ("upstream.effective", "false")]).await;
    for card in 0..50 {
        client.pair(&format!("{card:011}"), json!({})).await.data();
    }
    assert_eq!(gateway.terminate().await, Some(0));
    let file = database(&gateway);
    let whole = std::fs::read(&file).unwrap();
    // The header; and the last page, which a start has no need of.
    for page in [0, whole.len() - 4096] {
        let mut bytes = whole.clone();
        bytes[page..page + 4096].fill(0x5A);
        std::fs::write(&file, bytes).unwrap();
        let refused = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &gateway.data_dir()]);
        let message = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{message}");
        assert!(message.contains("gateway.sqlite3") && message.contains("restore a backup"), "{message}");
    }
}

/// Is it in one of the files of the data folder?
fn is_on_disk(gateway: &Gateway, text: &str) -> bool {
    let found =
        std::fs::read_dir(gateway.data_dir()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    found.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn nothing_is_left_on_disk_of_a_pin_whose_request_has_ended() {
    let conax = Conax::start(|_, request| Reaction::Hold(answer_to(request, "OK", ""))).await;
    let (gateway, client) = Gateway::start_signed_in(&[("store.url", "sqlite"), ("upstream.url", &conax.url)]).await;
    let pins = ["73915082", "62804197", "51793086"];
    let mut calls = Vec::new();
    // The rows are of a few bytes, of a page, and of several pages.
    for (pin, cards) in pins.into_iter().zip([1, 25, 300]) {
        let cards: Vec<_> =
            (0..cards).map(|n| json!({"smartcard_ca_id": format!("{pin}{n:03}")[5..].to_owned()})).collect();
        let body = json!({"smartcard_set": cards, "ca_pin": pin, "process_immediately": true});
        let caller = client.clone();
        calls.push(tokio::spawn(async move { caller.call("update_ca_pin_to_given_value", body).await.data() }));
        eventually(async || is_on_disk(&gateway, pin).then_some(())).await;
        // Rows that are written meanwhile move these about.
        for card in 0..20 {
            client
                .post(&format!("{WEB}/get_active_subscriptions"), json!({"smartcard_ca_id": format!("x{card}")}))
                .await
                .data();
        }
    }
    conax.release_all();
    for call in calls {
        assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED");
    }
    eventually(async || (!pins.iter().any(|pin| is_on_disk(&gateway, pin))).then_some(())).await;
}

/// A holder of the key could try out PINs until the hash is the same.
#[tokio::test]
async fn no_hash_of_a_pin_outlives_its_request() {
    let conax = Conax::start(|_, request| Reaction::Hold(answer_to(request, "OK", ""))).await;
    let (gateway, client) = Gateway::start_signed_in(&[("store.url", "sqlite"), ("upstream.url", &conax.url)]).await;
    let call = async |pin: &str| {
        let cards = json!([{"smartcard_ca_id": "01450253313"}]);
        let body = json!({"smartcard_set": cards, "ca_pin": pin, "token": client.token, "process_immediately": false});
        client.post_with_key(&format!("{WEB}/update_ca_pin_to_given_value"), "k", body.to_string()).await
    };
    let record = call("4711").await.data();
    assert_eq!(call("4711").await.data()["number"], record["number"]);
    assert_eq!(call("4712").await.code(), "CONFLICT");
    let hashes = || {
        let db = rusqlite::Connection::open(database(&gateway)).unwrap();
        let count = "SELECT count(*), count(secret) FROM idempotency_key";
        db.query_row(count, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap()
    };
    assert_eq!(hashes(), (1, 1));
    conax.release_all();
    client.ended(&record["number"]).await;
    assert_eq!(hashes(), (1, 0));
    assert_eq!(call("4711").await.data()["number"], record["number"]);
}
