//! SIGHUP: what is loaded anew, what is kept when the new is bad, and that no call is cut off.

use std::path::Path;

use serde_json::json;

use super::support::{Authority, Client, Conax, Gateway, PASSWORD, Reaction, USER, eventually, ok_answer};

/// A client of its own, whose connections are new, that trusts one authority.
fn trusting(authority: &Authority) -> reqwest::Client {
    conax_gateway::tls::install_provider();
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap()
}

async fn is_accepted(client: &reqwest::Client, port: &str) -> bool {
    client.get(format!("https://localhost:{port}/livez")).send().await.is_ok()
}

/// Sends SIGHUP and waits for what the log says of it, which it has not said before.
async fn reload(gateway: &Gateway, expected: &str) {
    let before = gateway.log().matches(expected).count();
    gateway.signal("HUP").await;
    eventually(async || (gateway.log().matches(expected).count() > before).then_some(())).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let write = |authority: &Authority| authority.issue("localhost").write(folder.path(), "server");
    let (certificate, key) = write(&old);
    let text = |path: &Path| path.display().to_string();
    let settings = [("server.tls_certificate", text(&certificate)), ("server.tls_key", text(&key))];
    let settings = settings.each_ref().map(|(setting, file)| (*setting, file.as_str()));
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let gateway = Gateway::start(
        &[&settings[..], &[("upstream.url", conax.url.as_str()), ("metrics.listen", "127.0.0.1:0")]].concat(),
    )
    .await;
    let port = gateway.url.rsplit(':').next().unwrap().to_owned();

    // A call that is under way all the time, over a connection that has the old certificate.
    let http = trusting(&old);
    let url = format!("https://localhost:{port}");
    let mut client = Client { http, url, token: String::new() };
    let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo"});
    let token = client.post_raw("authentication/token", body.to_string()).await.data();
    client.token = token["token"].as_str().unwrap().to_owned();
    let call = tokio::spawn(async move { client.pair_now("08000000001").await });
    eventually(async || (conax.received().len() == 1).then_some(())).await;

    write(&new);
    reload(&gateway, "the configuration is loaded anew").await;
    assert!(is_accepted(&trusting(&new), &port).await && !is_accepted(&trusting(&old), &port).await);

    std::fs::write(&key, "nothing").unwrap();
    reload(&gateway, "not loaded anew: all stays as it was").await;
    assert!(is_accepted(&trusting(&new), &port).await);

    new.issue_expired("localhost").write(folder.path(), "server");
    reload(&gateway, "a certificate has expired").await;
    let log = gateway.log();
    let metrics = log.split_once("metrics at ").unwrap().1.lines().next().unwrap();
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let expiry = "conax_gateway_certificate_expiry_timestamp_seconds{setting=\"server.tls_certificate\"} 1009843200";
    assert!(metrics.contains(expiry), "{metrics}");

    conax.release();
    assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn credentials_log_filter_and_strictness_are_loaded_anew() {
    let conax = Conax::start(|_, _| Reaction::Keep(ok_answer("1"))).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("gateway.toml"), folder.path().join("password"));
    std::fs::write(&file, "").unwrap();
    std::fs::write(&password, "first").unwrap();
    let environment = [("CONAX_GATEWAY_CONFIG".to_owned(), file.display().to_string())];
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.username", "sms"),
        ("upstream.password_file", password.to_str().unwrap()),
    ];
    let gateway = Gateway::start_with(&settings, &environment).await;
    let client = Client::sign_in(&gateway.url).await;
    client.pair_now("08000000001").await;

    std::fs::write(&file, "[catalogue]\nstrict = true\n[log]\nfilter = \"debug\"\n").unwrap();
    std::fs::write(&password, "second").unwrap();
    reload(&gateway, "the configuration is loaded anew").await;
    client.pair("08000000002", json!({})).await.assert_error(404, "NOT_FOUND", "$.smartcard_set[0].smartcard_ca_id");

    // One fault, and nothing of the rest is taken.
    std::fs::write(&file, "[catalogue]\nstrict = false\n[log]\nfilter = loud\n").unwrap();
    std::fs::write(&password, "third").unwrap();
    reload(&gateway, "text must be in quotes: filter").await;
    assert_eq!(client.pair("08000000002", json!({})).await.status, 404);

    std::fs::write(&file, "").unwrap();
    std::fs::write(&password, "second").unwrap();
    reload(&gateway, "the configuration is loaded anew").await;
    client.pair_now("08000000003").await;
    let shown: Vec<_> = conax.received().iter().map(|r| r.header("authorization").unwrap().to_owned()).collect();
    // "sms:first" and "sms:second"
    assert_eq!(shown, ["Basic c21zOmZpcnN0", "Basic c21zOnNlY29uZA=="]);
}
