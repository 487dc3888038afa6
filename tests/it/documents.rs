//! Every example request of CRM.COM's documents, as printed (with a live token), and every documented key of the answer.

use serde_json::{Value, json};

use crate::support::{Client, Gateway, WEB};

/// The keys of the record, in the order of the contract.
const KEYS: [&str; 22] = [
    "id",
    "number",
    "type",
    "name",
    "life_cycle_state",
    "priority",
    "process_immediately",
    "scheduled_date",
    "executed_date",
    "sequence_number",
    "request",
    "response",
    "reference_number",
    "error_code",
    "error_description",
    "provider_error_code",
    "provider_error_description",
    "process_name",
    "process_id",
    "parameters_set",
    "log_information",
    "delivery",
];

const UNIT: [&str; 6] = ["id", "name", "group_name", "community_name", "alternative_code", "description"];
const BUSINESS_UNIT: [&str; 6] = ["id", "name", "code", "unified_code", "description", "parent_business_unit_name"];
const PERSON: [&str; 4] = ["id", "username", "person_name", "email"];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_whole(record: &Value) {
    assert_eq!(keys(record), KEYS);
    let log = &record["log_information"];
    for side in ["created", "updated"] {
        assert!(log[format!("{side}_date")].is_string());
        assert_eq!(keys(&log[format!("{side}_by_unit")]), UNIT);
        assert_eq!(keys(&log[format!("{side}_by_business_unit")]), BUSINESS_UNIT);
        assert_eq!(keys(&log[format!("{side}_by_user")]), PERSON);
    }
    assert_eq!(keys(&record["delivery"]), ["state", "attempts", "next_attempt_date", "in_doubt", "result"]);
    let is_id = |v: &Value| {
        v.as_str()
            .is_some_and(|s| s.len() == 32 && !s.contains(|c: char| !c.is_ascii_hexdigit() || c.is_ascii_lowercase()))
    };
    assert!(is_id(&record["id"]));
    for item in record["parameters_set"].as_array().unwrap() {
        assert!(item.as_object().unwrap().len() == 2 && is_id(&item["id"]), "{item}");
    }
}

/// The items of parameters_set by name.
fn parameter(record: &Value, name: &str) -> Vec<Value> {
    let items = record["parameters_set"].as_array().unwrap();
    items.iter().filter_map(|item| item.get(name).cloned()).collect()
}

/// Sends a body as the documents print it, its token replaced by a live one.
async fn send(client: &Client, path: &str, printed: &str) -> Value {
    let mut body: Value = serde_json::from_str(printed).unwrap();
    body["token"] = client.token.as_str().into();
    client.post_raw(path, body.to_string()).await.data()
}

#[tokio::test]
async fn create_pairing_of_web_services() {
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    let printed = r#"{
    "token": "E001458C75CE1BF191E227F172CF69EF",
    "subscription_identifier":{"id":"98D375E905CD31F4CC780342525B2078"},
    "smartcard_set": [{"smartcard_ca_id":"stb01-3020-0005"}],
    "stb_set": [{"stb_ca_id":"THMOD001-10002"}]
}"#;
    let record = send(&client, &format!("{WEB}/create_pairing"), printed).await;
    assert_whole(&record);
    let expected = json!({"type": "CREATE_PAIRING", "life_cycle_state": "PENDING", "priority": "REGULAR",
        "process_immediately": 0, "request": null, "response": null, "error_code": null, "name": null,
        "executed_date": null, "reference_number": null, "process_name": "MANUAL"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&record[key], value, "{key}");
    }
    assert_eq!(parameter(&record, "smartcard_ca_id"), ["stb01-3020-0005"]);
    assert_eq!(parameter(&record, "stb_ca_id"), ["THMOD001-10002"]);
    assert_eq!(parameter(&record, "smartcard_sub_provisioning_distribution_id").len(), 1);
    assert_eq!(parameter(&record, "stb_sub_provisioning_distributor_id").len(), 1);
    assert_eq!(client.show(&record["number"]).await, record, "show gives the same record");
}

#[tokio::test]
async fn create_pairing_of_sms_sas() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let printed = r#"{
	"token"			: "ECB39805CD9649BD961060EA40BB3EFC",
	"subscription_identifier" : { "number" : "S60149"},
	"smartcard_set" : [ { "smartcard_ca_id" : "040900007200" } ],
	"stb_set" : [ { "stb_ca_id" : "040900007201" } ]
}"#;
    let record = send(&client, "conax_sms_sas/provisioning_requests/create_pairing", printed).await;
    assert_whole(&record);
    assert_eq!((&record["type"], &record["sequence_number"]), (&json!("CREATE_PAIRING"), &json!(1)));
}

#[tokio::test]
async fn add_subscriptions() {
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    let printed = r#"{
	"token" : "03B1C25A82B14478BF681FA6F7ADD815",
	"subscription_identifier" : { "number" : "S60149" },
	"service_identifier" : { "code" : "Silver" },
	"smartcard_identifier" : { "serial_number" : "smrt20000055" }
}"#;
    let record = send(&client, "conax_sms_sas/provisioning_requests/add_subscriptions", printed).await;
    assert_whole(&record);
    assert_eq!(parameter(&record, "service_ca_id"), ["9"]);
    assert_eq!(parameter(&record, "smartcard_ca_id"), ["smrt20000055"]);
    assert_eq!(parameter(&record, "sub_provisioning_distribution_id"), ["B4AE85FCFA8C4329A2C6F767B879E070"]);
    assert_eq!(record["parameters_set"].as_array().unwrap().len(), 3);
    assert_eq!((&record["process_immediately"], &record["life_cycle_state"]), (&Value::Null, &json!("PENDING")));
    assert_eq!(record["scheduled_date"], record["log_information"]["created_date"]);
}

#[tokio::test]
async fn cancel_subscriptions_of_a_service_without_ca_id() {
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    let printed = r#"{
	"token" : "F0F5F41B7C7648019D79914D9D83A47A",
	"subscription_identifier" : { "number" : "S60712" },
	"service_identifier" : { "code" : "VOD & PPV" },
	"smartcard_identifier" : { "serial_number" : "smcb0000010" }
}"#;
    let path = "conax_sms_sas/provisioning_requests/cancel_subscriptions";
    let record = send(&client, path, printed).await;
    assert_whole(&record);
    assert_eq!(record["type"], "CANCEL_SUBSCRIPTIONS");
    assert_eq!(parameter(&record, "service_ca_id"), [Value::Null]);
    assert_eq!(parameter(&record, "smartcard_ca_id"), ["smcb0000010"]);

    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let mut body: Value = serde_json::from_str(printed).unwrap();
    body["process_immediately"] = true.into();
    let record = client.post(path, body).await.data();
    assert_eq!(
        (&record["life_cycle_state"], &record["error_code"]),
        (&json!("REJECTED"), &json!("SERVICE_NOT_MAPPED"))
    );
    assert_eq!((&record["executed_date"], &record["request"]), (&Value::Null, &Value::Null), "nothing was sent");
}

#[tokio::test]
async fn show_and_list_take_identifiers_as_the_documents_write_them() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let record = client.pair_now("01450253313").await;
    let (id, number) = (record["id"].as_str().unwrap(), record["number"].as_str().unwrap());
    for identifier in [
        format!("number={number}"),
        format!("number%3D{number}"),
        format!("%7B%22number%22:%22{number}%22%7D"),
        format!("id={id}"),
    ] {
        for slash in ["", "/"] {
            let path = format!("{WEB}/show{slash}?provisioning_request_identifier={identifier}");
            assert_eq!(client.get(&path).await.data(), record, "{path}");
        }
    }
    let path = format!("{WEB}/show?provisioning_request_identifier=number={number}&fields_set=number,%20id,type");
    let some = client.get(&path).await.data();
    assert_eq!(keys(&some), ["id", "number", "type"]);
    for key in KEYS {
        let path = format!("{WEB}/show?provisioning_request_identifier=number={number}&fields_set={key}");
        assert_eq!(keys(&client.get(&path).await.data()), [key]);
    }
    let list = client.get(&format!("{WEB}/list/?type=CREATE_PAIRING&fields_set=number")).await.data();
    assert_eq!(list, json!([{"number": number}]));
    let other = format!("conax_sms_sas/provisioning_requests/show?provisioning_request_identifier=number={number}");
    client.get(&other).await.assert_error(404, "NOT_FOUND", "$.provisioning_request_identifier.number");
}
