//! Several providers in one gateway: Conax and Panaccess, each with its contract, upstream, limits and breaker.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{
    Client, Conax, Gateway, Reaction, Received, eventually, ok_answer, run, run_in, values_of, xml_answer,
};

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wsdl/panaccess");
const FAULT: &str = include_str!("../axis/not-logged-in.xml");
/// A card that both systems have.
const CARD: &str = "08000000001";
const PANACCESS: [(&str, &str); 3] = [
    ("provider.panaccess.contract.dir", CONTRACT),
    ("provider.panaccess.secrets.panaccess_login", "operator-login"),
    ("provider.panaccess.secrets.panaccess_password", "operator-password"),
];

/// CableView's answers, in the session of its login.
fn cable_view(received: &Received, session: &str) -> Vec<u8> {
    let body = match received.body.contains("cvLogin") {
        true => format!("<ns1:cvLoginResponse><return>{session}</return></ns1:cvLoginResponse>"),
        false => "<ns1:cvSetSmartcardPackagesResponse/>".to_owned(),
    };
    let text = format!(
        "<SOAP-ENV:Envelope xmlns:SOAP-ENV='http://schemas.xmlsoap.org/soap/envelope/' \
         xmlns:ns1='https://cv.panaccess.com/wsdl/v4.0/operator'><SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    );
    xml_answer("200 OK", &text)
}

async fn set_package(client: &Client, card: &str, is_immediate: bool) -> Value {
    let body =
        json!({"smartcard_ca_id": card, "service_set": [{"service_ca_id": "7"}], "process_immediately": is_immediate});
    client.post("panaccess/provisioning_requests/set_package", body).await.data()
}

/// The record of a Panaccess request, once it has ended.
async fn package_ended(client: &Client, number: &Value) -> Value {
    let number = number.as_str().unwrap();
    let path = format!("panaccess/provisioning_requests/show?provisioning_request_identifier=number={number}");
    eventually(async || {
        let record = client.get(&path).await.data();
        (record["life_cycle_state"] != "PENDING").then_some(record)
    })
    .await
}

async fn page(gateway: &Gateway, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", gateway.url)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn both_families_are_served_each_by_its_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = folder.path().join("recorded").display().to_string();
    let key = folder.path().join("key").display().to_string();
    let url = format!("record:{recorded}=simulator");
    let more = [("provider.panaccess.upstream.url", url.as_str()), ("fixtures.key_file", &key)];
    let (mut gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    assert_eq!(client.pair_now(CARD).await["life_cycle_state"], "COMPLETED");
    let record = set_package(&client, CARD, true).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    let record = set_package(&client, CARD, false).await;
    assert_eq!(package_ended(&client, &record["number"]).await["life_cycle_state"], "COMPLETED");
    let (status, health) = page(&gateway, "/readyz").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["providers"]), (200, &json!({"main": "ok", "panaccess": "ok"})));
    for provider in ["main", "panaccess"] {
        // A slot is given back after the answer, and the page is kept for a second.
        let line = format!("conax_gateway_requests_under_way{{provider=\"{provider}\"}} 0");
        eventually(async || page(&gateway, "/metrics").await.1.contains(&line).then_some(())).await;
    }
    gateway.terminate().await;
    let log = gateway.log();
    assert!(log.contains("logged out"), "a session ends with the gateway");
    assert!(!log.contains("operator-password") && !log.contains("operator-login"));

    // Only the provider that records has recorded, and its folder answers for it alone.
    let cases: Vec<_> = std::fs::read_dir(&recorded).unwrap().map(|file| file.unwrap().file_name()).collect();
    let has = |word: &str| cases.iter().any(|name| name.to_string_lossy().to_lowercase().contains(word));
    assert!(has("set_package") && !has("pairing"), "{cases:?}");
    let replay = format!("replay:{recorded}");
    let more = [("provider.panaccess.upstream.url", replay.as_str()), ("fixtures.key_file", &key)];
    let (_gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    let record = set_package(&client, CARD, true).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    assert_eq!(client.pair_now(CARD).await["life_cycle_state"], "COMPLETED");
}

#[tokio::test]
async fn a_provider_that_is_full_holds_up_no_other_nor_its_cards() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let cas = Conax::start(|_, received| Reaction::Write(cable_view(received, "S-1"))).await;
    let more = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.max_concurrency", "1"),
        ("provider.panaccess.upstream.url", &cas.url),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    let mut pairings = Vec::new();
    for card in [CARD, CARD, "08000000002"] {
        pairings.push(client.pair(card, json!({})).await.data()["number"].clone());
    }
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    // At once, and by the run: Conax has no slot, and the card is under way there.
    assert_eq!(set_package(&client, CARD, true).await["life_cycle_state"], "COMPLETED");
    let later = set_package(&client, CARD, false).await;
    assert_eq!(package_ended(&client, &later["number"]).await["life_cycle_state"], "COMPLETED");
    assert_eq!(conax.received().len(), 1, "and Conax has its one slot still");
    conax.release_all();
    for number in pairings {
        assert_eq!(client.ended(&number).await["life_cycle_state"], "COMPLETED");
    }
    assert_eq!(conax.received().len(), 3);
}

#[tokio::test]
async fn a_dead_provider_is_paused_alone() {
    let more = [
        ("provider.panaccess.upstream.url", "http://127.0.0.1:1"),
        ("provider.panaccess.upstream.breaker_failures", "1"),
        ("processor.backoff_initial_s", "0.05"),
        ("processor.backoff_max_s", "0.1"),
        ("processor.max_attempts", "1000"),
    ];
    let (gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    for card in 0..50 {
        set_package(&client, &card.to_string(), false).await;
    }
    let open =
        r#"conax_gateway_upstream_breaker_state{provider="panaccess",base_url="http://127.0.0.1:1",state="open"} 1"#;
    eventually(async || page(&gateway, "/metrics").await.1.contains(open).then_some(())).await;
    assert_eq!(client.pair_now(CARD).await["life_cycle_state"], "COMPLETED");
    let number = client.pair(CARD, json!({})).await.data()["number"].clone();
    assert_eq!(client.ended(&number).await["life_cycle_state"], "COMPLETED");
    let (status, health) = page(&gateway, "/readyz").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(status, 200, "Conax's requests must come here still: {health}");
    assert_eq!(health["providers"], json!({"main": "ok", "panaccess": "not answering"}));
}

/// A request under way at a kill is resolved by its own provider; both providers send those that were due.
#[tokio::test]
async fn after_a_kill_each_provider_goes_on_with_its_own() {
    let conax = Conax::start(|_, _| Reaction::Keep(ok_answer("1"))).await;
    let cas = Conax::start(|_, received| match received.body.contains("cvLogin") {
        true => Reaction::Write(cable_view(received, "S-1")),
        false => Reaction::Hold(cable_view(received, "S-1")),
    })
    .await;
    let more = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.effective", "false"),
        ("provider.panaccess.upstream.url", &cas.url),
        ("provider.panaccess.upstream.max_concurrency", "1"),
        ("store.lease_s", "3"),
    ];
    let (mut gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    let pairing = client.pair(CARD, json!({})).await.data()["number"].clone();
    let under_way = set_package(&client, CARD, false).await["number"].clone();
    eventually(async || (cas.received().len() == 2).then_some(())).await;
    let due = set_package(&client, "08000000002", false).await["number"].clone();
    gateway.kill().await;
    assert!(conax.received().is_empty(), "a provider that is not effective sends nothing");
    cas.release_all();
    gateway.start_again(&[("upstream.effective", "true")]).await;
    let client = Client { url: gateway.url.clone(), ..client };
    assert_eq!(client.ended(&pairing).await["life_cycle_state"], "COMPLETED");
    for number in [&under_way, &due] {
        let record = package_ended(&client, number).await;
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    }
    assert!(conax.received().iter().all(|received| !received.body.contains("cvSet")));
    // A call before the kill; the same call again, and that of the other request, after the kill.
    let sets = cas.received().iter().filter(|received| received.body.contains("cvSetSmartcardPackages")).count();
    assert_eq!(sets, 3);
}

#[tokio::test]
async fn a_soap_client_reaches_the_provider_whose_path_it_takes() {
    let conax = Conax::start(|_, _| Reaction::Keep(ok_answer("1"))).await;
    let cas = Conax::start(|_, received| Reaction::Write(cable_view(received, "S-9"))).await;
    let more = [("upstream.url", conax.url.as_str()), ("provider.panaccess.upstream.url", &cas.url)];
    let (gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    let post = async |path: &str, body: &'static str| {
        let request = client.http.post(format!("{}{path}", gateway.url)).header("content-type", "text/xml");
        request.body(body).send().await.unwrap().text().await.unwrap()
    };
    assert!(post("/cableview/operator", "<cvLogin/>").await.contains("S-9"));
    assert!(!post("/ca-server/webservices/caclient/pairing", "<e/>").await.contains("S-9"));
    assert_eq!((conax.received().len(), cas.received().len()), (1, 1));
    assert!(cas.received()[0].head.starts_with("POST /operator "), "{}", cas.received()[0].head);
    for (path, name) in [("/cableview/operator", "cvLogin"), ("/ca-server/webservices/caclient/pairing", "airing")] {
        let (status, wsdl) = page(&gateway, &format!("{path}?wsdl")).await;
        assert!(status == 200 && wsdl.contains(name), "{path}: {status}");
    }
    assert_eq!(page(&gateway, "/elsewhere").await.0, 404);
}

#[tokio::test]
async fn a_reload_gives_each_provider_its_own_secrets_and_names_whose_contract_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    std::fs::write(&secret, "first\n").unwrap();
    let contract = folder.path().join("contract");
    std::fs::create_dir(&contract).unwrap();
    for file in std::fs::read_dir(CONTRACT).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), contract.join(file.file_name())).unwrap();
    }
    let cas = Conax::start(|_, received| {
        let password = values_of(received, "password");
        Reaction::Write(
            match received.body.contains("S-first") && password.is_empty() && received.body.contains(CARD) {
                true => xml_answer("500 Internal Server Error", FAULT),
                false => cable_view(received, &format!("S-{}", password.first().map_or("", String::as_str))),
            },
        )
    })
    .await;
    let [contract_dir, file] = [&contract, &secret].map(|path| path.display().to_string());
    let more = [
        ("provider.panaccess.contract.dir", contract_dir.as_str()),
        ("provider.panaccess.secrets.panaccess_login", "operator-login"),
        ("provider.panaccess.secrets.panaccess_password_file", &file),
        ("upstream.url", "http://127.0.0.1:1"),
        ("provider.panaccess.upstream.url", &cas.url),
    ];
    let (gateway, client) = Gateway::start_signed_in(&more).await;
    assert_eq!(set_package(&client, "08000000002", true).await["life_cycle_state"], "COMPLETED");
    std::fs::write(&secret, "second\n").unwrap();
    gateway.signal("HUP").await;
    gateway.logged("the configuration is loaded anew").await;
    assert_eq!(set_package(&client, CARD, true).await["life_cycle_state"], "COMPLETED");
    let logins: Vec<_> = cas.received().iter().flat_map(|received| values_of(received, "password")).collect();
    assert_eq!(logins, ["first", "second"]);

    std::fs::write(contract.join("bindings.toml"), "nothing = 1\n").unwrap();
    gateway.signal("HUP").await;
    let log = gateway.logged("not loaded anew").await;
    assert!(log.contains("provider.panaccess: "), "{log}");
    assert_eq!(set_package(&client, CARD, true).await["life_cycle_state"], "COMPLETED");
}

#[test]
fn what_cannot_stand_beside_each_other_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let check = |environment: &[(&str, &str)]| {
        let environment = [environment, &[("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0")]].concat();
        let output = run_in(folder.path(), &["config", "check"], &environment);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_good, said) = check(&[("CONAX_GATEWAY_PROVIDER_SECOND_UPSTREAM_URL", "http://127.0.0.1:1")]);
    assert!(!is_good);
    for expected in [
        "provider.second: conax has a provider already: main binds ADD_SUBSCRIPTIONS, ",
        "provider.second: the base_path '/ca-server/webservices' of its contract is that of main, too",
    ] {
        assert!(said.contains(expected), "{expected} not in:\n{said}");
    }
    let (is_good, said) = check(&[("CONAX_GATEWAY_PROVIDER_PANACCESS_CONTRACT_DIR", CONTRACT)]);
    assert!(!is_good && said.contains("provider.panaccess: "), "{said}");
    assert!(said.contains("the configuration has no 'panaccess_password' in [secrets]"), "{said}");
    let (is_good, said) = check(&[
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_CONTRACT_DIR", CONTRACT),
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_SECRETS_PANACCESS_LOGIN", "l"),
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_SECRETS_PANACCESS_PASSWORD", "p"),
        ("CONAX_GATEWAY_UPSTREAM_URL", "record:r=simulator"),
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_UPSTREAM_URL", "record:r=simulator"),
    ]);
    assert!(
        !is_good && said.contains("provider.panaccess: upstream.url: another provider records into r, too"),
        "{said}"
    );
}

#[test]
fn commands_work_for_the_provider_that_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_CONTRACT_DIR", CONTRACT),
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_SECRETS_PANACCESS_LOGIN", "l"),
        ("CONAX_GATEWAY_PROVIDER_PANACCESS_SECRETS_PANACCESS_PASSWORD", "p"),
    ];
    let out = |args: &[&str]| {
        let output = run_in(folder.path(), args, &environment);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let listed: Value = serde_json::from_str(&out(&["contract", "check", "--json"])).unwrap();
    let provider_of = |name: &str| {
        let found = listed.as_array().unwrap().iter().find(|operation| operation["type"] == name);
        found.unwrap()["provider"].clone()
    };
    assert_eq!([provider_of("CREATE_PAIRING"), provider_of("SET_PACKAGE")], ["main", "panaccess"]);
    let values = folder.path().join("values.json");
    std::fs::write(&values, r#"{"smartcard_ca_id": "1", "service_ca_id": ["7"]}"#).unwrap();
    let shown = out(&["contract", "try", "SET_PACKAGE", &values.display().to_string()]);
    assert!(shown.starts_with("POST /cableview/operator"), "{shown}");
    let output = run(&["fixtures", "check", "--provider", "nobody"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("there is no provider nobody: there is main"), "{said}");
}

/// A provider that waits for its slots is as patient as its own upstream.
#[tokio::test]
async fn an_immediate_call_is_refused_by_the_slots_of_its_own_provider() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let cas = Conax::start(|_, received| Reaction::Write(cable_view(received, "S-1"))).await;
    let more = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.max_concurrency", "1"),
        ("processor.immediate_queue_s", "0.2"),
        ("provider.panaccess.upstream.url", &cas.url),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&[&PANACCESS[..], &more].concat()).await;
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.pair_now(CARD).await }
    });
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    client.pair("08000000002", json!({"process_immediately": true})).await.assert_error(503, "UNAVAILABLE", "");
    let done = tokio::time::timeout(Duration::from_secs(20), set_package(&client, CARD, true)).await.unwrap();
    assert_eq!(done["life_cycle_state"], "COMPLETED");
    conax.release_all();
    assert_eq!(first.await.unwrap()["life_cycle_state"], "COMPLETED");
}
