//! Panaccess CableView by files alone: rpc/encoded calls in sessions, by the contract `wsdl/panaccess`.

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, eventually, values_of, xml_answer};

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wsdl/panaccess");
const FAMILY: &str = "panaccess/provisioning_requests";
const SECRETS: [(&str, &str); 3] = [
    ("contract.dir", CONTRACT),
    ("secrets.panaccess_login", "operator-login"),
    ("secrets.panaccess_password", "operator-password"),
];

fn envelope(status: &str, body: &str) -> Vec<u8> {
    xml_answer(
        status,
        &format!(
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV='http://schemas.xmlsoap.org/soap/envelope/' \
             xmlns:ns1='https://cv.panaccess.com/wsdl/v4.0/operator' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
             xmlns:xsd='http://www.w3.org/2001/XMLSchema'><SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
        ),
    )
}

/// The fault with the details that CRM.COM's example shows, and the text that Axis 1.4 itself prints for it.
const FAULT: &str = include_str!("../axis/not-logged-in.xml");
const PRINTED: &str = include_str!("../axis/not-logged-in.axis.txt");

async fn set_package(client: &Client, card: &str, more: Value) -> Value {
    let mut body = json!({"smartcard_ca_id": card, "service_set": [{"service_ca_id": "7"}, {"service_ca_id": "12"}],
        "process_immediately": true});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    client.post(&format!("{FAMILY}/set_package"), body).await.data()
}

#[tokio::test]
async fn packages_are_set_as_the_vendors_stub_sets_them() {
    let conax = Conax::start(|_, received| {
        Reaction::Write(match received.body.contains("cvLogin") {
            true => envelope("200 OK", "<ns1:cvLoginResponse><return>S-1</return></ns1:cvLoginResponse>"),
            false => envelope("200 OK", "<ns1:cvSetSmartcardPackagesResponse/>"),
        })
    })
    .await;
    let (_gateway, client) =
        Gateway::start_signed_in(&[&SECRETS[..], &[("upstream.url", conax.url.as_str())]].concat()).await;
    let record = set_package(&client, "d100000000007", json!({"end_date": "2030-01-31T09:00:00"})).await;
    assert_eq!((&record["life_cycle_state"], &record["type"]), (&json!("COMPLETED"), &json!("SET_PACKAGE")));
    let [login, sent] = conax.received().try_into().unwrap();
    assert_eq!(login.header("soapaction"), Some("\"https://cv.panaccess.com/wsdl/v4.0/operator#cvLogin\""));
    assert_eq!(
        (values_of(&login, "login"), values_of(&login, "password")),
        (vec!["operator-login".to_owned()], vec!["operator-password".to_owned()])
    );
    assert!(!login.body.contains("xsi:type"), "it is literal: {}", login.body);
    assert!(sent.head.starts_with("POST /operator HTTP/1.1"), "{}", sent.head);
    let body = sent.body.split_once("<soap:Body>").unwrap().1;
    let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    assert_eq!(
        body,
        format!(
            "<ns1:cvSetSmartcardPackages xmlns:ns1=\"https://cv.panaccess.com/wsdl/v4.0/operator\" \
             xmlns:ns2=\"http://www.w3.org/2001/XMLSchema\" xmlns:ns3=\"http://schemas.xmlsoap.org/soap/encoding/\" \
             soap:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">\
             <sessionId {xsi} xsi:type=\"ns2:string\">S-1</sessionId><smartcardId {xsi} xsi:type=\"ns2:string\">d100000000007\
             </smartcardId><packages {xsi} xsi:type=\"ns3:Array\" xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
             soapenc:arrayType=\"ns2:int[2]\"><item {xsi} xsi:type=\"ns2:int\">7</item><item {xsi} xsi:type=\"ns2:int\">12</item>\
             </packages><hcId {xsi} xsi:type=\"ns2:string\"></hcId><activationTime {xsi} xsi:type=\"ns2:dateTime\" xsi:nil=\"true\">\
             </activationTime><expiryTime {xsi} xsi:type=\"ns2:dateTime\">2030-01-31T09:00:00</expiryTime>\
             </ns1:cvSetSmartcardPackages></soap:Body></soap:Envelope>"
        )
    );
}

#[tokio::test]
async fn a_refusal_is_recorded_as_crm_com_prints_it() {
    let conax = Conax::start(|_, received| {
        Reaction::Write(match received.body.contains("cvLogin") {
            true => envelope("200 OK", "<ns1:cvLoginResponse><return>S-1</return></ns1:cvLoginResponse>"),
            false => xml_answer("500 Internal Server Error", FAULT),
        })
    })
    .await;
    let (_gateway, client) =
        Gateway::start_signed_in(&[&SECRETS[..], &[("upstream.url", conax.url.as_str())]].concat()).await;
    let record = set_package(&client, "d100000000007", json!({})).await;
    assert_eq!(
        (&record["life_cycle_state"], &record["error_code"], &record["reference_number"], &record["type"]),
        (&json!("REJECTED"), &json!("AxisFault"), &Value::Null, &json!("SET_PACKAGE"))
    );
    let text = record["error_description"].as_str().unwrap();
    assert_eq!(text, PRINTED);
    assert_eq!(record["executed_date"].as_str().map(str::len), Some(19));
    let names: Vec<_> = record["parameters_set"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|item| item.as_object().unwrap().keys().filter(|key| *key != "id").cloned().collect::<Vec<_>>())
        .collect();
    assert_eq!(names, ["smartcard_ca_id", "sub_provisioning_distribution_id", "service_ca_id", "service_ca_id"]);
    let shown = client
        .get(&format!("{FAMILY}/show?provisioning_request_identifier=number={}", record["number"].as_str().unwrap()))
        .await
        .data();
    assert_eq!(shown, record);
}

#[tokio::test]
async fn answers_with_references_are_read() {
    let conax = Conax::start(|_, received| {
        Reaction::Write(match received.body.contains("cvLogin") {
            true => envelope("200 OK", "<ns1:cvLoginResponse><return>S-1</return></ns1:cvLoginResponse>"),
            // As Axis 1.4 names a return value, and writes an array of strings.
            false => envelope(
                "200 OK",
                "<ns1:cvGetSmartcardPackagesResponse xmlns:soapenc='http://schemas.xmlsoap.org/soap/encoding/'>\
                 <cvGetSmartcardPackagesReturn href='#id0'/></ns1:cvGetSmartcardPackagesResponse>\
                 <multiRef id='id0' soapenc:root='0' xmlns:soapenc='http://schemas.xmlsoap.org/soap/encoding/' \
                 xsi:type='soapenc:Array' soapenc:arrayType='xsd:string[2]'><return xsi:type='xsd:string'>7</return>\
                 <return href='#id1'/></multiRef><multiRef id='id1' xsi:type='xsd:string'>12</multiRef>",
            ),
        })
    })
    .await;
    let (_gateway, client) =
        Gateway::start_signed_in(&[&SECRETS[..], &[("upstream.url", conax.url.as_str())]].concat()).await;
    let body = json!({"smartcard_ca_id": "d100000000007", "process_immediately": true});
    let record = client.post(&format!("{FAMILY}/get_packages"), body).await.data();
    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    assert_eq!(record["delivery"]["result"], json!({"return": {"item": ["7", "12"]}}), "{record:#}");
}

#[tokio::test]
async fn the_simulator_plays_panaccess_and_breaks_sessions_under_load() {
    let more = [
        ("simulator.session_requests", "10"),
        ("upstream.max_concurrency", "4"),
        ("simulator.cards", "[\"d100000000000..d199999999999\"]"),
    ];
    let (mut gateway, client) = Gateway::start_signed_in(&[&SECRETS[..], &more].concat()).await;
    let calls: Vec<_> = (0..40)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { set_package(&client, &format!("d1000000000{n:02}"), json!({})).await })
        })
        .collect();
    for call in calls {
        let record = call.await.unwrap();
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    }
    // The log is written a moment later. Of 40 requests, 10 a session, each fourth part needs a login of its own.
    let logins = || gateway.log().matches("logged in").count();
    eventually(async || (logins() >= 4).then_some(())).await;
    assert!(logins() < 40, "a session is used for more than one request");
    let body = json!({"smartcard_ca_id": "d100000000007", "process_immediately": true});
    let record = client.post(&format!("{FAMILY}/get_packages"), body).await.data();
    assert_eq!(record["delivery"]["result"], json!({"return": {"item": ["12", "7"]}}), "{record:#}");
    let log = gateway.last_log().await;
    assert!(!log.contains("operator-password") && !log.contains("operator-login"));
}
