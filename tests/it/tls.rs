//! TLS on both sides, with certificates made here: good ones, and each way to be wrong.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};

use crate::support::{Authority, Certificate, Client, Conax, Gateway, PASSWORD, USER, ok_answer};

/// The server side of a Conax with this certificate; `clients` is the authority it demands of its clients.
fn server(certificate: &Certificate, clients: Option<&Authority>) -> rustls::ServerConfig {
    conax_gateway::tls::install_provider();
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let builder = rustls::ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        }
    };
    builder.with_single_cert(chain, key).unwrap()
}

/// An immediate pairing through TLS; the gateway trusts `trusted` and shows `shown`.
async fn pair(config: rustls::ServerConfig, trusted: &Authority, shown: Option<&Certificate>) -> (Value, usize) {
    let conax = Conax::start_tls(config, ok_answer("tls")).await;
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
        let conax = Conax::start_tls(server(&authority.issue(host), Some(&clients)), ok_answer("tls")).await;
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
