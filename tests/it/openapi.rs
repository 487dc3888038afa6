//! `/openapi.json` says what there is: every method, with what it takes and answers.

use std::collections::BTreeSet;

use base64::Engine as _;
use conax_gateway::http::routes;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::support::{Conax, Gateway, Reaction, WEB, answer_to};

fn schema<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// The places of a value that contradict a schema; none if the value is valid. Knows only the keywords of our schemas.
fn differences(document: &Value, given: &Value, value: &Value, at: &str) -> Vec<String> {
    let given = schema(document, given);
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut found = Vec::new();
    let types = &given["type"];
    if !types.is_null() && types != kind && !types.as_array().is_some_and(|all| all.contains(&json!(kind))) {
        found.push(format!("{at}: {kind} is none of {types}"));
    }
    if given["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is not in {}", given["enum"]));
    }
    if given.get("const").is_some_and(|only| only != value) {
        found.push(format!("{at}: {value} is not {}", given["const"]));
    }
    if let Value::Object(members) = value {
        for name in given["required"].as_array().into_iter().flatten() {
            if members.get(name.as_str().unwrap()).is_none() {
                found.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, member) in members {
            let at = format!("{at}.{name}");
            match (given["properties"].get(name), given.get("additionalProperties")) {
                (Some(of_member), _) => found.extend(differences(document, of_member, member, &at)),
                (None, Some(Value::Bool(false))) => found.push(format!("{at} is not known")),
                (None, Some(others)) => found.extend(differences(document, others, member, &at)),
                (None, None) => {}
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(differences(document, &given["items"], item, &format!("{at}[{index}]")));
    }
    found
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let conax = Conax::start(|_, request| match request.body.contains("08000000001") {
        true => Reaction::Keep(answer_to(request, "OK", "")),
        false => Reaction::Keep(answer_to(request, "CLIENT_NOT_FOUND", "")),
    })
    .await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let document = client.http.get(format!("{}/openapi.json", gateway.url)).send().await.unwrap();
    assert_eq!(document.headers()["content-type"], "application/json");
    let document: Value = serde_json::from_str(&document.text().await.unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");

    let there: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let expected: BTreeSet<String> = routes().iter().map(|(_, path, _)| format!("/crmapi/rest/v2/{path}")).collect();
    assert_eq!(there, expected);

    let answers = [
        ("create_pairing", "post", client.pair("08000000001", json!({"process_immediately": true})).await),
        ("create_pairing", "post", client.pair("08000000002", json!({"process_immediately": true})).await),
        ("create_pairing", "post", client.pair("", json!({})).await),
        (
            "create_pairing",
            "post",
            client.post_raw(&format!("{WEB}/create_pairing"), json!({"token": "0"}).to_string()).await,
        ),
        (
            "show",
            "get",
            client.get(&format!("{WEB}/show?provisioning_request_identifier=number=1&fields_set=id,request")).await,
        ),
        ("show", "get", client.get(&format!("{WEB}/show?provisioning_request_identifier=number=9")).await),
        ("list", "get", client.get(&format!("{WEB}/list?type=CREATE_PAIRING")).await),
        ("list", "get", client.get(&format!("{WEB}/list")).await),
    ];
    let statuses: Vec<u16> = answers.iter().map(|(.., answer)| answer.status).collect();
    assert_eq!(statuses, [200, 200, 400, 401, 200, 404, 200, 400]);
    for (method, verb, answer) in answers {
        let operation = &document["paths"][format!("/crmapi/rest/v2/{WEB}/{method}")][verb];
        let response = schema(&document, &operation["responses"][answer.status.to_string()]);
        let said = &response["content"]["application/json"]["schema"];
        assert!(said.is_object(), "{method}: {} is not said", answer.status);
        assert_eq!(differences(&document, said, &answer.json, "$"), Vec::<String>::new(), "{method}");
        for (name, header) in response["headers"].as_object().unwrap() {
            assert!(header["required"] != true || answer.headers.contains_key(name.as_str()), "{method}: {name}");
        }
    }
}

/// The gateway refuses the bodies that a schema forbids, and the schema has every parameter that a call needs.
#[tokio::test]
async fn bodies_are_as_the_document_says() {
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    let document = client.http.get(format!("{}/openapi.json", gateway.url)).send().await.unwrap();
    let document: Value = serde_json::from_str(&document.text().await.unwrap()).unwrap();
    let body = |method: &str| {
        let operation = &document["paths"][format!("/crmapi/rest/v2/{WEB}/{method}")]["post"];
        operation["requestBody"]["content"]["application/json"]["schema"].clone()
    };
    let interval = &body("send_repeating_bark_message_to_client")["properties"]["repetition_interval"];
    assert_eq!(
        (&interval["minimum"], &interval["maximum"], &interval["multipleOf"]),
        (&json!(10), &json!(2550), &json!(10))
    );
    assert_eq!(body("send_mail_message_to_client")["properties"]["message"]["maxLength"], 141);
    for route in routes().into_iter().filter(|(verb, path, _)| *verb == "POST" && path.starts_with(WEB)) {
        let method = route.1.rsplit('/').next().unwrap();
        let body = body(method);
        for name in body["required"].as_array().unwrap() {
            // Nothing at all is refused for a parameter that is required.
            let name = name.as_str().unwrap();
            let answer = client.call(method, json!({})).await;
            assert_eq!(answer.code(), "MISSING_PARAMETER", "{method} without {name}");
        }
        assert_eq!(body["additionalProperties"], false);
        assert_eq!(client.call(method, json!({"unheard_of": 1})).await.status, 400, "{method}");
    }
}

/// The page has every method, and nothing that a browser would have to fetch or run.
#[tokio::test]
async fn the_page_shows_every_method_and_is_whole_in_itself() {
    let (gateway, client) = Gateway::start_signed_in(&[]).await;
    let answer = client.http.get(format!("{}/methods", gateway.url)).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (200, "text/html; charset=utf-8")
    );
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    for (verb, path, _) in routes() {
        assert!(page.contains(&format!("<code>{verb} /crmapi/rest/v2/{path}</code>")), "{path}");
    }
    for sought in ["smartcard_set", "MISSING_PARAMETER", "01450253313", "in steps of 10", "Idempotency-Key (header)"] {
        assert!(page.contains(sought), "{sought}");
    }
    for forbidden in ["<script", "http://", "https://", " src=", " style=", " on"] {
        let found =
            page.match_indices(forbidden).find(|(at, _)| forbidden != " on" || page[*at..].starts_with(" onclick"));
        assert!(found.is_none(), "{forbidden}");
    }
    let (_, style) = page.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert!(policy.contains(&format!("'sha256-{hash}'")), "the style is the one that the policy allows");
}
