//! The simulator as a SOAP client sees it, and what its reserved cards and behaviors make of a request.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{BIN, Gateway};

struct Simulator {
    child: Child,
    url: String,
}

impl Simulator {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(BIN)
            .args(["simulator", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: line.trim().strip_prefix("listening on ").unwrap().to_owned() }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A request to the pairing service, the body's child given.
async fn call(simulator: &Simulator, body: &str) -> (u16, String) {
    conax_gateway::tls::install_provider();
    let envelope =
        format!("<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>{body}</e:Body></e:Envelope>");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/caclient/pairing", simulator.url)).header("content-type", "text/xml");
    let response = request.body(envelope).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn pairing(card: &str, stb: &str) -> String {
    format!(
        "<CreatePairing xmlns='http://www.conax.com/cas/xsd/pairing/v1'><CreatePairingRequest><CaClientIds>\
         <CaClientId>{card}</CaClientId></CaClientIds><PairingModuleIds><PairingModuleId>{stb}</PairingModuleId>\
         </PairingModuleIds></CreatePairingRequest></CreatePairing>"
    )
}

fn status(card: &str) -> String {
    format!(
        "<GetPairingStatusForCard xmlns='http://www.conax.com/cas/xsd/pairing/v1'><GetPairingStatusForCardRequest>\
         <CaClientId>{card}</CaClientId></GetPairingStatusForCardRequest></GetPairingStatusForCard>"
    )
}

#[tokio::test]
async fn it_remembers_pairings_and_gives_fresh_transaction_ids() {
    let simulator = Simulator::start(&[]);
    assert!(call(&simulator, &status("01450253313")).await.1.contains(">NOT_PAIRED<"));
    let transaction = |text: &str| text.split("TransactionId>").nth(1).unwrap().to_owned();
    let (code, first) = call(&simulator, &pairing("01450253313", "box-1")).await;
    assert!(code == 200 && first.contains(">OK<"), "{first}");
    let (_, second) = call(&simulator, &pairing("01450253313", "box-2")).await;
    assert_ne!(transaction(&first), transaction(&second));
    let (_, text) = call(&simulator, &status("01450253313")).await;
    assert!(text.contains(">PAIRED<") && text.contains(">box-1<") && text.contains(">box-2<"), "{text}");
}

#[tokio::test]
async fn it_validates_against_the_schema() {
    let simulator = Simulator::start(&[]);
    let (code, text) = call(&simulator, &pairing("01450253313", "")).await;
    assert!(code == 200 && text.contains(">INPUT_VALIDATION_ERROR<") && text.contains("PairingModuleId"), "{text}");
    let (_, text) = call(&simulator, &pairing("unknown card", "box")).await;
    assert!(text.contains(">CLIENT_NOT_FOUND<"), "{text}");
    let (code, text) = call(&simulator, "<Nonsense xmlns='urn:x'/>").await;
    assert!(code == 500 && text.contains("was not recognized"), "{text}");
    let (code, text) = call(&simulator, "<not closed").await;
    assert!(code == 500 && text.contains("Couldn't parse stream."), "{text}");
}

#[tokio::test]
async fn it_serves_its_wsdl_with_the_address_that_was_used() {
    let simulator = Simulator::start(&[]);
    conax_gateway::tls::install_provider();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/caclient/pairing", simulator.url);
    let wsdl = http.get(format!("{url}?wsdl")).send().await.unwrap().text().await.unwrap();
    assert!(wsdl.contains(&format!("location=\"{url}\"")), "{wsdl}");
    let schema = wsdl.split("schemaLocation=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let xsd = http.get(schema).send().await.unwrap().text().await.unwrap();
    assert!(xsd.contains("CreatePairingRequestType"), "{xsd}");
    assert_eq!(http.get(format!("{url}?xsd=../Cargo.toml")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn behaviors_hold_for_every_card() {
    let simulator = Simulator::start(&["--behavior", "axis_fault"]);
    let (code, text) = call(&simulator, &pairing("01450253313", "box")).await;
    assert!(code == 500 && text.contains("soapenv:Server.userException"), "{text}");
}

#[tokio::test]
async fn reserved_cards_have_their_effect() {
    let (_gateway, client) = Gateway::start_signed_in(&[("simulator.slow_s", "0.01")]).await;
    for (card, state, code) in [
        ("99000000001", "REJECTED", json!("AxisFault")),
        ("99000000002", "REJECTED", json!("AxisFault")),
        ("99000000003", "COMPLETED", json!(null)),
        ("99000000004", "PENDING", json!("OUTCOME_UNKNOWN")),
        ("99000000005", "PENDING", json!("OUTCOME_UNKNOWN")),
        ("99000000006", "PENDING", json!("UPSTREAM_BUSY")),
        ("99000000007", "REJECTED", json!("SYSTEM_ERROR")),
        ("99000000008", "REJECTED", json!("CLIENT_NOT_MANAGED_BY_SMS")),
        ("99000000009", "REJECTED", json!("FEATURE_NOT_AVAILABLE")),
        ("99000000010", "REJECTED", json!("CLIENT_NOT_FOUND")),
    ] {
        let record = client.pair_now(card).await;
        assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!(state), &code), "{card}");
    }
    assert_eq!(conax_gateway::simulator::RESERVED.len(), 9, "each one is tried above");
}

#[tokio::test]
async fn subscriptions_come_and_go() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let body = json!({"process_immediately": true, "subscription_identifier": {"number": "S60149"},
        "service_identifier": {"code": "Silver"}, "smartcard_identifier": {"serial_number": "01450253313"},
        "start_date": "2030-01-01T00:00:00"});
    let added = client.post("conax_sms_sas/provisioning_requests/add_subscriptions", body.clone()).await.data();
    assert_eq!(added["life_cycle_state"], "COMPLETED", "{added:#}");
    let sent = added["request"].as_str().unwrap();
    assert!(sent.contains("ProductId>9<") && sent.contains("StartTime>2030-01-01T00:00:00<"), "{sent}");
    let mut cancel = body;
    cancel["start_date"] = json!("2020-01-01T00:00:00");
    let cancelled = client.post("conax_sms_sas/provisioning_requests/cancel_subscriptions", cancel).await.data();
    assert_eq!(cancelled["life_cycle_state"], "COMPLETED", "{cancelled:#}");
    assert_eq!(
        cancelled["scheduled_date"], "2020-01-01T00:00:00",
        "the start date of a cancellation is when it is due"
    );
}
