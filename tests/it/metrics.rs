//! `/metrics`: what happens is counted under names and labels that the dashboard and the alerts know.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::{Authority, Conax, Gateway, Reaction, WEB, answer_to, eventually, ok_answer};

/// A sample by name and labels, as it is written.
fn value(page: &str, sample: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

async fn get(url: String) -> reqwest::Response {
    conax_gateway::tls::install_provider();
    reqwest::get(url).await.unwrap()
}

async fn page(url: &str) -> String {
    get(format!("{url}/metrics")).await.text().await.unwrap()
}

/// Waits for a page with all of these samples: a page is given again for a second.
async fn expect(url: &str, samples: &[(&str, f64)]) -> String {
    eventually(async || {
        let page = page(url).await;
        let is_there = |(sample, expected): &(&str, f64)| value(&page, sample) == Some(*expected);
        samples.iter().all(is_there).then_some(page)
    })
    .await
}

#[tokio::test]
async fn requests_attempts_calls_and_queues_are_counted() {
    let conax = Conax::start(|_, request| match request.body.contains("08000000001") {
        true => Reaction::Keep(ok_answer("1")),
        false if request.body.contains("08000000002") => Reaction::Keep(answer_to(request, "CLIENT_NOT_FOUND", "")),
        false if request.body.contains("08000000003") => Reaction::Keep(answer_to(request, "NEW_IN_THIS_RELEASE", "")),
        false => Reaction::Close,
    })
    .await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    for card in ["08000000001", "08000000002", "08000000003"] {
        client.pair_now(card).await;
    }
    let message =
        json!({"process_immediately": true, "message": "hello", "smartcard_set": [{"smartcard_ca_id": "08000000004"}]});
    client.call("send_mail_message_to_client", message).await.data();
    client.pair("08000000005", json!({"scheduled_date": "2999-01-01T00:00:00", "priority": "EXPRESS"})).await.data();
    client.get("nothing/of/this").await.assert_error(404, "METHOD_NOT_FOUND", "");
    let soap = format!("{}/ca-server/webservices/caclient/pairing", gateway.url);
    client.http.post(soap).body("<e>08000000001</e>").send().await.unwrap();

    let pairing = r#"family="conax_web_services",type="CREATE_PAIRING""#;
    let breaker = format!(
        "conax_gateway_upstream_breaker_state{{provider=\"main\",base_url=\"{}\",state=\"closed\"}}",
        conax.url
    );
    expect(
        &gateway.url,
        &[
            (&format!("conax_gateway_requests_accepted_total{{{pairing},priority=\"REGULAR\"}}"), 3.0),
            (&format!("conax_gateway_requests_accepted_total{{{pairing},priority=\"EXPRESS\"}}"), 1.0),
            (&format!("conax_gateway_requests_ended_total{{{pairing},state=\"COMPLETED\",reason=\"\"}}"), 1.0),
            (&format!("conax_gateway_requests_ended_total{{{pairing},state=\"REJECTED\",reason=\"CLIENT_NOT_FOUND\"}}"), 1.0),
            // Codes that upstream makes up share the value "other".
            (&format!("conax_gateway_requests_ended_total{{{pairing},state=\"REJECTED\",reason=\"other\"}}"), 1.0),
            (r#"conax_gateway_attempts_total{type="CREATE_PAIRING",classification="rejected"}"#, 2.0),
            (r#"conax_gateway_attempts_total{type="SEND_MAIL_MESSAGE_TO_CLIENT",classification="no_answer"}"#, 1.0),
            (r#"conax_gateway_upstream_call_duration_seconds_count{result="answered"}"#, 3.0),
            (r#"conax_gateway_queue_wait_seconds_count{priority="REGULAR"}"#, 4.0),
            (r#"conax_gateway_api_requests_total{method="conax_web_services/provisioning_requests/create_pairing",code="OK"}"#, 4.0),
            (r#"conax_gateway_api_requests_total{method="other",code="METHOD_NOT_FOUND"}"#, 1.0),
            (r#"conax_gateway_pass_through_requests_total{status="200"}"#, 1.0),
            (r#"conax_gateway_requests_waiting{priority="EXPRESS",state="scheduled"}"#, 1.0),
            (r#"conax_gateway_requests_waiting{priority="EXPRESS",state="due"}"#, 0.0),
            (r#"conax_gateway_requests_in_doubt{stage="needs_operator"}"#, 1.0),
            (r#"conax_gateway_requests_under_way{provider="main"}"#, 0.0),
            ("conax_gateway_store_readable", 1.0),
            (&breaker, 1.0),
        ],
    )
    .await;
}

/// A request that nothing takes is late, and the base URL is paused.
#[tokio::test]
async fn what_is_under_way_or_late_shows() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    client.pair("08000000001", json!({})).await.data();
    client.pair("08000000001", json!({})).await.data();
    expect(
        &gateway.url,
        &[(r#"conax_gateway_requests_under_way{provider="main"}"#, 1.0), ("conax_gateway_requests_blocked", 1.0)],
    )
    .await;
    conax.release_all();

    let (gateway, client) = Gateway::start_signed_in(&[
        ("upstream.url", "http://127.0.0.1:1"),
        ("upstream.breaker_failures", "1"),
        ("processor.max_attempts", "1000"),
        ("processor.backoff_initial_s", "0.01"),
    ])
    .await;
    client.pair("08000000001", json!({})).await.data();
    let open = r#"conax_gateway_upstream_breaker_state{provider="main",base_url="http://127.0.0.1:1",state="open"}"#;
    let page = expect(&gateway.url, &[(open, 1.0)]).await;
    let attempts = r#"conax_gateway_attempts_total{type="CREATE_PAIRING",classification="not_sent"}"#;
    assert!(value(&page, attempts) >= Some(1.0), "{page}");
}

/// The system's figures of the process have their usual names; and the disk is that of the database.
#[tokio::test]
async fn the_process_is_measured() {
    let gateway = Gateway::start(&[("store.url", "sqlite")]).await;
    let page = page(&gateway.url).await;
    let read = |name: &str| value(&page, name).unwrap_or_else(|| panic!("{name}: {page}"));
    let left = std::process::Command::new("df").args(["-B1", "--output=avail", &gateway.data_dir()]).output().unwrap();
    let left: f64 = String::from_utf8(left.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap();
    assert!((0.8..1.25).contains(&(read("conax_gateway_store_available_bytes") / left)), "{left}");
    let started =
        std::process::Command::new("ps").args(["-o", "etimes=,rss=", "-p", &gateway.pid().to_string()]).output();
    let started = String::from_utf8(started.unwrap().stdout).unwrap();
    let (age, resident) = started.trim().split_once(char::is_whitespace).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age_told = now - read("process_start_time_seconds");
    assert!((age_told - age.parse::<f64>().unwrap()).abs() < 3.0, "{age_told} {age}");
    let resident = resident.trim().parse::<f64>().unwrap() * 1024.0;
    assert!((0.8..1.25).contains(&(read("process_resident_memory_bytes") / resident)), "{resident}");
    assert!(read("process_virtual_memory_bytes") > resident);
    assert!((0.01..60.0).contains(&read("process_cpu_seconds_total")));
    assert!((5.0..200.0).contains(&read("process_open_fds")) && read("process_max_fds") > 200.0);
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own_or_none() {
    let own = Gateway::start(&[("metrics.listen", "127.0.0.1:0")]).await;
    let log = own.logged("/metrics").await;
    let address = log.split_once("metrics at ").unwrap().1.split_once("/metrics").unwrap().0.to_owned();
    assert!(page(&address).await.contains("conax_gateway_build_info{"));
    let status = async |url: String| get(url).await.status().as_u16();
    assert_eq!(status(format!("{address}/livez")).await, 200);
    assert_eq!(status(format!("{address}/readyz")).await, 200);
    // Nothing else is there: nobody signs in at an address that is meant for machines.
    assert_eq!(status(format!("{address}/crmapi/rest/v2/{WEB}/list")).await, 404);
    assert_eq!(status(format!("{}/metrics", own.url)).await, 404);

    let off = Gateway::start(&[("metrics.listen", "off")]).await;
    assert_eq!(status(format!("{}/metrics", off.url)).await, 404);
}

/// Alerts and dashboard ask for what there is.
#[tokio::test]
async fn alerts_and_dashboard_name_metrics_that_exist() {
    let conax = Conax::start(|_, request| Reaction::Keep(answer_to(request, "OK", ""))).await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new("a").issue("client").write(folder.path(), "client");
    let settings = [
        // The size of the write-ahead log is SQLite's.
        ("store.url", "sqlite"),
        ("upstream.url", conax.url.as_str()),
        ("upstream.client_certificate", certificate.to_str().unwrap()),
        ("upstream.client_key", key.to_str().unwrap()),
    ];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    client.pair_now("08000000001").await;
    client.get(&format!("{WEB}/show")).await;
    let soap = format!("{}/ca-server/webservices/caclient/pairing", gateway.url);
    client.http.post(soap).body("<e/>").send().await.unwrap();
    let page = expect(&gateway.url, &[("conax_gateway_pass_through_request_duration_seconds_count", 1.0)]).await;
    let there: BTreeSet<&str> = page.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    for file in ["packaging/prometheus/alerts.yml", "packaging/grafana/conax-gateway.json"] {
        let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let named: BTreeSet<&str> =
            text.split(|c| !is_part(c)).filter(|word| word.starts_with("conax_gateway_")).collect();
        assert!(named.len() > 8, "{file}");
        for name in named {
            assert!(there.contains(name), "{file}: {name}");
        }
    }
    let dashboard =
        std::fs::read_to_string(format!("{}/packaging/grafana/conax-gateway.json", env!("CARGO_MANIFEST_DIR")));
    assert!(serde_json::from_str::<Value>(&dashboard.unwrap()).is_ok());
}

#[test]
fn every_alert_is_explained_and_tested() {
    let read = |file: &str| std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (alerts, document) = (read("packaging/prometheus/alerts.yml"), read("docs/operating.md"));
    let named: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let explained = document.lines().filter_map(|line| line.strip_prefix("| `ConaxGateway")?.split('`').next());
    let explained: Vec<String> = explained.map(|rest| format!("ConaxGateway{rest}")).collect();
    assert_eq!(named, explained);
    // `make rules` runs the tests.
    let tests = read("packaging/prometheus/alerts_test.yml");
    for alert in named {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test in which it fires");
        assert!(
            tests.contains(&format!("alertname: {alert}, exp_alerts: []")),
            "{alert} has none in which it is silent"
        );
    }
}
