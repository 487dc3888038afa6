//! SIGHUP while hundreds of calls are under way over TLS, some of them held, others one after the other over connections
//! that stay or are new each time: certificates and authorities change on both sides, bad ones are refused, and no call
//! is cut off.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::json;

use crate::support::{
    Authority, Certificate, Client, Conax, Gateway, PASSWORD, Reaction, Received, USER, eventually, ok_answer,
};

/// Calls that Conax holds back through all of it.
const HELD: usize = 200;
/// Clients that call one time after the other.
const CALLING: usize = 8;
const DONE: &str = "the configuration is loaded anew";
const REFUSED: &str = "the configuration is not loaded anew: all stays as it was";

/// The certificate that Conax shows, which another one replaces while it serves.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certified(certificate: &Certificate) -> Arc<CertifiedKey> {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    Arc::new(CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).unwrap())
}

/// A client that trusts these authorities; `keeps` its connections, or makes a new one for each call.
fn trusting(authorities: &[&Authority], keeps: bool) -> reqwest::Client {
    conax_gateway::tls::install_provider();
    let roots = authorities.iter().map(|a| reqwest::Certificate::from_pem(a.pem.as_bytes()).unwrap());
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only(roots);
    builder.pool_max_idle_per_host(if keeps { usize::MAX } else { 0 }).build().unwrap()
}

/// An answer after which the connection is used again.
fn kept(received: &Received) -> Reaction {
    let answer = String::from_utf8(ok_answer("1")).unwrap().replace("Connection: close\r\n", "");
    if received.body.contains("0900000") { Reaction::Hold(answer.into()) } else { Reaction::Keep(answer.into()) }
}

/// The calls that run all the time.
struct Load {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client, authorities: &[&Authority]) -> Self {
        let (is_over, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let call = |index: usize| {
            let client = Client { http: trusting(authorities, index.is_multiple_of(2)), ..client.clone() };
            let (is_over, calls) = (Arc::clone(&is_over), Arc::clone(&calls));
            tokio::spawn(async move {
                let card = format!("0800000{index:04}");
                while !is_over.load(Ordering::Relaxed) && calls.fetch_add(1, Ordering::Relaxed) < 20_000 {
                    let record = client.pair_now(&card).await;
                    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
                }
            })
        };
        let tasks = (0..CALLING).map(call).collect();
        Self { is_over, calls, tasks }
    }

    /// Waits until every client has called some more times.
    async fn goes_on(&self) {
        let before = self.calls.load(Ordering::Relaxed);
        eventually(async || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a call failed");
            (self.calls.load(Ordering::Relaxed) > before + 4 * CALLING).then_some(())
        })
        .await;
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_authorities_change_under_load() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (conax_old, conax_new) = (Authority::new("conax-old"), Authority::new("conax-new"));
    let shown = Arc::new(Shown(ArcSwap::new(certified(&conax_old.issue("localhost")))));
    conax_gateway::tls::install_provider();
    let resolver = Arc::clone(&shown) as Arc<dyn ResolvesServerCert>;
    let tls = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    let conax = Conax::start_tls(tls, |_, request| kept(request)).await;

    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = old.issue("localhost").write(folder.path(), "server");
    let ca_file = conax_old.write(folder.path());
    let text = |path: &Path| path.display().to_string();
    let settings = [
        ("upstream.url", conax.url.clone()),
        ("upstream.ca_file", text(&ca_file)),
        ("upstream.max_concurrency", (HELD + CALLING).to_string()),
        ("server.tls_certificate", text(&certificate)),
        ("server.tls_key", text(&key)),
    ];
    let settings = settings.each_ref().map(|(setting, value)| (*setting, value.as_str()));
    let gateway = Gateway::start(&settings).await;
    let url = format!("https://localhost:{}", gateway.url.rsplit(':').next().unwrap());
    let mut client = Client { http: trusting(&[&old, &new], true), url: url.clone(), token: String::new() };
    let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo"});
    let token = client.post_raw("authentication/token", body.to_string()).await.data();
    client.token = token["token"].as_str().unwrap().to_owned();

    let held: Vec<_> = (0..HELD)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move { client.pair_now(&format!("0900000{index:04}")).await })
        })
        .collect();
    eventually(async || (conax.received().len() == HELD).then_some(())).await;
    let load = Load::start(&client, &[&old, &new]);
    let reload = async |expected: &str| {
        load.goes_on().await;
        let before = gateway.log().matches(expected).count();
        gateway.signal("HUP").await;
        eventually(async || (gateway.log().matches(expected).count() > before).then_some(())).await;
        load.goes_on().await;
    };
    let is_shown =
        async |authority: &Authority| trusting(&[authority], false).get(format!("{url}/livez")).send().await.is_ok();

    // A new certificate for clients; and both authorities are trusted while Conax changes its own.
    new.issue("localhost").write(folder.path(), "server");
    std::fs::write(&ca_file, conax_old.pem.clone() + &conax_new.pem).unwrap();
    reload(DONE).await;
    assert!(is_shown(&new).await && !is_shown(&old).await);
    shown.0.store(certified(&conax_new.issue("localhost")));
    std::fs::write(&ca_file, &conax_new.pem).unwrap();
    reload(DONE).await;

    // Bad ones: each is named, and what is in use stays in use.
    old.issue("localhost").write(folder.path(), "other");
    std::fs::copy(folder.path().join("other.key"), &key).unwrap();
    reload(REFUSED).await;
    gateway.logged("server.tls_key is not the key of its first certificate").await;
    new.issue_expired("localhost").write(folder.path(), "server");
    reload(REFUSED).await;
    gateway.logged("server.tls_certificate: the certificate expired at 2002-01-01").await;
    new.issue("localhost").write(folder.path(), "server");
    std::fs::write(&ca_file, "nothing").unwrap();
    reload(REFUSED).await;
    gateway.logged("upstream.ca_file").await;
    assert!(is_shown(&new).await && !is_shown(&old).await);

    std::fs::write(&ca_file, &conax_new.pem).unwrap();
    reload(DONE).await;
    load.end().await;
    conax.release_all();
    for call in held {
        assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED");
    }
    let sent = conax.received().len();
    let metrics = client.http.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
    let ended = "conax_gateway_requests_ended_total{family=\"conax_web_services\",type=\"CREATE_PAIRING\",state=\"COMPLETED\",reason=\"\"} ";
    let ended = metrics.lines().find_map(|line| line.strip_prefix(ended)).unwrap();
    assert_eq!(ended, sent.to_string(), "each request was sent once, and completed");
}

/// The certificate that is in use expires while nothing else is wrong: the rest of a configuration can still be changed.
#[tokio::test]
async fn a_certificate_that_expired_in_use_does_not_stand_in_the_way() {
    let (conax, folder) = (Conax::start(|_, request| kept(request)).await, tempfile::tempdir().unwrap());
    let (certificate, key) = Authority::new("a").issue_expired("client").write(folder.path(), "client");
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.client_certificate", certificate.to_str().unwrap()),
        ("upstream.client_key", key.to_str().unwrap()),
    ];
    let gateway = Gateway::start(&settings).await;
    gateway.logged("a certificate has expired").await;
    let metrics = reqwest::get(format!("{}/metrics", gateway.url)).await.unwrap().text().await.unwrap();
    let expiry =
        "conax_gateway_certificate_expiry_timestamp_seconds{setting=\"upstream.client_certificate\"} 1009843200";
    assert!(metrics.contains(expiry), "{metrics}");
    gateway.signal("HUP").await;
    gateway.logged(DONE).await;
}
