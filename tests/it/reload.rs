//! SIGHUP: what is loaded anew, what is kept when the new is bad, and that no call is cut off.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::support::{Authority, Client, Conax, Gateway, PASSWORD, Reaction, USER, answer_to, eventually, ok_answer};

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
    reload(&gateway, "server.tls_certificate: the certificate expired at 2002-01-01").await;
    assert!(is_accepted(&trusting(&new), &port).await);

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

    // A single fault, and no other change is taken.
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

/// The built-in contract as files, with pairings in another namespace and at another path.
fn write_contract(folder: &Path, version: u8) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("wsdl");
    std::fs::create_dir_all(folder).unwrap();
    for file in std::fs::read_dir(source).unwrap() {
        let file = file.unwrap();
        // Folders have contracts of their own.
        if file.path().is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = text.replace("xsd/pairing/v1", &format!("xsd/pairing/v{version}"));
        let text = text.replace("caclient/pairing\"", &format!("caclient/pairing{version}\""));
        std::fs::write(folder.join(file.file_name()), text).unwrap();
    }
}

/// Clients call all the time, while one contract follows the other, a bad one among them: each request is sent and its
/// answer read by the contract that the request was rendered by.
#[tokio::test]
async fn a_contract_is_loaded_anew_under_load() {
    let conax = Conax::start(|_, request| Reaction::Keep(answer_to(request, "OK", ""))).await;
    let folder = tempfile::tempdir().unwrap();
    let contract = folder.path().join("contract");
    write_contract(&contract, 1);
    let settings = [("upstream.url", conax.url.as_str()), ("contract.dir", contract.to_str().unwrap())];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4_u64)
        .map(|index| {
            let (client, is_over) = (client.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut calls = 0;
                while !is_over.load(Ordering::Relaxed) && calls < 5000 {
                    let record = client.pair_now(&format!("0800000{index:04}")).await;
                    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let sent_by =
        |version: u8| conax.received().iter().filter(|r| r.body.contains(&format!("pairing/v{version}"))).count();
    let mut expected = 1;
    for version in [2, 3, 0, 4] {
        let before = sent_by(expected);
        eventually(async || (sent_by(expected) > before + 3).then_some(())).await;
        match version {
            0 => {
                std::fs::write(contract.join("pairing.xsd"), "<xs:schema").unwrap();
                reload(&gateway, "not loaded anew: all stays as it was").await;
                gateway.logged("pairing.xsd").await;
            }
            _ => {
                write_contract(&contract, version);
                reload(&gateway, "the configuration is loaded anew").await;
                expected = version;
            }
        }
    }
    eventually(async || (sent_by(expected) > 3).then_some(())).await;
    is_over.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for client in clients {
        calls += client.await.unwrap();
    }
    let received = conax.received();
    assert_eq!(received.len(), calls);
    for request in received {
        let version = request.body.split_once("xsd/pairing/v").unwrap().1.chars().next().unwrap();
        let path = format!("POST /caclient/pairing{version} ");
        assert!(request.head.starts_with(&path), "{}{}", request.head, request.body);
    }
    let soap = format!("{}/ca-server/webservices/caclient/pairing4?wsdl", gateway.url);
    assert_eq!(reqwest::get(soap).await.unwrap().status(), 200, "the new contract is what is described");
}
