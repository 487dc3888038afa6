//! Every request type from JSON to SOAP and back, against the simulator, which validates what it gets.

use serde_json::{Value, json};

use crate::support::{Client, Gateway, WEB};

const CARD: &str = "01450253313";

fn cards() -> Value {
    json!([{"smartcard_ca_id": CARD}])
}

/// Calls a method with the request processed immediately.
async fn now(client: &Client, path: &str, mut body: Value) -> Value {
    body["process_immediately"] = true.into();
    client.post(path, body).await.data()
}

/// The entries of parameters_set, without the ids.
fn parameters(record: &Value) -> Value {
    let items = record["parameters_set"].as_array().unwrap().iter();
    items
        .flat_map(|item| item.as_object().unwrap())
        .filter(|(name, _)| *name != "id")
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

#[tokio::test]
async fn every_type_is_sent_as_its_schema_wants_it() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let bark = json!({"smartcard_set": cards(), "message": "héllo <&>", "display_duration": 5,
        "star_indication_date_time": "2026-11-21T20:00:00", "repetition_count": 3, "repetition_interval": 20});
    let without = |keys: &[&str]| {
        let mut body = bark.clone();
        keys.iter().for_each(|key| drop(body.as_object_mut().unwrap().remove(*key)));
        body
    };
    for (path, body, expected) in [
        (
            "add_subscriptions",
            json!({"smartcard_set": cards(), "service_ca_id": "00000123"}),
            vec!["<ns1:ProductId>00000123<"],
        ),
        ("get_active_subscriptions", json!({"smartcard_ca_id": CARD}), vec!["<ns1:CaClientId>01450253313<"]),
        (
            "cancel_subscriptions",
            json!({"smartcard_set": cards(), "service_ca_id": "123"}),
            vec!["<ns1:ProductId>123<"],
        ),
        (
            "create_pairing",
            json!({"smartcard_set": cards(), "stb_set": [{"stb_ca_id": "b1"}]}),
            vec!["<ns1:PairingModuleId>b1<"],
        ),
        (
            "add_to_existing_pairing",
            json!({"existing_smartcard_ca_id": CARD, "stb_set": [{"stb_ca_id": "b2"}]}),
            vec!["<ns1:CaClientId>01450253313<", "<ns1:PairingModuleId>b2<"],
        ),
        ("get_pairing_status_for_card", json!({"smartcard_ca_id": CARD}), vec![]),
        ("get_pairing_status_for_pairing_module", json!({"stb_ca_id": "b2"}), vec!["<ns1:PairingModuleId>b2<"]),
        ("display_fingerprint", json!({"smartcard_set": cards()}), vec!["<ns1:CaClientId>"]),
        (
            "display_fingerprint",
            json!({"smartcard_set": cards(), "display_date_time": "2026-11-21T20:00:00Z", "display_duration": 9,
                "position_x": 0, "position_y": 7, "height": 8, "fingerprint_slot": "s"}),
            vec![
                "<ns1:DisplayTime>2026-11-21T20:00:00<",
                "<ns1:DisplayDurationInSeconds>9<",
                "<ns1:PositionX>0<",
                "<ns1:PositionY>7<",
                "<ns1:Height>8<",
                "<ns1:FingerprintSlot>s<",
            ],
        ),
        ("update_ca_pin_to_default_value", json!({"smartcard_set": cards()}), vec![]),
        ("update_ca_pin_to_given_value", json!({"smartcard_set": cards(), "ca_pin": "0042"}), vec!["<ns1:CaPin>****<"]),
        (
            "send_mail_message_to_client",
            without(&["display_duration", "repetition_count", "repetition_interval"]),
            vec![
                "<ns1:Message>héllo &lt;&amp;&gt;<",
                "<ns1:StartIndicationTime>2026-11-21T20:00:00<",
                "<ns1:SequenceNumber>11<",
            ],
        ),
        (
            "send_bark_message_to_client",
            without(&["display_duration", "star_indication_date_time", "repetition_count", "repetition_interval"]),
            vec!["<ns1:DisplayDurationInSeconds>20<", "<ns1:SequenceNumber>12<"],
        ),
        (
            "send_repeating_bark_message_to_client",
            bark.clone(),
            vec!["<ns1:DisplayDurationInSeconds>5<", "<ns1:RepetitionCount>3<", "<ns1:RepetitionIntervalInSeconds>20<"],
        ),
    ] {
        let record = now(&client, &format!("{WEB}/{path}"), body).await;
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{path}: {record:#}");
        assert_eq!(record["type"], path.to_uppercase());
        let sent = record["request"].as_str().unwrap();
        for part in expected {
            assert!(sent.contains(part), "{path} has no {part}: {sent}");
        }
        assert_eq!(record["delivery"]["result"].is_null(), !path.starts_with("get_"), "{path}: {record:#}");
        assert_eq!(client.show(&record["number"]).await, record);
    }
}

#[tokio::test]
async fn renewing_belongs_to_the_other_family() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let body = json!({"service_identifier": {"code": "Silver"}, "smartcard_identifier": {"serial_number": "smrt20000055"},
        "start_date": "2026-12-01T00:00:00"});
    let record = now(&client, "conax_sms_sas/provisioning_requests/renew_subscriptions", body.clone()).await;
    assert_eq!((&record["type"], &record["life_cycle_state"]), (&json!("RENEW_SUBSCRIPTIONS"), &json!("COMPLETED")));
    assert!(record["request"].as_str().unwrap().contains("<ns1:StartTime>2026-12-01T00:00:00<"));
    client.call("renew_subscriptions", body).await.assert_error(404, "METHOD_NOT_FOUND", "");
}

#[tokio::test]
async fn queries_tell_what_conax_knows_typed_by_the_schema() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let ask = async |method: &str, body: Value| {
        now(&client, &format!("{WEB}/{method}"), body).await["delivery"]["result"].clone()
    };
    let none = ask("get_active_subscriptions", json!({"smartcard_ca_id": CARD})).await;
    assert_eq!(none, json!({"Subscriptions": {"Subscription": []}}));
    let body = json!({"smartcard_set": cards(), "service_ca_id": "00000123", "start_date": "2026-01-01T00:00:00"});
    now(&client, &format!("{WEB}/add_subscriptions"), body).await;
    let one = ask("get_active_subscriptions", json!({"smartcard_ca_id": CARD})).await;
    let row = json!({"ProductId": "00000123", "StartTime": "2026-01-01T00:00:00", "EndTime": null});
    assert_eq!(one, json!({"Subscriptions": {"Subscription": [row]}}));
    let unpaired = ask("get_pairing_status_for_card", json!({"smartcard_ca_id": CARD})).await;
    assert_eq!(unpaired, json!({"PairingStatus": "NOT_PAIRED", "PairingModuleIds": {"PairingModuleId": []}}));
    client.pair_now(CARD).await;
    let paired = ask("get_pairing_status_for_card", json!({"smartcard_ca_id": CARD})).await;
    assert_eq!(paired, json!({"PairingStatus": "PAIRED", "PairingModuleIds": {"PairingModuleId": ["9000000001"]}}));
    let stb = ask("get_pairing_status_for_pairing_module", json!({"stb_ca_id": "9000000001"})).await;
    assert_eq!(stb, json!({"PairingStatus": "PAIRED", "CaClientIds": {"CaClientId": [CARD]}}));
}

#[tokio::test]
async fn parameters_keep_their_type() {
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    let record =
        client.call("send_bark_message_to_client", json!({"smartcard_set": cards(), "message": "12"})).await.data();
    let expected = json!({"message": "12", "display_duration": 20, "star_indication_date_time": null,
        "smartcard_ca_id": CARD});
    assert_eq!(parameters(&record), expected);
    let body = json!({"smartcard_set": cards(), "service_ca_id": "1"});
    let record = client.call("add_subscriptions", body).await.data();
    // The catalogue does not know the card: it has this id of its own, in every gateway.
    let own = "2F3349682A527B22CE37EFA8782B1570";
    let expected = json!({"service_ca_id": "1", "smartcard_ca_id": CARD, "sub_provisioning_distribution_id": own});
    assert_eq!(parameters(&record), expected);
    let record = client.pair(CARD, json!({})).await.data();
    assert_eq!(parameters(&record)["smartcard_sub_provisioning_distribution_id"], own);
    assert_ne!(parameters(&record)["stb_sub_provisioning_distributor_id"], own);
    assert_eq!(record["request"], Value::Null, "nothing was sent");
}

#[tokio::test]
async fn every_fault_of_every_type_names_its_place() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let message = |text: usize| json!({"smartcard_set": cards(), "message": "é".repeat(text)});
    let with = |mut body: Value, more: Value| {
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        body
    };
    let repeating =
        |more: Value| with(with(message(1), json!({"repetition_count": 1, "repetition_interval": 10})), more);
    let missing = "MISSING_PARAMETER";
    let invalid = "INVALID_PARAMETER";
    for (method, body, code, place) in [
        ("add_subscriptions", json!({"smartcard_set": cards()}), missing, "$.service_identifier"),
        ("add_subscriptions", json!({"service_ca_id": "1"}), missing, "$.smartcard_identifier"),
        (
            "add_subscriptions",
            json!({"smartcard_set": cards(), "service_ca_id": "1", "service_identifier": {"id": "1"}}),
            "CONFLICTING_PARAMETERS",
            "$.service_ca_id",
        ),
        ("add_subscriptions", json!({"smartcard_set": cards(), "service_ca_id": "x"}), invalid, "$.service_ca_id"),
        ("add_subscriptions", json!({"smartcard_set": cards(), "service_ca_id": 1}), invalid, "$.service_ca_id"),
        ("get_active_subscriptions", json!({}), missing, "$.smartcard_ca_id"),
        ("get_active_subscriptions", json!({"smartcard_ca_id": "9".repeat(65)}), invalid, "$.smartcard_ca_id"),
        ("get_pairing_status_for_card", json!({"smartcard_ca_id": 7}), invalid, "$.smartcard_ca_id"),
        ("get_pairing_status_for_pairing_module", json!({"stb_ca_id": null}), missing, "$.stb_ca_id"),
        ("add_to_existing_pairing", json!({"stb_set": [{"stb_ca_id": "1"}]}), missing, "$.existing_smartcard_ca_id"),
        ("add_to_existing_pairing", json!({"existing_smartcard_ca_id": "1", "stb_set": []}), invalid, "$.stb_set"),
        ("display_fingerprint", json!({"smartcard_set": cards(), "height": -1}), invalid, "$.height"),
        ("display_fingerprint", json!({"smartcard_set": cards(), "position_x": "1"}), invalid, "$.position_x"),
        (
            "display_fingerprint",
            json!({"smartcard_set": cards(), "display_duration": 1.5}),
            invalid,
            "$.display_duration",
        ),
        (
            "display_fingerprint",
            json!({"smartcard_set": cards(), "display_date_time": "now"}),
            invalid,
            "$.display_date_time",
        ),
        (
            "display_fingerprint",
            json!({"smartcard_set": cards(), "fingerprint_slot": ""}),
            invalid,
            "$.fingerprint_slot",
        ),
        ("update_ca_pin_to_default_value", json!({}), missing, "$.smartcard_set"),
        ("update_ca_pin_to_given_value", json!({"smartcard_set": cards()}), missing, "$.ca_pin"),
        ("update_ca_pin_to_given_value", json!({"smartcard_set": cards(), "ca_pin": "12x4"}), invalid, "$.ca_pin"),
        ("update_ca_pin_to_given_value", json!({"smartcard_set": cards(), "ca_pin": 1234}), invalid, "$.ca_pin"),
        ("send_mail_message_to_client", message(142), invalid, "$.message"),
        ("send_mail_message_to_client", message(0), invalid, "$.message"),
        (
            "send_mail_message_to_client",
            with(message(1), json!({"display_duration": 1})),
            invalid,
            "$.display_duration",
        ),
        ("send_bark_message_to_client", message(130), invalid, "$.message"),
        (
            "send_bark_message_to_client",
            with(message(1), json!({"display_duration": 0})),
            invalid,
            "$.display_duration",
        ),
        ("send_repeating_bark_message_to_client", message(1), missing, "$.repetition_count"),
        (
            "send_repeating_bark_message_to_client",
            repeating(json!({"repetition_interval": null})),
            missing,
            "$.repetition_interval",
        ),
        (
            "send_repeating_bark_message_to_client",
            repeating(json!({"repetition_interval": 15})),
            invalid,
            "$.repetition_interval",
        ),
        (
            "send_repeating_bark_message_to_client",
            repeating(json!({"repetition_interval": 2560})),
            invalid,
            "$.repetition_interval",
        ),
        (
            "send_repeating_bark_message_to_client",
            repeating(json!({"repetition_count": 0})),
            invalid,
            "$.repetition_count",
        ),
        (
            "send_repeating_bark_message_to_client",
            repeating(json!({"repetition_count": 9_999_999_999_i64})),
            invalid,
            "$.repetition_count",
        ),
    ] {
        let answer = client.call(method, body.clone()).await;
        assert_eq!((answer.code(), answer.place()), (code, place), "{method} {body}");
        answer.assert_error(400, code, place);
        assert!(!answer.json.to_string().contains("12x4"), "a PIN is never repeated");
    }
    let list = client.get(&format!("{WEB}/list?life_cycle_state=PENDING")).await.data();
    assert_eq!(list, json!([]), "nothing of it was accepted");
    for (method, length) in [("send_mail_message_to_client", 141), ("send_bark_message_to_client", 129)] {
        now(&client, &format!("{WEB}/{method}"), message(length)).await;
    }
}
