//! TLS on both sides, with certificates made here: good ones, and each way to be wrong.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::{Value, json};

use crate::support::{
    Authority, Certificate, Client, Conax, Gateway, PASSWORD, Reaction, Received, USER, answer_to, ok_answer,
    operation_of,
};

/// The server side of a Conax with this certificate; `clients` is the authority it demands of its clients.
pub fn server(certificate: &Certificate, clients: Option<&Authority>) -> ServerConfig {
    server_of(certificate, clients.map(|clients| verifier(clients).build().unwrap()), rustls::DEFAULT_VERSIONS)
}

/// The same, with what it makes of its clients' certificates, for some versions of TLS.
fn server_of(
    certificate: &Certificate,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    conax_gateway::tls::install_provider();
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_protocol_versions(versions);
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    builder.with_single_cert(chain, key).unwrap()
}

fn verifier(clients: &Authority) -> ClientCertVerifierBuilder {
    conax_gateway::tls::install_provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
    WebPkiClientVerifier::builder(Arc::new(roots))
}

/// An immediate pairing through TLS; the gateway trusts `trusted` and shows `shown`.
async fn pair(config: ServerConfig, trusted: &Authority, shown: Option<&Certificate>) -> (Value, usize) {
    let conax = Conax::start_tls(config, |_, _| Reaction::Write(ok_answer("tls"))).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = trusted.write(folder.path()).display().to_string();
    let mut settings = vec![
        ("upstream.url", conax.url.clone()),
        ("upstream.ca_file", ca_file),
        ("processor.max_attempts", "1".to_owned()),
    ];
    if let Some(shown) = shown {
        let (chain, key) = shown.write(folder.path(), "client");
        settings.push(("upstream.client_certificate", chain.display().to_string()));
        settings.push(("upstream.client_key", key.display().to_string()));
    }
    let settings: Vec<_> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    (client.pair_now("01450253313").await, conax.received().len())
}

fn assert_tls_failed((record, received): (Value, usize)) {
    assert_eq!(
        (&record["life_cycle_state"], &record["error_code"]),
        (&json!("REJECTED"), &json!("TLS_FAILED")),
        "{record:#}"
    );
    assert_eq!(received, 0);
}

#[tokio::test]
async fn upstream_with_an_own_authority_and_a_client_certificate() {
    let authority = Authority::new("conax");
    let clients = Authority::new("clients");
    let config = server(&authority.issue("localhost"), None);
    assert_eq!(pair(config, &authority, None).await.0["life_cycle_state"], "COMPLETED");
    let config = server(&authority.issue("localhost"), Some(&clients));
    let good = clients.issue("crm");
    assert_eq!(pair(config, &authority, Some(&good)).await.0["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn upstream_certificates_that_are_wrong() {
    let authority = Authority::new("conax");
    let other = Authority::new("other");
    assert_tls_failed(pair(server(&authority.issue("localhost"), None), &other, None).await);
    assert_tls_failed(pair(server(&authority.issue("conax.example"), None), &authority, None).await);
    assert_tls_failed(pair(server(&authority.issue_expired("localhost"), None), &authority, None).await);
}

#[tokio::test]
async fn a_client_certificate_that_is_refused_or_missing() {
    let authority = Authority::new("conax");
    let clients = Authority::new("clients");
    let wrong = authority.issue("crm");
    assert_tls_failed(pair(server(&authority.issue("localhost"), Some(&clients)), &authority, Some(&wrong)).await);
    let expired = clients.issue_expired("crm");
    assert_tls_failed(pair(server(&authority.issue("localhost"), Some(&clients)), &authority, Some(&expired)).await);
    assert_tls_failed(pair(server(&authority.issue("localhost"), Some(&clients)), &authority, None).await);
}

#[tokio::test]
async fn the_json_face_serves_tls() {
    let authority = Authority::new("gateway");
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = authority.issue("127.0.0.1").write(folder.path(), "server");
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    let gateway = Gateway::start(&[("server.tls_certificate", &chain), ("server.tls_key", &key)]).await;
    assert!(gateway.url.starts_with("https://"));
    conax_gateway::tls::install_provider();
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let client = Client { http, url: gateway.url.clone(), token: String::new() };
    let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo"});
    assert!(client.post_raw("authentication/token", body.to_string()).await.data()["token"].is_string());
}

#[tokio::test]
async fn what_is_passed_through_goes_by_the_same_tls() {
    let (authority, clients) = (Authority::new("conax"), Authority::new("clients"));
    let folder = tempfile::tempdir().unwrap();
    let ca_file = authority.write(folder.path()).display().to_string();
    let (chain, key) = clients.issue("crm").write(folder.path(), "client");
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    for (host, expected) in [("localhost", 200), ("conax.example", 502)] {
        let conax =
            Conax::start_tls(server(&authority.issue(host), Some(&clients)), |_, _| Reaction::Write(ok_answer("tls")))
                .await;
        let settings = [
            ("upstream.url", conax.url.as_str()),
            ("upstream.ca_file", &ca_file),
            ("upstream.client_certificate", &chain),
            ("upstream.client_key", &key),
        ];
        let gateway = Gateway::start(&settings).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.post(format!("{}/ca-server/webservices/caclient/pairing", gateway.url)).body("<a/>");
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
        let text = answer.text().await.unwrap();
        assert!(text.contains(if expected == 200 { ">tls<" } else { "No TLS connection to Conax" }), "{text}");
    }
}

/// Every alert that says something of certificates or access, and some others.
const ALERTS: [u8; 12] = [40, 42, 43, 44, 45, 46, 48, 49, 51, 80, 90, 116];

/// The states and error codes of a bark, of a subscription and of a pairing, and how often each arrived.
async fn of_each_rule(client: &Client, conax: &Conax) -> [(String, usize); 3] {
    let cards = json!([{"smartcard_ca_id": "01450253313"}]);
    let bark = json!({"process_immediately": true, "smartcard_set": cards, "message": "m"});
    let subscription = json!({"process_immediately": true, "smartcard_set": cards, "service_ca_id": "1"});
    let records = [
        client.call("send_bark_message_to_client", bark).await.data(),
        client.call("add_subscriptions", subscription).await.data(),
        client.pair_now("01450253314").await,
    ];
    let operations = ["SendBarkMessageToClients", "AddSubscriptions", "CreatePairing"];
    let received = conax.received();
    std::array::from_fn(|i| {
        let of = &records[i];
        let words = format!("{} {}", of["error_code"].as_str().unwrap_or("-"), of["delivery"]["state"]);
        (words.replace('"', ""), received.iter().filter(|r| operation_of(r).0 == operations[i]).count())
    })
}

async fn gateway_to_tls(conax: &Conax, authority: &Authority) -> (Gateway, Client) {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = authority.write(folder.path()).display().to_string();
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.ca_file", &ca_file),
        ("upstream.breaker_failures", "1000"),
        // A request that is tried again is tried much later.
        ("processor.backoff_initial_s", "300"),
    ];
    Gateway::start_signed_in(&settings).await
}

/// A server that may send alerts. It asks for a certificate of `clients`, and takes who has none; then it gives tickets.
fn alerting(
    certificate: &Certificate,
    version: &'static SupportedProtocolVersion,
    clients: Option<&Authority>,
    tickets: usize,
) -> ServerConfig {
    let clients = clients.map(|clients| verifier(clients).allow_unauthenticated().build().unwrap());
    let mut config = server_of(certificate, clients, &[version]);
    config.send_tls13_tickets = tickets;
    config.enable_secret_extraction = true;
    config
}

#[tokio::test]
async fn an_alert_after_the_request_was_read_leaves_a_doubt() {
    let (authority, clients) = (Authority::new("conax"), Authority::new("clients"));
    let certificate = authority.issue("localhost");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // The server asks for no certificate; or asks for one, and has accepted the one that came.
        for (asked, tickets) in [(None, 0), (None, 2), (Some(&clients), 2)] {
            let alerts = std::sync::Mutex::new(ALERTS.iter().cycle());
            let conax = Conax::start_tls(alerting(&certificate, version, asked, tickets), move |_, _| {
                Reaction::Alert(*alerts.lock().unwrap().next().unwrap())
            })
            .await;
            for card in 0..ALERTS.len() / 3 {
                let (_gateway, client) = gateway_to_tls(&conax, &authority).await;
                let ended = of_each_rule(&client, &conax).await;
                let doubt = |words: &str| (format!("OUTCOME_UNKNOWN {words}"), card + 1);
                assert_eq!(
                    ended,
                    [doubt("needs_operator"), doubt("resolving"), doubt("resolving")],
                    "{version:?} {tickets}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_may_be_refused_when_the_request_is_written() {
    let (authority, clients) = (Authority::new("conax"), Authority::new("clients"));
    let config = alerting(&authority.issue("localhost"), &rustls::version::TLS13, Some(&clients), 0);
    let conax = Conax::start_tls(config, |_, _| Reaction::Alert(116)).await;
    let (_gateway, client) = gateway_to_tls(&conax, &authority).await;
    let [bark, subscription, pairing] = of_each_rule(&client, &conax).await;
    assert_eq!(
        bark,
        ("OUTCOME_UNKNOWN needs_operator".to_owned(), 1),
        "what must not go out twice is a doubt all the same"
    );
    let refused = ("TLS_FAILED retrying".to_owned(), 1);
    assert_eq!([subscription, pairing], [refused.clone(), refused]);
}

#[tokio::test]
async fn an_alert_on_a_connection_that_has_answered_refuses_nothing() {
    let (authority, clients) = (Authority::new("conax"), Authority::new("clients"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = alerting(&authority.issue("localhost"), version, Some(&clients), 0);
        let first_answer = |request: &Received| {
            let answer = String::from_utf8(answer_to(request, "OK", "")).unwrap();
            Reaction::Keep(answer.replace("Connection: close\r\n", "").into())
        };
        let conax = Conax::start_tls(config, move |index, request| match index {
            0 => first_answer(request),
            _ => Reaction::Alert(42),
        })
        .await;
        let (_gateway, client) = gateway_to_tls(&conax, &authority).await;
        assert_eq!(client.pair_now("1").await["life_cycle_state"], "COMPLETED");
        let record = client.pair_now("2").await;
        let received = conax.received();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].connection, received[1].connection);
        assert_eq!(
            (&record["error_code"], &record["life_cycle_state"]),
            (&json!("OUTCOME_UNKNOWN"), &json!("PENDING"))
        );
    }
}

#[tokio::test]
async fn a_client_is_not_told_that_nothing_was_sent_after_it_was() {
    let (authority, clients) = (Authority::new("conax"), Authority::new("clients"));
    let config = alerting(&authority.issue("localhost"), &rustls::version::TLS13, Some(&clients), 0);
    let conax = Conax::start_tls(config, |_, _| Reaction::Alert(116)).await;
    let (gateway, _client) = gateway_to_tls(&conax, &authority).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.post(format!("{}/ca-server/webservices/caclient/pairing", gateway.url)).body("<a/>");
    let text = answer.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("broke off before it answered"), "{text}");
    assert_eq!(conax.received().len(), 1);
}
