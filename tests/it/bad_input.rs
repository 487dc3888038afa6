//! Any input of a client ends in a clear error that names the place, or in a correct SOAP message.

use conax_gateway::xml::{Limits, parse};
use serde_json::{Value, json};

use crate::support::{Gateway, WEB};

#[tokio::test]
async fn every_fault_names_its_place() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let card = json!([{"smartcard_ca_id": "01450253313"}]);
    let stb = json!([{"stb_ca_id": "1"}]);
    let long = "9".repeat(65);
    for (body, code, place) in [
        (json!({"stb_set": stb}), "MISSING_PARAMETER", "$.smartcard_set"),
        (json!({"smartcard_set": null, "stb_set": stb}), "MISSING_PARAMETER", "$.smartcard_set"),
        (json!({"smartcard_set": [], "stb_set": stb}), "INVALID_PARAMETER", "$.smartcard_set"),
        (json!({"smartcard_set": {}, "stb_set": stb}), "INVALID_PARAMETER", "$.smartcard_set"),
        (json!({"smartcard_set": "x", "stb_set": stb}), "INVALID_PARAMETER", "$.smartcard_set"),
        (json!({"smartcard_set": ["x"], "stb_set": stb}), "INVALID_PARAMETER", "$.smartcard_set[0]"),
        (json!({"smartcard_set": [{}], "stb_set": stb}), "MISSING_PARAMETER", "$.smartcard_set[0].smartcard_ca_id"),
        (json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": 1}]}), "INVALID_PARAMETER", "$.stb_set[0].stb_ca_id"),
        (json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": ""}]}), "INVALID_PARAMETER", "$.stb_set[0].stb_ca_id"),
        (
            json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": "1"}, {"stb_ca_id": long}]}),
            "INVALID_PARAMETER",
            "$.stb_set[1].stb_ca_id",
        ),
        (
            json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": long}]}),
            "INVALID_PARAMETER",
            "$.stb_set[0].stb_ca_id",
        ),
        (
            json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": "a\u{0}b"}]}),
            "INVALID_PARAMETER",
            "$.stb_set[0].stb_ca_id",
        ),
        (
            json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": "a\u{FFFF}"}]}),
            "INVALID_PARAMETER",
            "$.stb_set[0].stb_ca_id",
        ),
        (
            json!({"smartcard_set": [{"smartcard_ca_id": "1"}, {"smartcard_ca_id": "1"}], "stb_set": stb}),
            "INVALID_PARAMETER",
            "$.smartcard_set[1].smartcard_ca_id",
        ),
        (json!({"smartcard_set": card, "stb_set": stb, "prioriti": "X"}), "INVALID_PARAMETER", "$.prioriti"),
        (
            json!({"smartcard_set": [{"smartcard_ca_id": "1", "id": "2"}], "stb_set": stb}),
            "INVALID_PARAMETER",
            "$.smartcard_set[0].id",
        ),
        (json!({"smartcard_set": card, "stb_set": stb, "priority": "HIGH"}), "INVALID_PARAMETER", "$.priority"),
        (
            json!({"smartcard_set": card, "stb_set": stb, "process_immediately": "yes"}),
            "INVALID_PARAMETER",
            "$.process_immediately",
        ),
        (
            json!({"smartcard_set": card, "stb_set": stb, "scheduled_date": "tomorrow"}),
            "INVALID_PARAMETER",
            "$.scheduled_date",
        ),
        (
            json!({"smartcard_set": card, "stb_set": stb, "scheduled_date": "9000-01-01T00:00:00", "process_immediately": true}),
            "CONFLICTING_PARAMETERS",
            "$.scheduled_date",
        ),
        (
            json!({"smartcard_set": card, "stb_set": stb, "subscription_identifier": {"id": "1", "number": "2"}}),
            "CONFLICTING_PARAMETERS",
            "$.subscription_identifier",
        ),
        (
            json!({"smartcard_set": card, "stb_set": stb, "subscription_identifier": {}}),
            "MISSING_PARAMETER",
            "$.subscription_identifier",
        ),
    ] {
        let answer = client.post(&format!("{WEB}/create_pairing"), body).await;
        answer.assert_error(400, code, place);
    }
    let body = json!({"smartcard_sets": card, "smartcard_set": card, "stb_set": stb});
    let unknown = client.post(&format!("{WEB}/create_pairing"), body).await;
    let message = unknown.json["status"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("Did you mean smartcard_set?"), "{message}");
}

/// Spellings of clients that differ from the documents, and have a single meaning.
#[tokio::test]
async fn other_ways_to_write_the_same_are_understood() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let set = json!({"smartcard_set": [{"smartcard_ca_id": "01450253313"}], "stb_set": [{"stb_ca_id": "1"}]});
    let mut body = set.clone();
    body["token"] = client.token.as_str().into();
    body["priority"] = "Express".into();
    body["process_immediately"] = true.into();
    let record = client.post_raw(&format!("{WEB}/create_pairing"), format!("\u{FEFF}{body}")).await.data();
    assert_eq!(record["priority"], "EXPRESS");
    for query in [
        "provisioning_request_identifier[number]=1",
        "provisioning_request_identifier%5Bnumber%5D=1",
        "provisioning_request_identifier=%7B%22number%22%3A%221%22%7D",
        "provisioning_request_identifier[number]=1&fields_set[0]=id&fields_set[1]=number",
        "provisioning_request_identifier[number]=1&fields_set=id,number",
    ] {
        let shown = client.get(&format!("{WEB}/show?{query}")).await.data();
        assert_eq!(shown["id"], record["id"], "{query}");
        assert_eq!(shown.as_object().unwrap().len() == 2, query.contains("fields_set"), "{query}");
    }
    let listed = client.get(&format!("{WEB}/list?type=create_pairing&life_cycle_state=Completed")).await.data();
    assert_eq!(listed[0]["id"], record["id"]);
    for (query, place) in [
        ("provisioning_request_identifier[numbr]=1", "$.provisioning_request_identifier.numbr"),
        ("provisioning_request_identifier[number][x]=1", "$.provisioning_request_identifier.number"),
    ] {
        client.get(&format!("{WEB}/show?{query}")).await.assert_error(400, "INVALID_PARAMETER", place);
    }
    let mut unlike = set.clone();
    unlike["foo"] = 1.into();
    let answer = client.post(&format!("{WEB}/create_pairing"), unlike).await;
    assert_eq!(answer.json["status"]["message"], "foo is not a parameter here.", "no guess");
    let answer = client.get(&format!("{WEB}/list?life_cycle_state=DONE")).await;
    let message = answer.json["status"]["message"].as_str().unwrap();
    assert_eq!(message, "life_cycle_state must be one of PENDING, COMPLETED, REJECTED.");
}

#[tokio::test]
async fn broken_bodies_are_refused() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let path = format!("{WEB}/create_pairing");
    for body in ["", "{", "[]", "null", "{\"token\":\"\\ud800\"}", "{\"a\":1,\"a\":2}", "\u{FEFF}", "{} {}"] {
        let answer = client.post_raw(&path, body).await;
        answer.assert_error(400, "MALFORMED_JSON", "");
        assert!(answer.json["status"]["message"].as_str().unwrap().contains("(line 1, column"));
    }
    client.post_raw(&path, b"\xFF\xFE".to_vec()).await.assert_error(400, "MALFORMED_JSON", "");
    client.post_raw(&path, vec![b' '; 2 << 20]).await.assert_error(413, "PAYLOAD_TOO_LARGE", "");
    let form = client.http.post(client.address(&path)).header("content-type", "text/plain").body("{}");
    assert_eq!(form.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn routes_that_do_not_exist() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    client.get(&format!("{WEB}/shows")).await.assert_error(404, "METHOD_NOT_FOUND", "");
    let answer = client.get(&format!("{WEB}/create_pairing")).await;
    answer.assert_error(405, "METHOD_NOT_ALLOWED", "");
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(answer.headers["x-request-id"].len(), 32);
}

#[tokio::test]
async fn errors_may_all_be_200() {
    let (_gateway, client) = Gateway::start_signed_in(&[("server.http_status", "always_200")]).await;
    client.get(&format!("{WEB}/shows")).await.assert_error(200, "METHOD_NOT_FOUND", "");
}

#[tokio::test]
async fn text_of_any_kind_arrives_at_conax_unchanged() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    for text in [
        "]]>",
        "&#0;",
        "\"'<>&",
        "<a/>",
        "<!--",
        "<![CDATA[x]]>",
        "&amp;",
        "a\r\nb",
        "a\tb",
        " ",
        "é€\u{1F600}",
        "\u{85}\u{2028}",
        "\u{7F}",
        "%00",
        "\\u0000",
        "${x}",
        "--",
        "?>",
    ] {
        let body = json!({"process_immediately": true, "smartcard_set": [{"smartcard_ca_id": "01450253313"}], "stb_set": [{"stb_ca_id": text}]});
        let record = client.post(&format!("{WEB}/create_pairing"), body).await.data();
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{text:?}: {record:#}");
        let sent = parse(record["request"].as_str().unwrap(), Limits::default()).unwrap();
        let mut element = &sent;
        while let Some(last) = element.elements().last() {
            element = last;
        }
        assert_eq!(element.text(), text);
        assert_eq!(client.show(&record["number"]).await, record);
    }
}

#[tokio::test]
async fn ten_thousand_elements() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let cards: Vec<Value> = (0..10_000).map(|n| json!({"smartcard_ca_id": format!("{n:011}")})).collect();
    let body = json!({"process_immediately": true, "smartcard_set": cards, "stb_set": [{"stb_ca_id": "1"}]});
    let record = client.post(&format!("{WEB}/create_pairing"), body).await.data();
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    assert_eq!(record["request"].as_str().unwrap().matches("<ns1:CaClientId>").count(), 10_000);
    assert_eq!(record["parameters_set"].as_array().unwrap().len(), 20_002);
}
