//! Filters and paging of list.

use serde_json::{Value, json};

use crate::support::{Gateway, WEB};

fn numbers(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|r| r["number"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn filters_combine_and_pages_follow() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let mut references = Vec::new();
    for n in 0..5 {
        references.push(client.pair_now(&format!("0000000000{n}")).await["reference_number"].clone());
    }
    client.pair_now("bad-card").await;
    client.pair("00000000000", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let list = async |query: &str| client.get(&format!("{WEB}/list?{query}")).await.data();

    assert_eq!(numbers(&list("life_cycle_state=COMPLETED").await), ["1", "2", "3", "4", "5"]);
    assert_eq!(numbers(&list("life_cycle_state=REJECTED").await), ["6"]);
    assert_eq!(numbers(&list("type=CREATE_PAIRING&life_cycle_state=PENDING").await), ["7"]);
    assert_eq!(numbers(&list("type=ADD_SUBSCRIPTIONS").await), Vec::<&str>::new());
    assert_eq!(numbers(&list("smartcard_ca_id=00000000000").await), ["1", "7"]);
    assert_eq!(numbers(&list("stb_ca_id=9000000001&number_of_results=2&offset=1").await), ["2", "3"]);
    assert_eq!(numbers(&list("smartcard_ca_id=00000000000&stb_ca_id=9000000001&after=1").await), ["7"]);
    assert_eq!(numbers(&list("type=CREATE_PAIRING&after=4&number_of_results=2").await), ["5", "6"]);
    assert_eq!(numbers(&list("type=CREATE_PAIRING&offset=6").await), ["7"]);
    assert_eq!(numbers(&list("type=CREATE_PAIRING&number_of_results=0").await), Vec::<&str>::new());
    let third = references[2].as_str().unwrap();
    assert_eq!(numbers(&list(&format!("reference_number={third}")).await), ["3"]);
    assert_eq!(
        numbers(&list(&format!("reference_number={third}&smartcard_ca_id=00000000001")).await),
        Vec::<&str>::new()
    );
    assert_eq!(
        client.get("conax_sms_sas/provisioning_requests/list?type=CREATE_PAIRING").await.data(),
        json!([]),
        "a family sees its own records only"
    );
}

#[tokio::test]
async fn wrong_filters_are_refused() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    for (query, code, place) in [
        ("", "MISSING_PARAMETER", "$"),
        ("type=PAIRING", "INVALID_PARAMETER", "$.type"),
        ("life_cycle_state=DONE", "INVALID_PARAMETER", "$.life_cycle_state"),
        ("type=CREATE_PAIRING&number_of_results=1001", "INVALID_PARAMETER", "$.number_of_results"),
        ("type=CREATE_PAIRING&number_of_results=x", "INVALID_PARAMETER", "$.number_of_results"),
        ("type=CREATE_PAIRING&offset=-1", "INVALID_PARAMETER", "$.offset"),
        ("type=CREATE_PAIRING&after=99999999999999999999", "INVALID_PARAMETER", "$.after"),
        ("type=CREATE_PAIRING&fields_set=id,nummer", "INVALID_PARAMETER", "$.fields_set"),
        ("type=CREATE_PAIRING&type=CREATE_PAIRING", "INVALID_PARAMETER", "$.type"),
        ("type=CREATE_PAIRING&state=PENDING", "INVALID_PARAMETER", "$.state"),
        ("type=%FF", "INVALID_PARAMETER", "$"),
    ] {
        client.get(&format!("{WEB}/list?{query}")).await.assert_error(400, code, place);
    }
    client.get(&format!("{WEB}/list?type=RENEW_SUBSCRIPTIONS")).await.assert_error(400, "INVALID_PARAMETER", "$.type");
    let other = "conax_sms_sas/provisioning_requests/list?type=DISPLAY_FINGERPRINT";
    client.get(other).await.assert_error(400, "INVALID_PARAMETER", "$.type");
    let other = "conax_sms_sas/provisioning_requests/list?reference_number=1";
    client.get(other).await.assert_error(400, "INVALID_PARAMETER", "$.reference_number");
    for (identifier, status, code, place) in [
        ("number=99", 404, "NOT_FOUND", "$.provisioning_request_identifier.number"),
        ("number=x", 404, "NOT_FOUND", "$.provisioning_request_identifier.number"),
        ("id=99", 404, "NOT_FOUND", "$.provisioning_request_identifier.id"),
        ("99", 400, "INVALID_PARAMETER", "$.provisioning_request_identifier"),
        ("name=99", 400, "INVALID_PARAMETER", "$.provisioning_request_identifier.name"),
        ("{\"id\":\"1\",\"number\":\"1\"}", 400, "CONFLICTING_PARAMETERS", "$.provisioning_request_identifier"),
    ] {
        let answer = client.get(&format!("{WEB}/show?provisioning_request_identifier={identifier}")).await;
        answer.assert_error(status, code, place);
    }
}
