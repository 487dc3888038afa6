//! The machine's date is set while the gateway runs, or while it is stopped: what waits goes on as if nothing had happened.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, answer_to, eventually};

/// Builds what sets the date of a process.
pub(super) fn library(folder: &Path) -> String {
    let library = folder.join("date.so").display().to_string();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/date.c");
    let built = std::process::Command::new("cc").args(["-shared", "-fPIC", "-o", &library, source]).status().unwrap();
    assert!(built.success());
    library
}

/// A gateway whose date can be set, and what it answers first to each card.
struct Stage {
    gateway: Gateway,
    client: Client,
    conax: Conax,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(first_answer: &'static str, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conax = Conax::start(move |n, request| match n {
            0 => Reaction::Write(format!("HTTP/1.1 {first_answer}\r\nContent-Length: 0\r\n\r\n").into()),
            _ => Reaction::Write(answer_to(request, "OK", "")),
        })
        .await;
        let environment = [
            ("LD_PRELOAD".to_owned(), library(folder.path())),
            ("DATE_STEP".to_owned(), folder.path().join("step").display().to_string()),
        ];
        // With PostgreSQL the date of the machine does not matter.
        let settings = [&[("upstream.url", conax.url.as_str()), ("store.url", "sqlite")], more].concat();
        let gateway = Gateway::start_with(&settings, &environment).await;
        let client = Client::sign_in(&gateway.url).await;
        Self { gateway, client, conax, folder }
    }

    fn set_date(&self, seconds: i64) {
        // In one step: a file that is being written is empty for a moment.
        let new = self.folder.path().join("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, self.folder.path().join("step")).unwrap();
    }

    async fn add(&self, card: &str, more: Value) -> Value {
        let mut body = json!({"smartcard_set": [{"smartcard_ca_id": card}], "service_ca_id": "1"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.client.call("add_subscriptions", body).await.data()
    }
}

fn in_minutes(minutes: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::minutes(minutes)).format("%Y-%m-%dT%H:%M:%S").to_string()
}

#[tokio::test]
async fn set_back_an_hour_it_stops_nothing_and_schedules_nothing_anew() {
    for (first_answer, is_stopped) in [("503 Busy", false), ("502 Cut", false), ("503 Busy", true)] {
        let mut stage = Stage::new(first_answer, &[]).await;
        let retried = stage.add("a", json!({"process_immediately": true})).await;
        assert_eq!(retried["life_cycle_state"], "PENDING", "{retried:#}");
        let behind = stage.add("a", json!({})).await;
        let scheduled = stage.add("b", json!({"scheduled_date": in_minutes(30)})).await;
        if is_stopped {
            stage.gateway.kill().await;
        }
        stage.set_date(-3600);
        if is_stopped {
            stage.gateway.start_again(&[]).await;
            stage.client = Client { url: stage.gateway.url.clone(), ..stage.client };
        }
        for record in [&retried, &behind] {
            assert_eq!(stage.client.ended(&record["number"]).await["life_cycle_state"], "COMPLETED");
        }
        let after = stage.add("a", json!({"process_immediately": true})).await;
        assert_eq!(after["life_cycle_state"], "COMPLETED", "{after:#}");
        let waiting = stage.client.show(&scheduled["number"]).await;
        let seen =
            [&waiting["life_cycle_state"], &waiting["scheduled_date"], &waiting["delivery"]["next_attempt_date"]];
        assert_eq!(seen, [&json!("PENDING"), &scheduled["scheduled_date"], &Value::Null]);
        assert_eq!(stage.conax.received().len(), 4);
    }
}

#[tokio::test]
async fn set_forward_an_hour_it_shortens_no_pause_and_gives_up_no_doubt() {
    let stage = Stage::new("503 Busy\r\nRetry-After: 1800", &[]).await;
    let retried = stage.add("a", json!({"process_immediately": true})).await;
    let scheduled = stage.add("b", json!({"scheduled_date": in_minutes(30)})).await;
    stage.set_date(3600);
    let next = |record: &Value| {
        let date = record["delivery"]["next_attempt_date"].as_str().unwrap();
        chrono::NaiveDateTime::parse_from_str(date, "%Y-%m-%dT%H:%M:%S").unwrap()
    };
    let carried = eventually(async || {
        let record = stage.client.show(&retried["number"]).await;
        (next(&record) != next(&retried)).then_some(record)
    })
    .await;
    let by = (next(&carried) - next(&retried)).as_seconds_f64();
    assert!((by - 3600.0).abs() <= 1.0, "{by}");
    let ended = stage.client.ended(&scheduled["number"]).await;
    assert_eq!(ended["life_cycle_state"], "COMPLETED", "its date has come");

    let stage = Stage::new("502 Cut", &[("processor.backoff_initial_s", "300")]).await;
    let doubtful = stage.add("a", json!({"process_immediately": true})).await;
    stage.set_date(3600);
    let carried = eventually(async || {
        let record = stage.client.show(&doubtful["number"]).await;
        (next(&record) != next(&doubtful)).then_some(record)
    })
    .await;
    assert_eq!(carried["delivery"]["state"], "resolving");
}
