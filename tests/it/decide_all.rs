//! A decision about all requests that a filter finds: counted, then carried out for exactly those.

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, answer_to, run};

async fn ask(client: &Client, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("{}/inspector/api/matches{path}", client.url);
    let asked = match body {
        None => client.http.get(url),
        Some(body) => client.http.post(url).header("content-type", "application/json").body(body.to_string()),
    };
    let answer = asked.bearer_auth(&client.token).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

async fn numbers(client: &Client, query: &str) -> Vec<i64> {
    let (status, answer) = ask(client, query, None).await;
    assert_eq!((status, &answer["data"]["is_cut"]), (200, &json!(false)), "{answer}");
    answer["data"]["numbers"].as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

async fn start() -> (Gateway, Client) {
    let conax = Conax::start(|_, request| Reaction::Write(answer_to(request, "CLIENT_NOT_FOUND", ""))).await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    for card in ["1", "2"] {
        client.pair_now(card).await;
    }
    for card in ["1", "2", "3"] {
        client.pair(card, json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    }
    (gateway, client)
}

#[tokio::test]
async fn what_was_counted_is_decided_about_each_with_its_history_and_its_own_no() {
    let (_gateway, client) = start().await;
    assert_eq!(numbers(&client, "?q=card:1,2&decision=cancel").await, [3, 4]);
    assert_eq!(numbers(&client, "?decision=again").await, [1, 2]);
    assert_eq!(numbers(&client, "?q=state:pending&decision=again").await, [] as [i64; 0]);
    for (query, body, place) in [
        ("?decision=note", None, "$.decision"),
        ("/cancel", Some(json!({"numbers": "3", "reason": " "})), "$.reason"),
        ("/cancel", Some(json!({"numbers": "3,x", "reason": "r"})), "$.numbers"),
    ] {
        let (status, answer) = ask(&client, query, body).await;
        assert!(status == 400 && answer.to_string().contains(place), "{answer}");
    }
    // The third request has ended meanwhile.
    let (status, answer) = ask(&client, "/cancel", Some(json!({"numbers": "1,3,4", "reason": "withdrawn"}))).await;
    assert_eq!((status, &answer["data"]["done"]), (200, &json!(2)), "{answer}");
    assert_eq!(answer["data"]["refused"], json!([{"number": 1, "message": "request 1: it has ended"}]));
    assert_eq!(numbers(&client, "?decision=cancel").await, [5], "no other one was touched");
    let (_, answer) = ask(&client, "/again", Some(json!({"numbers": "1,2", "reason": "they are there now"}))).await;
    assert_eq!(answer["data"], json!({"done": 2, "refused": []}));
    let url = format!("{}/inspector/api/exchanges/2", client.url);
    let shown = client.http.get(url).bearer_auth(&client.token).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("RESUBMITTED") && shown.contains("they are there now"), "{shown}");
}

#[tokio::test]
async fn only_operators_decide_about_many() {
    let (gateway, client) = start().await;
    let data = gateway.data_dir();
    let added = crate::support::run_with_input(
        &["user", "add", "reader", "--role", "read", "--data-dir", &data],
        "reader-password\n",
    );
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let body = json!({"username": "reader", "password": "reader-password"});
    let signed_in = client.http.post(format!("{}/inspector/api/session", client.url)).body(body.to_string());
    let signed_in = signed_in.header("content-type", "application/json").header("x-conax-gateway-inspector", "1");
    let cookie = signed_in.send().await.unwrap().headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let asked = client.http.get(format!("{}/inspector/api/matches?decision=cancel", client.url));
    assert_eq!(asked.header("cookie", cookie).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn the_terminal_does_the_same_and_asks_before() {
    let (gateway, _client) = start().await;
    let data = gateway.data_dir();
    let command = |args: &[&str]| {
        let output = run(&[args, &["--reason", "withdrawn", "--user", "night", "--data-dir", &data]].concat());
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (is_done, said) = command(&["requests", "cancel", "--all-matching", "state:pending card:1"]);
    assert!(!is_done && said.contains("1 request, numbers 3 to 3") && said.contains("--yes"), "{said}");
    let cancel = ["requests", "cancel", "--all-matching", "state:pending -card:3", "--yes", "--json"];
    let (is_done, said) = command(&cancel);
    assert!(is_done, "{said}");
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!({"done": 2, "refused": []}));
    assert!(!command(&cancel).0, "none is left");
    let (is_done, said) = command(&["requests", "again", "--all-matching", "fault:CLIENT_NOT_FOUND", "--yes"]);
    assert!(is_done && said.contains("2 done, 0 not"), "{said}");
    assert!(!command(&["requests", "retry"]).0, "a number, or a filter");
    assert!(command(&["requests", "retry", "--all-matching", "stat:x", "--yes"]).1.contains("Did you mean state?"));
}
