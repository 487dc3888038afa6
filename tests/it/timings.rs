//! How the time of a call goes by: measured on the wire, kept with the attempt or the exchange, and shown.

use serde_json::Value;

use crate::support::{Authority, Client, Conax, Gateway, Reaction, answer_to, eventually, run};

const SERVICE: &str = "/ca-server/webservices/caclient/pairing";

/// The names of the stretches of the last attempt at a request.
fn stretches(gateway: &Gateway, number: &Value) -> Vec<String> {
    let shown = run(&["requests", "show", number.as_str().unwrap(), "--json", "--data-dir", &gateway.data_dir()]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let attempt = shown["attempts"].as_array().unwrap().last().unwrap();
    let timings = attempt["timings"].as_object().unwrap();
    let sum: u64 = timings.values().map(|us| us.as_u64().unwrap()).sum();
    assert!(sum / 1000 <= attempt["duration_ms"].as_u64().unwrap(), "{attempt}");
    timings.keys().cloned().collect()
}

async fn start(conax: &Conax, more: &[(&str, &str)]) -> (Gateway, Client) {
    let url = conax.url.replace("127.0.0.1", "localhost");
    Gateway::start_signed_in(&[&[("upstream.url", url.as_str()), ("processor.max_attempts", "1")], more].concat()).await
}

#[tokio::test]
async fn a_new_connection_takes_its_time_and_one_that_is_kept_takes_none() {
    let kept = |answer: Vec<u8>| String::from_utf8(answer).unwrap().replace("Connection: close\r\n", "").into_bytes();
    let conax = Conax::start(move |_, request| Reaction::Keep(kept(answer_to(request, "OK", "")))).await;
    let (gateway, client) = start(&conax, &[]).await;
    let numbers = [client.pair_now("1").await["number"].clone(), client.pair_now("2").await["number"].clone()];
    let all = ["blocked_us", "dns_us", "connect_us", "send_us", "wait_us", "read_us"];
    assert_eq!(stretches(&gateway, &numbers[0]), all);
    assert_eq!(stretches(&gateway, &numbers[1]), ["blocked_us", "send_us", "wait_us", "read_us"]);
    let shown = run(&["requests", "show", "1", "--data-dir", &gateway.data_dir()]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("wait ") && shown.contains("read "), "{shown}");
}

#[tokio::test]
async fn the_handshake_is_apart_from_the_connection() {
    let authority = Authority::new("conax");
    let config = crate::tls::server(&authority.issue("localhost"), None);
    let conax = Conax::start_tls(config, |_, request| Reaction::Write(answer_to(request, "OK", ""))).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = authority.write(folder.path()).display().to_string();
    let (gateway, client) = start(&conax, &[("upstream.ca_file", &ca_file)]).await;
    let number = client.pair_now("1").await["number"].clone();
    assert!(stretches(&gateway, &number).contains(&"tls_us".to_owned()));
}

#[tokio::test]
async fn a_call_that_fails_has_what_there_was_of_it() {
    let conax = Conax::start(|_, _| Reaction::Close).await;
    let (gateway, client) = start(&conax, &[]).await;
    let number = client.pair_now("1").await["number"].clone();
    let found = stretches(&gateway, &number);
    assert!(found.contains(&"wait_us".to_owned()) && !found.contains(&"read_us".to_owned()), "{found:?}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = [("upstream.url", &*format!("http://{nobody}")), ("processor.max_attempts", "1")];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let number = client.pair_now("1").await["number"].clone();
    assert_eq!(stretches(&gateway, &number), ["blocked_us", "connect_us"]);
}

#[tokio::test]
async fn what_was_passed_through_has_its_stretches_on_the_page_on_the_terminal_and_in_an_archive() {
    let conax = Conax::start(|_, request| Reaction::Write(answer_to(request, "OK", ""))).await;
    let (gateway, client) = start(&conax, &[]).await;
    let body = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><p:CreatePairing \
                xmlns:p=\"http://www.conax.com/cas/xsd/pairing/v1\"><p:CreatePairingRequest/></p:CreatePairing>\
                </s:Body></s:Envelope>";
    let request = client.http.post(format!("{}{SERVICE}", client.url)).header("content-type", "text/xml").body(body);
    request.send().await.unwrap().bytes().await.unwrap();
    let ask = async |path: &str| {
        let asked = client.http.get(format!("{}/inspector/api/{path}", client.url)).bearer_auth(&client.token);
        serde_json::from_slice::<Value>(&asked.send().await.unwrap().bytes().await.unwrap()).unwrap()
    };
    let id = eventually(async || Some(ask("exchanges").await["data"]["rows"][0]["id"].as_str()?.to_owned())).await;
    let parts = ask(&format!("exchanges/{id}")).await["data"]["timings"][0]["parts"].clone();
    let names: Vec<_> = parts.as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["blocked", "name", "connect", "send", "wait", "read"]);
    let shown = run(&["exchanges", "show", &id, "--json", "--data-dir", &gateway.data_dir()]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["timings"]["connect_us"], parts[2]["duration_us"]);
    // HTTP Archive 1.2: -1 where something did not happen.
    let timings = ask(&format!("exchanges/{id}/har")).await["log"]["entries"][0]["timings"].clone();
    assert_eq!(timings["ssl"], -1);
    assert!(timings["connect"].as_f64().unwrap() > 0.0 && timings["wait"].as_f64().unwrap() > 0.0, "{timings}");
}
