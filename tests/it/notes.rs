//! Notes of operators about requests and passed-through exchanges: written on a page or the terminal, and found again.

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, answer_to, eventually, run};

const SERVICE: &str = "/ca-server/webservices/caclient/pairing";

async fn ask(client: &Client, path: &str) -> Value {
    let asked = client.http.get(format!("{}/inspector/api/{path}", client.url)).bearer_auth(&client.token);
    serde_json::from_slice(&asked.send().await.unwrap().bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn notes_stay_with_requests_and_exchanges_and_lead_to_them() {
    let conax = Conax::start(|_, request| Reaction::Write(answer_to(request, "OK", ""))).await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let number = client.pair_now("1").await["number"].clone();
    let body = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><p:CreatePairing \
                xmlns:p=\"http://www.conax.com/cas/xsd/pairing/v1\"><p:CreatePairingRequest><p:CaClientIds>\
                <p:CaClientId>0145</p:CaClientId></p:CaClientIds></p:CreatePairingRequest></p:CreatePairing>\
                </s:Body></s:Envelope>";
    let passed = client.http.post(format!("{}{SERVICE}", client.url)).header("content-type", "text/xml").body(body);
    passed.send().await.unwrap().bytes().await.unwrap();
    let id = eventually(async || {
        Some(ask(&client, "exchanges?q=state:passed").await["data"]["rows"][0]["id"].as_str()?.to_owned())
    })
    .await;

    // On the page.
    let write = async |id: &str, text: &str| {
        let written = client.http.post(format!("{}/inspector/api/exchanges/{id}/note", client.url));
        let written = written.bearer_auth(&client.token).header("x-conax-gateway-inspector", "1");
        let written = written.header("content-type", "application/json").body(json!({"reason": text}).to_string());
        written.send().await.unwrap().status().as_u16()
    };
    assert_eq!((write(&id, "<b>ticket 815</b>").await, write(&id, " ").await), (200, 400));
    assert_eq!(write("00000000000000000000000000000000", "x").await, 404);

    // On the terminal.
    let data = gateway.data_dir();
    let command = |args: &[&str]| {
        let output = run(&[args, &["--user", "night shift", "--data-dir", &data]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(command(&["exchanges", "note", &id, "ticket 816"]).contains("written down about exchange"));
    let said = format!("written down about request {}\n", number.as_str().unwrap());
    assert_eq!(command(&["requests", "note", number.as_str().unwrap(), "ticket 817"]), said);
    assert_eq!(command(&["exchanges", "note", number.as_str().unwrap(), "ticket 818"]), said);
    assert!(!run(&["requests", "note", "1", " ", "--user", "x", "--data-dir", &data]).status.success());

    // Both have what was written.
    let events = ask(&client, &format!("exchanges/{id}")).await["data"]["events"].clone();
    let words = |events: &Value| -> Vec<(String, String)> {
        let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        events.as_array().unwrap().iter().map(|event| (text(event, "user"), text(event, "text"))).collect()
    };
    let pair = |user: &str, text: &str| (user.to_owned(), text.to_owned());
    assert_eq!(words(&events), [pair("tester", "<b>ticket 815</b>"), pair("night shift", "ticket 816")]);
    let of_request = ask(&client, &format!("exchanges/{}", number.as_str().unwrap())).await["data"]["events"].clone();
    assert_eq!(words(&of_request), [pair("night shift", "ticket 817"), pair("night shift", "ticket 818")]);
    let shown = String::from_utf8(run(&["exchanges", "show", &id, "--data-dir", &data]).stdout).unwrap();
    assert!(shown.contains("NOTED") && shown.contains("by night shift: ticket 816"), "{shown}");

    // And is found by it, or by its card.
    let kinds = async |query: &str| -> Vec<String> {
        let rows = ask(&client, &format!("exchanges?q={query}")).await["data"]["rows"].clone();
        rows.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("note:816").await, ["exchange"]);
    assert_eq!(kinds("note:%22TICKET+81*%22").await, ["exchange", "request"]);
    assert_eq!(
        (kinds("card:0145").await, kinds("card:0145+note:nothing").await),
        (vec!["exchange".to_owned()], vec![])
    );
    let listed = run(&["exchanges", "list", "--card", "0145", "--jsonl", "--data-dir", &data]).stdout;
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    assert_eq!((&listed["id"], &listed["card"]), (&json!(id), &json!(["0145"])));
}
