//! Tokens and keys, roles, and what is never shown.

use base64::Engine as _;
use serde_json::json;

use crate::support::{Client, Gateway, PASSWORD, USER, WEB, eventually, run, run_with_input};

#[tokio::test]
async fn a_password_gives_a_token_that_can_be_released() {
    let (mut gateway, client) = Gateway::start_signed_in(&[]).await;
    assert!(client.token.len() == 32 && client.token.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
    let list = format!("{WEB}/list?type=CREATE_PAIRING");
    assert_eq!(client.get(&list).await.data(), json!([]));
    assert_eq!(client.post("authentication/token/release", json!({})).await.data(), json!({}));
    client.get(&list).await.assert_error(401, "INVALID_TOKEN", "");
    let log = gateway.last_log().await;
    assert!(!log.contains(&client.token) && !log.contains(PASSWORD), "a secret is in the log");
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    for (username, password) in [(USER, "wrong"), ("nobody", PASSWORD)] {
        let body = json!({"username": username, "password": password, "organisation": "demo"});
        client.post_raw("authentication/token", body.to_string()).await.assert_error(401, "INVALID_CREDENTIALS", "");
    }
    let body = json!({"username": USER, "password": PASSWORD});
    let answer = client.post_raw("authentication/token", body.to_string()).await;
    answer.assert_error(400, "MISSING_PARAMETER", "$.organisation");
    let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo", "unit": "other"});
    client.post_raw("authentication/token", body.to_string()).await.assert_error(400, "INVALID_PARAMETER", "$.unit");
}

/// RFC 9110, 15.5.2.
#[tokio::test]
async fn every_401_says_how_to_sign_in() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let sign_in = json!({"username": USER, "password": "wrong", "organisation": "demo"}).to_string();
    let list = format!("{WEB}/list?type=CREATE_PAIRING&token=wrong");
    for (answer, challenge) in [
        (client.get_raw(&list).await, "Bearer realm=\"conax-gateway\", error=\"invalid_token\""),
        (client.post_raw("authentication/token", sign_in).await, "Bearer realm=\"conax-gateway\""),
        (
            client.post_raw("authentication/web_api_key/token", "").await,
            "Basic realm=\"conax-gateway\", charset=\"UTF-8\"",
        ),
    ] {
        assert_eq!((answer.status, answer.headers["www-authenticate"].to_str().unwrap()), (401, challenge));
    }
}

#[tokio::test]
async fn a_token_may_come_as_bearer_but_not_differ() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let list = client.address(&format!("{WEB}/list?type=CREATE_PAIRING"));
    let status = |url: String, bearer: &str| {
        let request = client.http.get(url).header("authorization", format!("Bearer {bearer}"));
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(status(list.clone(), &client.token).await, 200);
    assert_eq!(status(format!("{list}&token={}", client.token), &client.token).await, 200);
    assert_eq!(status(format!("{list}&token={}", client.token), "other").await, 400);
    assert_eq!(status(list.clone(), "other").await, 401);
    client.get_raw(&format!("{WEB}/list?type=CREATE_PAIRING")).await.assert_error(400, "MISSING_PARAMETER", "$.token");
}

#[tokio::test]
async fn roles_and_keys() {
    let gateway = Gateway::start(&[]).await;
    let data = gateway.data_dir();
    let add = ["user", "add", "reader", "--role", "read", "--unit-name", "Night shift", "--data-dir", &data];
    let added = run_with_input(&add, "reader-password\n");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let key = run(&["key", "add", "reader", "--name", "crm", "--data-dir", &data]);
    let key = String::from_utf8(key.stdout).unwrap().trim().to_owned();

    let mut client = Client::sign_in(&gateway.url).await;
    let url = client.address("authentication/web_api_key/token");
    let basic = |user: &str, password: &str| client.http.post(&url).basic_auth(user, Some(password)).send();
    let answer: serde_json::Value =
        serde_json::from_slice(&basic(&key, "").await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(basic(&key, "x").await.unwrap().status(), 401);
    // Some clients send the key alone, without the colon that ends a user name.
    let alone = base64::engine::general_purpose::STANDARD.encode(&key);
    let request = client.http.post(&url).header("authorization", format!("Basic {alone}"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(basic("other", "").await.unwrap().status(), 401);
    client.token = answer["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&format!("{WEB}/list?type=CREATE_PAIRING")).await.data(), json!([]));
    client.pair("01450253313", json!({})).await.assert_error(403, "FORBIDDEN", "");

    let keys = String::from_utf8(run(&["key", "list", "--data-dir", &data]).stdout).unwrap();
    assert!(keys.contains("crm") && !keys.contains(&key));
    assert!(run(&["user", "remove", "reader", "--data-dir", &data]).status.success());
    assert_eq!(basic_status(&client, &url, &key).await, 401);
    let body = json!({"username": "reader", "password": "reader-password", "organisation": "demo"});
    client.post_raw("authentication/token", body.to_string()).await.assert_error(401, "INVALID_CREDENTIALS", "");
}

async fn basic_status(client: &Client, url: &str, key: &str) -> u16 {
    client.http.post(url).basic_auth(key, Some("")).send().await.unwrap().status().as_u16()
}

async fn try_password(http: &reqwest::Client, url: &str, username: &str, password: &str) -> (u16, Option<u64>) {
    let body = json!({"username": username, "password": password, "organisation": "demo"}).to_string();
    let request = http.post(format!("{url}/crmapi/rest/v2/authentication/token")).body(body);
    let response = request.header("content-type", "application/json").send().await.unwrap();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), retry_after)
}

#[tokio::test]
async fn who_guesses_a_password_has_to_pause_and_its_owner_gets_in_from_elsewhere() {
    let gateway = Gateway::start(&[]).await;
    conax_gateway::tls::install_provider();
    let from = |address: [u8; 4]| {
        reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from(address)).build().unwrap()
    };
    let (here, elsewhere) = (from([127, 0, 0, 1]), from([127, 0, 0, 2]));
    // A name that does not exist is treated alike.
    for username in [USER, "nobody"] {
        for _ in 0..5 {
            assert_eq!(try_password(&here, &gateway.url, username, "guess").await, (401, None));
        }
        let (status, retry_after) = try_password(&here, &gateway.url, username, "guess").await;
        assert_eq!((status, retry_after), (429, Some(1)), "{username}");
    }
    assert_eq!(try_password(&elsewhere, &gateway.url, USER, PASSWORD).await.0, 200);
    // Refused attempts do not make the pause longer: else these would make it hours.
    eventually(async || (try_password(&here, &gateway.url, USER, PASSWORD).await.0 == 200).then_some(())).await;
}

#[tokio::test]
async fn a_flood_of_guesses_leaves_room_for_who_signed_in_before() {
    let (gateway, client) = Gateway::start_signed_in(&[]).await;
    let flood: Vec<_> = (0..40)
        .map(|n| {
            let (http, url) = (client.http.clone(), gateway.url.clone());
            tokio::spawn(async move {
                for guess in 0..1000 {
                    try_password(&http, &url, &format!("name-{n}-{guess}"), "guess").await;
                }
            })
        })
        .collect();
    for _ in 0..5 {
        assert_eq!(try_password(&client.http, &gateway.url, USER, PASSWORD).await.0, 200);
    }
    assert!(flood.iter().all(|guesses| !guesses.is_finished()), "it was a flood");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}
