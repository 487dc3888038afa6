//! Recording and replaying: the same records, the same files, nothing personal in them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, Conax, Gateway, Reaction, WEB, Wire, answer_to, eventually, ok_answer, run_in, values_of, xml_answer,
};

const CARD: &str = "01450253313";
const OTHER_CARD: &str = "01900080207";
const STB: &str = "THMOD001-10002";
const PIN: &str = "4711";
const MESSAGE: &str = "Dear Mr Smith & Söhne, pay <now>";

/// A folder for recordings, with the key beside it.
struct Folder(TempDir);

impl Folder {
    /// Its key is always the same: by another one some pseudonym may have a PIN in it by chance.
    fn new() -> Self {
        let folder = Self::without_key();
        std::fs::write(folder.of("key"), "c0".repeat(32)).unwrap();
        folder
    }

    fn without_key() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn of(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A gateway with a store of its own.
    async fn gateway(&self, upstream: &str) -> (Gateway, Client) {
        let key = self.of("key").display().to_string();
        Gateway::start_signed_in(&[("upstream.url", upstream), ("fixtures.key_file", &key)]).await
    }

    /// The exit code and the output of a `fixtures` or `exchanges` command.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = run_in(self.0.path(), args, &[("CONAX_GATEWAY_FIXTURES_KEY_FILE", "key")]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }
}

/// Calls of several types, some of them twice with a change between; what became of each.
async fn session(client: &Client) -> Vec<Value> {
    let status = json!({"smartcard_ca_id": CARD, "process_immediately": true});
    let cards = json!([{"smartcard_ca_id": CARD}]);
    let add = |card: &str| {
        json!({"smartcard_set": [{"smartcard_ca_id": card}], "service_ca_id": "00000123", "process_immediately": true,
            "subscription_identifier": {"number": "S60149"}})
    };
    let calls = [
        ("get_pairing_status_for_card", status.clone()),
        ("get_pairing_status_for_card", status.clone()),
        (
            "create_pairing",
            json!({"smartcard_set": cards, "stb_set": [{"stb_ca_id": STB}], "process_immediately": true}),
        ),
        ("get_pairing_status_for_card", status),
        ("get_pairing_status_for_pairing_module", json!({"stb_ca_id": STB, "process_immediately": true})),
        ("update_ca_pin_to_given_value", json!({"smartcard_set": cards, "ca_pin": PIN, "process_immediately": true})),
        (
            "send_bark_message_to_client",
            json!({"smartcard_set": cards, "message": MESSAGE, "process_immediately": true}),
        ),
        (
            "send_bark_message_to_client",
            json!({"smartcard_set": cards, "message": MESSAGE, "process_immediately": true}),
        ),
        ("add_subscriptions", add(OTHER_CARD)),
        ("add_subscriptions", add("99000000001")),
        ("add_subscriptions", add("99000000007")),
    ];
    let mut records = Vec::new();
    for (method, call) in calls {
        let mut record = client.post(&format!("{WEB}/{method}"), call).await.data();
        let stable =
            ["life_cycle_state", "reference_number", "error_code", "error_description", "response", "delivery"];
        record.as_object_mut().unwrap().retain(|key, _| stable.contains(&key.as_str()));
        records.push(record);
    }
    records
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    found.push((name, std::fs::read(&path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

/// Fails if a value stands in one of the files, or in its name. A short one may be a part of something random by chance:
/// it counts only by itself, and not in the simulator's transaction ids (UUIDs).
fn assert_nowhere(files: &[(String, Vec<u8>)], values: &[&str]) {
    let uuid = Regex::new("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").unwrap();
    for (name, bytes) in files {
        let text = format!("{name}\n{}", String::from_utf8_lossy(bytes));
        let without_ids = uuid.replace_all(&text, "");
        for value in values {
            let alone = Regex::new(&format!(r"\b{}\b", regex::escape(value))).unwrap();
            let is_there = if value.len() < 8 { alone.is_match(&without_ids) } else { text.contains(value) };
            assert!(!is_there, "{value} in {text}");
        }
    }
}

#[tokio::test]
async fn a_recording_gives_the_same_records_and_a_recording_of_it_the_same_files() {
    let folder = Folder::new();
    let (recording, replay) = (folder.of("a"), format!("replay:{}", folder.of("a").display()));
    let record = |name: &str, source: &str| format!("record:{}={source}", folder.of(name).display());

    let (gateway, client) = folder.gateway(&record("a", "simulator")).await;
    let live = session(&client).await;
    assert_eq!(live[3]["delivery"]["result"]["PairingStatus"], "PAIRED");
    let recorded = files(&recording);
    assert_eq!(recorded.iter().filter(|(name, _)| name.ends_with("exchange.json")).count(), live.len());
    assert_nowhere(&recorded, &[CARD, OTHER_CARD, STB, PIN, "Smith", "S60149", "tester", &client.token]);
    drop(gateway);

    let (gateway, client) = folder.gateway(&replay).await;
    assert_eq!(session(&client).await, live);
    drop(gateway);

    let (mut gateway, client) = folder.gateway(&record("b", &replay)).await;
    assert_eq!(session(&client).await, live);
    assert!(files(&folder.of("b")) == recorded, "the same files");
    gateway.terminate().await;

    // Over HTTP, and into a folder that has it all.
    let (source, _) = folder.gateway(&replay).await;
    let url = format!("{}/ca-server/webservices", source.url);
    let (_gateway, client) = folder.gateway(&record("b", &url)).await;
    assert_eq!(session(&client).await, live);
    assert!(files(&folder.of("b")) == recorded, "nothing new");

    assert_eq!(folder.run(&["fixtures", "check", "a"]), (Some(0), "11 cases, no difference\n".to_owned()));
    assert_eq!(folder.run(&["fixtures", "diff", "a", "b"]), (Some(0), "no call differs\n".to_owned()));
    assert_eq!(folder.run(&["fixtures", "export", "a", "a.har"]).0, Some(0));
    assert_eq!(folder.run(&["fixtures", "import", "a.har", "c"]).0, Some(0));
    let cases: Vec<_> = recorded.into_iter().filter(|(name, _)| !name.starts_with("catalogue/")).collect();
    assert!(files(&folder.of("c")) == cases, "the same cases by way of an archive");
}

#[tokio::test]
async fn without_the_key_a_recording_answers_its_own_pseudonyms() {
    let folder = Folder::new();
    let recording = folder.of("a");
    let (gateway, client) = folder.gateway(&format!("record:{}=simulator", recording.display())).await;
    client
        .post(
            &format!("{WEB}/get_pairing_status_for_card"),
            json!({"smartcard_ca_id": CARD, "process_immediately": true}),
        )
        .await
        .data();
    drop(gateway);
    let call = files(&recording).into_iter().find(|(name, _)| name.ends_with("call.json")).unwrap().1;
    let other = Folder::without_key();
    let (_gateway, client) = other.gateway(&format!("replay:{}", recording.display())).await;
    let method = format!("{WEB}/get_pairing_status_for_card");
    let record = client.post(&method, serde_json::from_slice(&call).unwrap()).await.data();
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    let record = client.post(&method, json!({"smartcard_ca_id": CARD, "process_immediately": true})).await.data();
    assert_eq!((&record["error_code"], &record["request"]), (&json!("NO_FIXTURE"), &Value::Null));
    let description = record["error_description"].as_str().unwrap();
    assert!(description.contains("fixtures.key_file"), "{description}");
}

/// Writes a case by hand: a query for a card, and the transaction id of its answer.
fn write_query(folder: &Path, name: &str, card: &str, transaction: &str, exchange: &Value) {
    let case = folder.join("GET_PAIRING_STATUS_FOR_CARD").join(name);
    std::fs::create_dir_all(&case).unwrap();
    let envelope = |body: &str| {
        format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>\n  <e:Body>{body}</e:Body></e:Envelope>"
        )
    };
    let request = format!(
        "<GetPairingStatusForCard xmlns='http://www.conax.com/cas/xsd/pairing/v1'>\n<GetPairingStatusForCardRequest>\
         <CaClientId>{card}</CaClientId></GetPairingStatusForCardRequest></GetPairingStatusForCard>"
    );
    let response = format!(
        "<p:GetPairingStatusForCardResponse xmlns:p='http://www.conax.com/cas/xsd/pairing/v1' \
         xmlns:c='http://www.conax.com/cas/xsd/common-types/v1'><p:TransactionStatus><c:StatusCode>OK</c:StatusCode>\
         <c:TransactionId>{transaction}</c:TransactionId></p:TransactionStatus><p:PairingStatus>NOT_PAIRED\
         </p:PairingStatus></p:GetPairingStatusForCardResponse>"
    );
    std::fs::write(case.join("request.xml"), envelope(&request)).unwrap();
    std::fs::write(case.join("response.xml"), envelope(&response)).unwrap();
    std::fs::write(case.join("exchange.json"), exchange.to_string()).unwrap();
}

#[tokio::test]
async fn cases_of_one_request_answer_in_their_order_for_each_card() {
    let folder = Folder::new();
    let cases = folder.of("f");
    write_query(&cases, "case-2", CARD, "second", &json!({"volatile": ["CaClientId"]}));
    write_query(&cases, "case-10", "any", "third", &json!({"volatile": ["CaClientId"]}));
    write_query(&cases, "case-1", CARD, "first", &json!({"volatile": ["CaClientId"]}));
    let (_gateway, client) = folder.gateway(&format!("replay:{}", cases.display())).await;
    let mut answers = Vec::new();
    for card in [CARD, CARD, OTHER_CARD, CARD, CARD, OTHER_CARD] {
        let call = json!({"smartcard_ca_id": card, "process_immediately": true});
        let record = client.post(&format!("{WEB}/get_pairing_status_for_card"), call).await.data();
        answers.push(record["reference_number"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(answers, ["first", "second", "first", "third", "third", "second"]);
}

#[tokio::test]
async fn what_no_case_answers_is_rejected_with_the_nearest_one() {
    let folder = Folder::new();
    let cases = folder.of("f");
    write_query(&cases, "other", OTHER_CARD, "other", &json!({}));
    write_query(&cases, "near", "01450253399", "near", &json!({"volatile": ["Header"]}));
    let (mut gateway, client) = folder.gateway(&format!("replay:{}", cases.display())).await;
    let call = json!({"smartcard_ca_id": "01450253398", "process_immediately": true});
    let record = client.post(&format!("{WEB}/get_pairing_status_for_card"), call.clone()).await.data();
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("NO_FIXTURE")));
    let description = record["error_description"].as_str().unwrap();
    let xpath = "/soap:Envelope/soap:Body/ns1:GetPairingStatusForCard/ns1:GetPairingStatusForCardRequest\
                 /ns1:CaClientId/text(): expected '01450253399', got '01450253398'";
    let line = "\"volatile\": [\"Header\", \"CaClientId\"]";
    assert!(description.contains("GET_PAIRING_STATUS_FOR_CARD/near") && description.contains(xpath), "{description}");
    assert!(description.ends_with(line), "{description}");

    // The line does what it says.
    let line: Value = serde_json::from_str(&format!("{{{line}}}")).unwrap();
    write_query(&cases, "near", "01450253399", "near", &line);
    gateway.terminate().await;
    gateway.start_again(&[]).await;
    let client = Client::sign_in(&gateway.url).await;
    let record = client.post(&format!("{WEB}/get_pairing_status_for_card"), call).await.data();
    assert_eq!(record["reference_number"], "near");
}

/// Requests are read at the start, answers when they are needed.
#[tokio::test]
async fn files_that_change_under_a_replay_are_read_or_named() {
    let folder = Folder::new();
    let cases = folder.of("f");
    write_query(&cases, "one", CARD, "before", &json!({}));
    write_query(&cases, "two", OTHER_CARD, "gone", &json!({}));
    let (_gateway, client) = folder.gateway(&format!("replay:{}", cases.display())).await;
    write_query(&cases, "one", CARD, "after", &json!({}));
    write_query(&cases, "three", "01450253399", "late", &json!({}));
    std::fs::remove_dir_all(cases.join("GET_PAIRING_STATUS_FOR_CARD/two")).unwrap();
    let ask = async |card: &str| {
        let call = json!({"smartcard_ca_id": card, "process_immediately": true});
        client.post(&format!("{WEB}/get_pairing_status_for_card"), call).await.data()
    };
    assert_eq!(ask(CARD).await["reference_number"], "after");
    let gone = ask(OTHER_CARD).await;
    let description = gone["error_description"].as_str().unwrap();
    assert_eq!(gone["error_code"], "NO_FIXTURE");
    assert!(description.contains("/two: No such file") && description.contains("start the gateway again"), "{gone}");
    let late = ask("01450253399").await;
    assert!(late["error_description"].as_str().unwrap().starts_with("No fixture in "), "{late}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named_file_by_file() {
    let folder = Folder::new();
    let cases = folder.of("f");
    write_query(&cases, "a", CARD, "x", &json!({"format": 7}));
    write_query(&cases, "b", CARD, "x", &json!({"volatil": []}));
    write_query(&cases, "c", CARD, "x", &json!({}));
    std::fs::write(cases.join("GET_PAIRING_STATUS_FOR_CARD/c/notes.txt"), "x").unwrap();
    let (code, text) = folder.run(&["serve", "--listen", "127.0.0.1:0", "--upstream", "replay:f"]);
    assert_eq!(code, Some(1));
    for part in ["a/exchange.json: has format 7", "b/exchange.json: unknown field `volatil`", "c/notes.txt: is none of"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, text) = folder.run(&["serve", "--listen", "127.0.0.1:0", "--upstream", "replay:nowhere"]);
    assert!(code == Some(1) && text.contains("nowhere: "), "{text}");
}

#[tokio::test]
async fn what_was_seen_once_is_hidden_wherever_else_it_stands() {
    // The answer repeats the card, and the card of the call before it, in several spellings.
    let conax = Conax::start(|_, request| {
        let card = values_of(request, "CaClientId").join("");
        let base64 = |text: &str| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(text)
        };
        let hex: String = CARD.bytes().map(|b| format!("{b:02x}")).collect();
        let pairs = CARD.bytes().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":");
        let embedded = "&lt;Name&gt;Peregrine&lt;/Name&gt; {\"ca_pin\": \"83417\"}";
        let references: String = CARD.bytes().map(|b| format!("&#{b};")).collect();
        let body = format!(
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><!-- {card} --><s:Body><s:Fault>\
             <faultcode>s:Client</faultcode><faultstring>card {card}: {references} {hex} <![CDATA[{CARD}]]> {} {}\
             {pairs} 0145-0253-313 &amp;#48;1450253313 %2530%2531450253313 1450253313 {embedded}\
             </faultstring></s:Fault></s:Body></s:Envelope>",
            base64(&format!("card={card}")),
            base64(&format!("x{CARD}")),
        );
        let head = format!("HTTP/1.1 500 Card {card}\r\nContent-Type: text/xml\r\nX-Card: {card}\r\n");
        Reaction::Write(format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
    .await;
    let folder = Folder::new();
    let recording = folder.of("a");
    let (gateway, client) = folder.gateway(&format!("record:{}={}", recording.display(), conax.url)).await;
    let call = |card: &str| json!({"smartcard_ca_id": card, "process_immediately": true});
    let method = format!("{WEB}/get_active_subscriptions");
    let first = client.post(&method, call(CARD)).await.data();
    let second = client.post(&method, call("THX-1138-card")).await.data();
    assert!(second["error_description"].as_str().unwrap().contains("THX-1138-card"));
    drop(gateway);
    let recorded = files(&recording);
    assert_nowhere(&recorded, &[CARD, "THX-1138", "&#48;&#49;&#52;", "3031343530", "MDE0NTAyNTMzMT", "Y2FyZD0wMTQ1"]);
    let others = ["0145-0253", "#48;1450253313", "%2530%2531", "30:31:34:35", "1450253313", "Peregrine", "83417"];
    assert_nowhere(&recorded, &others);
    let (_gateway, client) = folder.gateway(&format!("replay:{}", recording.display())).await;
    // Escaped pseudonyms come back plain.
    let plain = |text: &str| text.replace("&amp;#48;1450253313", CARD).replace("%2530%2531450253313", CARD);
    let error = |record: &Value| plain(record["error_description"].as_str().unwrap());
    assert_eq!(error(&client.post(&method, call(CARD)).await.data()), error(&first));
    assert_eq!(error(&client.post(&method, call("THX-1138-card")).await.data()), error(&second));
}

#[tokio::test]
async fn words_of_the_protocol_stay_whatever_somebody_wrote() {
    let folder = Folder::new();
    let (gateway, client) = folder.gateway(&format!("record:{}=simulator", folder.of("a").display())).await;
    for message in ["COMPLETED", "SYSTEM_ERROR", "SEND_MAIL_MESSAGE_TO_CLIENT", "soap", "UTF-8"] {
        let call =
            json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "message": message, "process_immediately": true});
        client.post(&format!("{WEB}/send_mail_message_to_client"), call).await.data();
    }
    for card in ["99000000005", "99000000007"] {
        let call = json!({"smartcard_ca_id": card, "process_immediately": true});
        client.post(&format!("{WEB}/get_active_subscriptions"), call).await.data();
    }
    drop(gateway);
    let found = files(&folder.of("a"));
    assert!(found.iter().any(|(name, _)| name.ends_with("-1-system_error/response.xml")), "{found:?}");
    assert_nowhere(&found, &[CARD, "99000000005"]);
    let (code, text) = folder.run(&["fixtures", "check", "a"]);
    assert!(code == Some(0), "{text}");
}

#[tokio::test]
async fn an_incident_becomes_a_case() {
    let folder = Folder::new();
    let (gateway, client) = folder.gateway("simulator").await;
    let pin = json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "ca_pin": PIN, "process_immediately": true});
    client.post(&format!("{WEB}/update_ca_pin_to_given_value"), pin).await.data();
    let fault = json!({"smartcard_ca_id": "99000000001", "process_immediately": true});
    client.post(&format!("{WEB}/get_active_subscriptions"), fault).await.data();
    let data_dir = gateway.data_dir();
    for (number, name) in [("1", "UPDATE_CA_PIN_TO_GIVEN_VALUE"), ("2", "GET_ACTIVE_SUBSCRIPTIONS")] {
        let (code, text) = folder.run(&["exchanges", "export", number, "out", "--data-dir", &data_dir]);
        assert!(code == Some(0) && text.contains(name), "{text}");
        let (code, text) = folder.run(&["exchanges", "export", number, "out", "--data-dir", &data_dir]);
        assert!(code == Some(0) && text.contains("nothing new"), "{text}");
    }
    assert_nowhere(&files(&folder.of("out")), &[CARD, PIN, "99000000001", "tester"]);
    assert_eq!(folder.run(&["fixtures", "check", "out"]), (Some(0), "2 cases, no difference\n".to_owned()));
}

/// Values hidden in headers come back with the key, as all others do.
#[tokio::test]
async fn headers_of_an_answer_come_back() {
    let conax = Conax::start(|_, request| {
        let answer = String::from_utf8(answer_to(request, "OK", "")).unwrap();
        let xml = answer.split_once("\r\n\r\n").unwrap().1;
        let boundary = "uuid:38a4254b-123456789012";
        let root = format!("Content-Type: text/xml\r\nContent-ID: <{STB}@x>\r\n\r\n{xml}");
        let body = format!("--{boundary}\r\nContent-ID: <1>\r\n\r\n-\r\n--{boundary}\r\n{root}\r\n--{boundary}--\r\n");
        let kind = format!("multipart/related; type=\"text/xml\"; start=\"<{STB}@x>\"; boundary=\"{boundary}\"");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nLocation: /{CARD}\r\nConnection: close\r\n");
        Reaction::Write(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
    .await;
    let folder = Folder::new();
    let recording = folder.of("a");
    let mut seen = Vec::new();
    for upstream in [format!("record:{}={}", recording.display(), conax.url), format!("replay:{}", recording.display())]
    {
        let (mut gateway, client) = folder.gateway(&upstream).await;
        let call = json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "stb_set": [{"stb_ca_id": STB}],
            "process_immediately": true});
        let record = client.post(&format!("{WEB}/create_pairing"), call).await.data();
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
        let soap = reqwest::Client::new().post(format!("{}/ca-server/webservices/caclient/pairing", gateway.url));
        let soap = soap.header("content-type", "text/xml").body(record["request"].as_str().unwrap().to_owned());
        let answer = soap.send().await.unwrap();
        let headers = ["content-type", "location"].map(|name| answer.headers()[name].to_str().unwrap().to_owned());
        seen.push((headers, answer.text().await.unwrap(), record["response"].clone()));
        gateway.terminate().await;
    }
    assert_nowhere(&files(&recording), &[STB, CARD, "123456789012"]);
    assert_eq!(seen[0], seen[1]);
}

/// Upstream's failures become cases that say what they are; a client that left tells nothing of upstream.
#[tokio::test]
async fn a_failure_in_passing_becomes_a_case_of_its_kind() {
    let folder = Folder::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    for (upstream, timeout, stage) in [
        (format!("http://{closed}"), "5", Some("connect")),
        (conax.url.clone(), "0.1", Some("timed_out")),
        (conax.url.clone(), "60", None),
    ] {
        let settings = [("upstream.url", upstream.as_str()), ("upstream.answer_timeout_s", timeout)];
        let mut gateway = Gateway::start(&settings).await;
        let mut wire = Wire::connect(&gateway.url).await;
        let user = "Authorization: Basic bmlnaHQtc2hpZnQ6c2VjcmV0"; // night-shift:secret
        let body = "<a><b>signed in as night-shift</b></a>";
        let head = format!("POST /ca-server/webservices/x HTTP/1.1\r\nHost: g\r\n{user}\r\nContent-Type: text/xml");
        let before = conax.received().len();
        wire.write(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        if stage.is_some() {
            wire.read_message().await;
        } else {
            eventually(async || (conax.received().len() > before).then_some(())).await;
        }
        drop(wire);
        gateway.terminate().await;
        let data_dir = gateway.data_dir();
        let list = folder.run(&["exchanges", "list", "--data-dir", &data_dir]).1;
        let id = list.lines().nth(1).unwrap()[..32].to_owned();
        let (_, shown) = folder.run(&["exchanges", "show", &id, "--data-dir", &data_dir]);
        assert!(shown.contains("user: night-shift") && shown.contains("error: "), "{shown}");
        let out = stage.unwrap_or("none");
        let (code, text) = folder.run(&["exchanges", "export", &id, out, "--data-dir", &data_dir]);
        let Some(stage) = stage else {
            assert!(code == Some(1) && text.contains("only a part of the exchange was kept"), "{text}");
            continue;
        };
        let found = files(&folder.of(out));
        assert_nowhere(&found, &["night-shift"]);
        let says = format!("\"stage\": \"{stage}\"");
        assert!(found.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&says)), "{text}");
    }
}

/// Whoever calls, JSON and SOAP in turn: each case stands for itself.
#[tokio::test]
async fn what_a_gateway_recorded_has_no_findings() {
    let count = AtomicU64::new(0);
    let conax =
        Conax::start(move |_, _| Reaction::Write(ok_answer(&format!("TX-{}", count.fetch_add(1, Relaxed))))).await;
    let folder = Folder::new();
    let recording = folder.of("a");
    let (mut gateway, client) = folder.gateway(&format!("record:{}={}", recording.display(), conax.url)).await;
    let call = json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "stb_set": [{"stb_ca_id": STB}],
        "process_immediately": true});
    for path in ["/caclient/pairing", "/caclient/pairing/a%2Fb;c=d//e", "/caclient/pairing"] {
        let record = client.post(&format!("{WEB}/create_pairing"), call.clone()).await.data();
        let body = record["request"].as_str().unwrap().to_owned();
        let soap = reqwest::Client::new().post(format!("{}/ca-server/webservices{path}", gateway.url)).body(body);
        assert!(soap.header("content-type", "text/xml").send().await.unwrap().status().is_success());
    }
    for number in 0..4 {
        let (card, stb) = (format!("0190008020{number}"), format!("THMOD001-2000{number}"));
        let call = json!({"smartcard_set": [{"smartcard_ca_id": card}], "stb_set": [{"stb_ca_id": stb}],
            "process_immediately": true});
        client.post(&format!("{WEB}/create_pairing"), call).await.data();
    }
    gateway.terminate().await;
    let (code, text) = folder.run(&["fixtures", "check", "a"]);
    assert_eq!((code, text.as_str()), (Some(0), "10 cases, no difference\n"));
    // Of what is not there, the nearest one is named, though it has pseudonyms.
    let (_gateway, client) = folder.gateway(&format!("replay:{}", recording.display())).await;
    for (card, box_id, differs) in [
        (CARD, "THMOD001-10003", "PairingModuleId"),
        (OTHER_CARD, STB, "CaClientId"),
        ("01900080202", "THMOD001-30000", "PairingModuleId"),
        ("01900080299", "THMOD001-20003", "CaClientId"),
    ] {
        let call = json!({"smartcard_set": [{"smartcard_ca_id": card}], "stb_set": [{"stb_ca_id": box_id}],
            "process_immediately": true});
        let record = client.post(&format!("{WEB}/create_pairing"), call).await.data();
        let description = record["error_description"].as_str().unwrap();
        assert!(description.ends_with(&format!("\"{differs}\"]")), "{description}");
        assert_eq!(description.matches(": expected '").count(), 1, "{description}");
    }
}

#[tokio::test]
async fn check_and_diff_name_what_changed() {
    let folder = Folder::new();
    for name in ["a", "b"] {
        let (_gateway, client) = folder.gateway(&format!("record:{}=simulator", folder.of(name).display())).await;
        session(&client).await;
    }
    assert_eq!(folder.run(&["fixtures", "diff", "a", "b"]).0, Some(0));
    let change = |file: &str, from: &str, to: &str| {
        let kind = file.split('/').next().unwrap();
        let case = std::fs::read_dir(folder.of("b").join(kind)).unwrap().next().unwrap().unwrap().path();
        let path = case.join(file.split('/').nth(1).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    change("CREATE_PAIRING/response.xml", ">OK<", ">FEATURE_NOT_AVAILABLE<");
    change("CREATE_PAIRING/exchange.json", "\"http_status\": 200", "\"http_status\": 202");
    change("GET_PAIRING_STATUS_FOR_PAIRING_MODULE/request.xml", "PairingModuleId>", "PairingModuleId> ");
    change("UPDATE_CA_PIN_TO_GIVEN_VALUE/call.json", "true", "false");
    change("UPDATE_CA_PIN_TO_GIVEN_VALUE/exchange.json", "\"TransactionId\"", "\"TransactionId\", \"Nothing\"");
    let (code, text) = folder.run(&["fixtures", "diff", "a", "b"]);
    assert_eq!(code, Some(1));
    for part in [
        "http_status: expected '200', got '202'",
        "StatusCode/text(): expected 'OK', got 'FEATURE_NOT_AVAILABLE'",
        "PairingModuleId/text(): expected ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, text) = folder.run(&["fixtures", "check", "b"]);
    assert_eq!(code, Some(1));
    for part in [
        "CREATE_PAIRING/",
        "reply.json: $.data.life_cycle_state: expected \"COMPLETED\", got \"REJECTED\"",
        "the call makes another request now",
        "nothing uses it: no call of the folder makes its request at its turn",
        "nothing uses \"Nothing\" in volatile",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_folder_from_elsewhere_is_redacted_once() {
    let folder = Folder::new();
    let cases = folder.of("f");
    write_query(&cases, &format!("card-{CARD}"), CARD, "x", &json!({}));
    write_query(&cases, "free-text", OTHER_CARD, &format!("see {CARD}"), &json!({}));
    let (code, text) = folder.run(&["fixtures", "redact", "f", "--to", "g"]);
    assert!(code == Some(0) && text.starts_with("2 cases redacted with the key "), "{text}");
    assert!(files(&cases).iter().any(|(name, _)| name.contains(CARD)), "the original stays");
    assert_eq!(folder.run(&["fixtures", "redact", "f"]).0, Some(0));
    let redacted = files(&cases);
    assert_nowhere(&redacted, &[CARD, OTHER_CARD]);
    assert!(files(&folder.of("g")) == redacted);
    assert!(redacted.iter().all(|(name, _)| name.starts_with("GET_")), "no catalogue comes from nowhere");
    let (code, text) = folder.run(&["fixtures", "redact", "f"]);
    assert!(
        code == Some(0) && text.starts_with("0 cases redacted") && text.contains("; 2 have pseudonyms already"),
        "{text}"
    );
    assert!(files(&cases) == redacted, "pseudonyms have no pseudonyms");
    // A digest may look like a card number.
    let kind = cases.join("GET_PAIRING_STATUS_FOR_CARD");
    std::fs::rename(kind.join("free-text"), kind.join("01450253313-1-ok")).unwrap();
    assert_eq!(folder.run(&["fixtures", "export", "f", "f.har"]).0, Some(0));
    assert_eq!(folder.run(&["fixtures", "import", "f.har", "h"]).0, Some(0));
    assert!(files(&folder.of("h")) == files(&cases), "nor have their names");
}

#[tokio::test]
async fn an_archive_of_a_browser_becomes_fixtures() {
    let folder = Folder::new();
    let request = format!(
        "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><GetActiveSubscriptions \
         xmlns='http://www.conax.com/cas/xsd/authorization/v1'><GetActiveSubscriptionsRequest><CaClientId>{CARD}\
         </CaClientId></GetActiveSubscriptionsRequest></GetActiveSubscriptions></Body></Envelope>"
    );
    let entry = |method: &str, kind: &str, text: &str| {
        json!({"startedDateTime": "2026-01-01T00:00:00.000Z", "time": 5, "cache": {}, "timings": {},
            "request": {"method": method, "url": "https://conax:44302/ca-server/webservices/client/authorization",
                "headers": [{"name": "Content-Type", "value": kind}, {"name": "Authorization", "value": "Basic c2VjcmV0"}],
                "postData": {"mimeType": kind, "text": text}},
            "response": {"status": 500, "statusText": "Internal Server Error",
                "headers": [{"name": "content-type", "value": "text/xml"}, {"name": "Set-Cookie", "value": "sid=secret"}],
                "content": {"mimeType": "text/xml", "text": format!("<fault>{CARD}</fault>")}}})
    };
    let entries = json!([
        entry("POST", "text/xml", &request),
        entry("GET", "text/html", ""),
        entry("POST", "application/json", "{}")
    ]);
    let har = json!({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}});
    std::fs::write(folder.of("x.har"), har.to_string()).unwrap();
    let (code, text) = folder.run(&["fixtures", "import", "x.har", "f"]);
    assert_eq!((code, text.as_str()), (Some(0), "1 exchanges, 1 new cases; 2 entries are no SOAP exchange\n"));
    let found = files(&folder.of("f"));
    assert!(found.iter().all(|(name, _)| name.starts_with("GET_ACTIVE_SUBSCRIPTIONS/")));
    assert_nowhere(&found, &[CARD, "c2VjcmV0", "secret"]);
    let (code, text) = folder.run(&["fixtures", "import", "x.har", "f"]);
    assert!(code == Some(0) && text.contains("1 exchanges, 0 new cases"), "{text}");

    // A value that is named anywhere in an archive is hidden everywhere; entries are in the order of their times.
    let at = |second: u32, answer: &str| {
        let mut entry = entry("POST", "text/xml", &request.replace(CARD, "THX-1138-card"));
        entry["startedDateTime"] = format!("2026-01-01T00:00:0{second}+02:00").into();
        entry["response"]["content"]["text"] = answer.into();
        entry
    };
    let about = |text: &str| format!("<fault>{text} of THX-1138-card</fault>");
    let mut first = at(1, &about("the first"));
    first["request"]["postData"]["text"] = request.replace("CaClientId", "Other").into();
    let entries = json!([at(3, &about("the last")), first, at(2, &about("the second"))]);
    let har = json!({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}});
    std::fs::write(folder.of("y.har"), har.to_string()).unwrap();
    assert_eq!(folder.run(&["fixtures", "import", "y.har", "g"]).0, Some(0));
    let found = files(&folder.of("g"));
    assert_nowhere(&found, &["THX-1138-card"]);
    let name_of = |words: &str| {
        let mut found = found.iter().filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains(words));
        &found.next().unwrap().0
    };
    assert!(name_of("the second") < name_of("the last"));
}

/// A message with a signed-in sender, and with an attachment, as libraries write it: what they make up differs each time.
fn mime(boundary: &str, nonce: &str) -> (String, String) {
    let body = format!(
        "--{boundary}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <root.{boundary}>\r\n\r\n\
         <e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Header><w:Security \
         xmlns:w='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'><w:UsernameToken>\
         <w:Username>night-shift</w:Username><w:Password>correct horse</w:Password><w:Nonce>{nonce}</w:Nonce>\
         </w:UsernameToken></w:Security></e:Header><e:Body><UpdateCaPinToGivenValue \
         xmlns='http://www.conax.com/cas/xsd/ca-pin/v1'><UpdateCaPinToGivenValueRequest><CaClientIds><CaClientId>{CARD}\
         </CaClientId></CaClientIds><CaPin>{PIN}</CaPin></UpdateCaPinToGivenValueRequest><x href='cid:a.{boundary}'/>\
         </UpdateCaPinToGivenValue></e:Body></e:Envelope>\r\n--{boundary}\r\nContent-ID: <a.{boundary}>\r\n\r\n\
         card {CARD}\r\n--{boundary}--\r\n"
    );
    (format!("multipart/related; type=\"text/xml\"; start=\"<root.{boundary}>\"; boundary={boundary}"), body)
}

/// Sends it past the JSON face; status and body of the answer.
async fn pass(gateway: &Gateway, client: &Client, (kind, body): (String, String)) -> (u16, String) {
    let url = format!("{}/ca-server/webservices/caclient/ca-pin", gateway.url);
    let request = client.http.post(url).header("content-type", kind).header("authorization", "Basic bmlnaHQ6c2hpZnQ=");
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_soap_clients_own_calls_are_recorded_and_replayed() {
    let conax = Conax::start(|_, _| {
        let body = format!("<a>thanks for {CARD}, pin {PIN}, signed night:shift</a>");
        let head =
            "HTTP/1.1 202 Taken\r\nContent-Type: text/xml\r\nDate: now\r\nSet-Cookie: sid=secret\r\nX-Node: 7\r\n";
        Reaction::Write(format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
    .await;
    let folder = Folder::new();
    let recording = folder.of("a");
    let (mut gateway, client) = folder.gateway(&format!("record:{}={}", recording.display(), conax.url)).await;
    let live = pass(&gateway, &client, mime("8ff46d56-0eaa-4cff-aef9-1f97d048a399", "n1")).await;
    assert_eq!((live.0, live.1.contains(CARD)), (202, true));
    // Recorded before the gateway has stopped.
    gateway.terminate().await;
    let found = files(&recording);
    assert!(found.iter().all(|(name, _)| name.starts_with("UPDATE_CA_PIN_TO_GIVEN_VALUE/")), "{found:?}");
    assert_nowhere(&found, &[CARD, PIN, "correct horse", "night", "shift", "secret", "bmlnaHQ6c2hpZnQ="]);
    // The exchanges in the store have no secret either.
    let data_dir = gateway.data_dir();
    let (_, list) = folder.run(&["exchanges", "list", "--data-dir", &data_dir]);
    let id = list.lines().last().unwrap().split(' ').next().unwrap();
    let (_, shown) = folder.run(&["exchanges", "show", id, "--data-dir", &data_dir]);
    assert!(shown.contains("<CaPin>****</CaPin>") && shown.contains(CARD), "{shown}");
    assert!(!shown.contains("correct horse") && !shown.contains("bmlnaHQ6c2hpZnQ="), "{shown}");

    let (gateway, client) = folder.gateway(&format!("replay:{}", recording.display())).await;
    assert_eq!(pass(&gateway, &client, mime("1b0c6d56-0eaa-4cff-aef9-1f97d048a301", "n2")).await, live);
    let upstream = format!("record:{}={}/ca-server/webservices", folder.of("b").display(), gateway.url);
    let (mut again, other) = folder.gateway(&upstream).await;
    assert_eq!(pass(&again, &other, mime("2c0d6d56-0eaa-4cff-aef9-1f97d048a302", "n3")).await, live);
    again.terminate().await;
    assert!(files(&folder.of("b")) == found, "whatever the client made up, the files are the same");
    let (kind, body) = mime("1b0c6d56-0eaa-4cff-aef9-1f97d048a301", "n2");
    let (status, fault) = pass(&gateway, &client, (kind, body.replace("<x ", "<y ").replace("CaPin>", "Pin>"))).await;
    assert_eq!(status, 500);
    assert!(fault.contains("[local-name()='UpdateCaPinToGivenValue']/*[local-name()='x']: expected"), "{fault}");
    assert!(fault.contains("UPDATE_CA_PIN_TO_GIVEN_VALUE/") && !fault.contains(PIN), "{fault}");
}

/// A POST past the JSON face, the answer as it came: status, whether it is packed, body.
async fn raw(gateway: &Gateway, coding: &str, body: &str) -> (u16, bool, Vec<u8>) {
    let mut wire = Wire::connect(&gateway.url).await;
    let accepts = if coding.is_empty() { String::new() } else { format!("Accept-Encoding: {coding}\r\n") };
    let head = format!("POST /ca-server/webservices/x HTTP/1.1\r\nHost: g\r\nContent-Type: text/xml\r\n{accepts}");
    wire.write(format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    let answer = wire.read_message().await;
    let status = answer.first.split(' ').nth(1).unwrap().parse().unwrap();
    let is_packed = answer.headers.iter().any(|line| line.eq_ignore_ascii_case("content-encoding: gzip"));
    (status, is_packed, answer.body)
}

#[tokio::test]
async fn packed_and_broken_answers_are_replayed_as_they_were() {
    let conax = Conax::start(|_, request| {
        if request.body.contains("cut") {
            return Reaction::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<half".to_vec());
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"<whole/>").unwrap();
        let body = gzip.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Reaction::Write([head.as_bytes(), &body].concat())
    })
    .await;
    let folder = Folder::new();
    let recording = folder.of("a");
    let (mut gateway, _) = folder.gateway(&format!("record:{}={}", recording.display(), conax.url)).await;
    let asked = raw(&gateway, "gzip", "<asked/>").await;
    let unasked = raw(&gateway, "", "<unasked/>").await;
    assert!(asked.1 && unasked.1 && asked.0 == 200);
    raw(&gateway, "", "<cut/>").await;
    gateway.terminate().await;
    assert!(files(&recording).iter().any(|(name, bytes)| name.ends_with("response.xml") && bytes == b"<whole/>"));

    let (gateway, _) = folder.gateway(&format!("replay:{}", recording.display())).await;
    let unpacked = |(_, is_packed, body): (u16, bool, Vec<u8>)| {
        let mut text = Vec::new();
        match is_packed {
            true => flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut text).map(|_| text).unwrap(),
            false => body,
        }
    };
    assert!(raw(&gateway, "gzip", "<asked/>").await.1 && raw(&gateway, "", "<unasked/>").await.1);
    assert!(!raw(&gateway, "identity, gzip;q=0", "<asked/>").await.1, "this client cannot read gzip");
    for coding in ["gzip", ""] {
        assert_eq!(unpacked(raw(&gateway, coding, "<asked/>").await), b"<whole/>");
    }
    assert_eq!(raw(&gateway, "", "<cut/>").await.0, 502, "nobody knows what the rest was");
}

#[tokio::test]
async fn a_recording_that_goes_on_knows_what_it_hid_before() {
    let conax = Conax::start(|_, _| {
        let body = format!("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault><faultcode>\
             s:Client</faultcode><faultstring>box {STB}, signed in as night-shift</faultstring></s:Fault></s:Body></s:Envelope>");
        let head = "HTTP/1.1 500 Oh no\r\nContent-Type: text/xml\r\nX-Session: 7f3a\r\nLocation: /x?sid=7f3a\r\n";
        Reaction::Write(format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
    .await;
    let folder = Folder::new();
    let recording = folder.of("a");
    let upstream = format!("record:{}={}", recording.display(), conax.url);
    for (method, call) in [
        ("get_pairing_status_for_pairing_module", json!({"stb_ca_id": STB, "process_immediately": true})),
        ("get_active_subscriptions", json!({"smartcard_ca_id": OTHER_CARD, "process_immediately": true})),
    ] {
        let key = folder.of("key").display().to_string();
        let settings = [
            ("upstream.url", upstream.as_str()),
            ("fixtures.key_file", &key),
            ("upstream.username", "night-shift"),
            ("upstream.password", "correct horse"),
        ];
        let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
        client.post(&format!("{WEB}/{method}"), call).await.data();
        gateway.terminate().await;
    }
    let found = files(&recording);
    assert_eq!(found.iter().filter(|(name, _)| name.ends_with("response.xml")).count(), 2);
    assert_nowhere(&found, &[STB, OTHER_CARD, "night-shift", "7f3a"]);

    // Whoever has that user name and the key gets it back.
    let key = folder.of("key").display().to_string();
    let replay = format!("replay:{}", recording.display());
    let settings = [
        ("upstream.url", replay.as_str()),
        ("fixtures.key_file", &key),
        ("upstream.username", "night-shift"),
        ("upstream.password", "correct horse"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let call = json!({"smartcard_ca_id": OTHER_CARD, "process_immediately": true});
    let record = client.post(&format!("{WEB}/get_active_subscriptions"), call).await.data();
    assert_eq!(record["provider_error_description"], format!("box {STB}, signed in as night-shift"), "{record:#}");
}

#[tokio::test]
async fn what_is_sent_later_is_recorded_with_what_came_of_it() {
    // Busy at first: the second attempt is a case of its own.
    let conax = Conax::start(|nth, request| match nth {
        0 => Reaction::Write(xml_answer("503 Busy", "")),
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await;
    let folder = Folder::new();
    let key = folder.of("key").display().to_string();
    let upstream = format!("record:{}={}", folder.of("a").display(), conax.url);
    let settings =
        [("upstream.url", upstream.as_str()), ("fixtures.key_file", &key), ("processor.backoff_initial_s", "0.05")];
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    let call = json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "stb_set": [{"stb_ca_id": STB}]});
    let number = client.post(&format!("{WEB}/create_pairing"), call).await.data()["number"].clone();
    eventually(async || (client.show(&number).await["life_cycle_state"] == "COMPLETED").then_some(())).await;
    // Exchanges under way are finished first.
    gateway.terminate().await;
    let found = files(&folder.of("a"));
    assert_eq!(found.iter().filter(|(name, _)| name.ends_with("exchange.json")).count(), 2);
    let replies: Vec<Value> = found
        .iter()
        .filter(|(name, _)| name.ends_with("reply.json"))
        .map(|(_, bytes)| serde_json::from_slice(bytes).unwrap())
        .collect();
    let states: Vec<_> = replies.iter().map(|reply| &reply["data"]["life_cycle_state"]).collect();
    assert_eq!(states, ["PENDING", "COMPLETED"]);
    let (code, text) = folder.run(&["fixtures", "check", "a"]);
    assert!(code == Some(0), "{text}");
}

#[tokio::test]
async fn whatever_comes_over_the_wire_is_recorded_and_replayed() {
    let conax = Conax::start(|_, _| {
        let head = "HTTP/1.1 799 D\u{e9}j\u{e0} vu\r\nContent-Type: text/xml\r\nServer: Caf\u{e9}\r\n";
        Reaction::Write(format!("{head}Connection: close\r\nContent-Length: 4\r\n\r\n<a/>").into_bytes())
    })
    .await;
    let folder = Folder::new();
    let (mut gateway, _) = folder.gateway(&format!("record:{}={}", folder.of("a").display(), conax.url)).await;
    assert_eq!(raw(&gateway, "", "<odd/>").await.0, 799);
    gateway.terminate().await;
    let (gateway, client) = folder.gateway(&format!("replay:{}", folder.of("a").display())).await;
    let url = format!("{}/ca-server/webservices/x", gateway.url);
    let answer = client.http.post(url).header("content-type", "text/xml").body("<odd/>").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["server"].as_bytes()), (799, "Café".as_bytes()));
}

#[test]
fn an_archive_that_would_spoil_the_folder_is_refused() {
    let folder = Folder::new();
    write_query(&folder.of("f"), "a", CARD, "x", &json!({}));
    assert_eq!(folder.run(&["fixtures", "export", "f", "x.har"]).0, Some(0));
    let har: Value = serde_json::from_slice(&std::fs::read(folder.of("x.har")).unwrap()).unwrap();
    for (key, value, words) in [
        ("exchange", json!({"format": 7}), "has format 7"),
        ("exchange", json!({"http_status": 1000}), "1000 is no status"),
        ("exchange", json!({"reason": "two\nlines"}), "is no reason phrase"),
        ("exchange", json!({"headers": {"Server": "two\nlines"}}), "is no header field"),
        ("type", json!("../f"), "is no name of a folder"),
        ("type", json!("catalogue"), "is no name of a folder"),
    ] {
        let mut har = har.clone();
        har["log"]["entries"][0]["_conax_gateway"][key] = value;
        std::fs::write(folder.of("y.har"), har.to_string()).unwrap();
        let (code, text) = folder.run(&["fixtures", "import", "y.har", "g"]);
        assert!(
            code == Some(1) && text.contains("left out: log.entries[0]") && text.contains(words),
            "{words}: {text}"
        );
    }
    assert_eq!(folder.run(&["fixtures", "import", "x.har", "g"]).0, Some(0));
    assert_eq!(folder.run(&["fixtures", "check", "g"]).0, Some(0));
}

#[tokio::test]
async fn nobody_writes_into_a_folder_while_a_gateway_records_there() {
    let folder = Folder::new();
    let upstream = format!("record:{}=simulator", folder.of("a").display());
    let (mut gateway, client) = folder.gateway(&upstream).await;
    let call = json!({"smartcard_ca_id": CARD, "process_immediately": true});
    client.post(&format!("{WEB}/get_active_subscriptions"), call).await.data();
    // Another one, in the middle of writing a case.
    let unfinished = folder.of("a/GET_ACTIVE_SUBSCRIPTIONS/.new-x");
    std::fs::create_dir(&unfinished).unwrap();
    let recorded = files(&folder.of("a"));
    let data_dir = gateway.data_dir();
    assert_eq!(folder.run(&["fixtures", "export", "a", "a.har"]).0, Some(0), "reading disturbs nobody");
    assert_eq!(folder.run(&["fixtures", "check", "a"]).0, Some(0), "reading disturbs nobody");
    let writers: [&[&str]; 5] = [
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", "other", "--upstream", "record:a=simulator"],
        &["exchanges", "export", "1", "a", "--data-dir", &data_dir],
        &["fixtures", "import", "a.har", "a"],
        &["fixtures", "redact", "a"],
        &["fixtures", "redact", "b", "--to", "a"],
    ];
    std::fs::create_dir(folder.of("b")).unwrap();
    for writer in writers {
        let (code, text) = folder.run(writer);
        assert!(code == Some(1) && text.contains("a: another conax-gateway writes into this folder"), "{text}");
        assert!(unfinished.exists() && files(&folder.of("a")) == recorded, "{writer:?}");
    }
    gateway.terminate().await;
    assert_eq!(folder.run(&["fixtures", "import", "a.har", "a"]).0, Some(0));
    assert!(!unfinished.exists(), "what was left behind is deleted");
    assert!(files(&folder.of("a")) == recorded, "the lock leaves nothing behind");
}

#[tokio::test]
async fn an_operation_called_catalogue_is_recorded_where_it_is_found() {
    let conax = Conax::start(|_, _| Reaction::Write(xml_answer("200 OK", "<a/>"))).await;
    let folder = Folder::new();
    let (mut gateway, _) = folder.gateway(&format!("record:{}={}", folder.of("a").display(), conax.url)).await;
    assert_eq!(raw(&gateway, "", "<catalogue/>").await.0, 200);
    gateway.terminate().await;
    let (gateway, _) = folder.gateway(&format!("replay:{}", folder.of("a").display())).await;
    assert_eq!(raw(&gateway, "", "<catalogue/>").await.0, 200);
}

#[tokio::test]
async fn a_recording_of_the_quick_start_has_all_that_its_calls_need() {
    let folder = Folder::new();
    let (mut gateway, client) = folder.gateway(&format!("record:{}=simulator", folder.of("a").display())).await;
    let pairing = json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "stb_set": [{"stb_ca_id": STB}],
        "process_immediately": true});
    let call = json!({"service_identifier": {"code": "Silver"}, "smartcard_identifier": {"serial_number": "smrt20000055"},
        "subscription_identifier": {"number": "S60149"}, "process_immediately": true});
    let method = "conax_sms_sas/provisioning_requests/add_subscriptions";
    client.post(&format!("{WEB}/create_pairing"), pairing.clone()).await.data();
    let live = client.post(method, call.clone()).await.data();
    gateway.terminate().await;
    assert_eq!(live["life_cycle_state"], "COMPLETED");
    let recorded = files(&folder.of("a"));
    assert_nowhere(&recorded, &["20000055", "1F0A9B8C", "S60149", "A1B2C3D4", CARD, STB]);
    let names: Vec<&str> =
        recorded.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("cat")).collect();
    assert_eq!(
        names,
        ["redaction.json", "services.csv", "smartcards.csv", "subscriptions.csv"].map(|n| format!("catalogue/{n}"))
    );
    let line = |name: &str| {
        let (_, text) = recorded.iter().find(|(file, _)| file.ends_with(name)).unwrap();
        String::from_utf8(text.clone()).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let hex = Regex::new("^[0-9A-F]{32},").unwrap();
    for file in ["services.csv", "smartcards.csv", "subscriptions.csv"] {
        assert!(matches!(&line(file)[..], [only] if hex.is_match(only)), "{:?}", line(file));
    }
    assert_eq!(folder.run(&["fixtures", "check", "a"]), (Some(0), "2 cases, no difference\n".to_owned()));

    // Also where nothing but the catalogue knows what is named, and by the pseudonyms of the recorded call.
    let hidden = recorded.iter().find(|(name, _)| name.starts_with("ADD") && name.ends_with("call.json")).unwrap();
    let hidden: Value = serde_json::from_slice(&hidden.1).unwrap();
    let key = folder.of("key").display().to_string();
    let replay = format!("replay:{}", folder.of("a").display());
    let settings = [("upstream.url", replay.as_str()), ("fixtures.key_file", &key)];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let again = client.post(&format!("{WEB}/create_pairing"), pairing).await.data();
    assert_eq!(again["life_cycle_state"], "COMPLETED");
    let again = client.post(method, call).await.data();
    assert_eq!((&again["life_cycle_state"], &again["response"]), (&json!("COMPLETED"), &live["response"]));
    let again = client.post(method, hidden).await.data();
    assert_eq!(again["life_cycle_state"], "COMPLETED", "the pseudonyms are known, too");

    // Without it each call that needs it would differ: the reason comes first.
    std::fs::rename(folder.of("a/catalogue"), folder.of("catalogue")).unwrap();
    let (code, text) = folder.run(&["fixtures", "check", "a"]);
    assert!(code == Some(1) && text.starts_with("a/catalogue: is missing, and 1 entries of it"), "{text}");
    std::fs::create_dir(folder.of("a/catalogue")).unwrap();
    std::fs::write(folder.of("a/catalogue/services.csv"), "id,code,ca_id\n1,Gold,300\n").unwrap();
    let (code, text) = folder.run(&["fixtures", "check", "a"]);
    assert!(
        code == Some(1) && text.starts_with("a/catalogue/services.csv: has no 'Silver', which the call of ADD_"),
        "{text}"
    );
    std::fs::create_dir(folder.of("b")).unwrap();
    let (code, text) = folder.run(&["fixtures", "check", "b"]);
    assert!(code == Some(1) && text.contains("b: there is no case in it"), "{text}");
}

#[test]
fn a_folder_that_is_given_away_has_a_catalogue_of_pseudonyms() {
    let folder = Folder::new();
    write_query(&folder.of("a"), "one", CARD, "x", &json!({}));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/catalogue");
    let cards = std::fs::read_to_string(source.join("smartcards.csv")).unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.of("a/catalogue").join(name), text).unwrap();
    std::fs::create_dir(folder.of("a/catalogue")).unwrap();
    put("smartcards.csv", &cards);
    put("services.csv", &std::fs::read_to_string(source.join("services.csv")).unwrap());
    put("subscriptions.csv", &std::fs::read_to_string(source.join("subscriptions.csv")).unwrap());
    // A killed redaction left some of the files that were there before.
    std::fs::create_dir(folder.of("a/.new-x")).unwrap();
    std::fs::write(folder.of("a/.new-x/smartcards.csv"), &cards).unwrap();
    std::fs::write(folder.of("a/notes.txt"), "ask Jo").unwrap();

    let (code, text) = folder.run(&["fixtures", "redact", "a", "--to", "b"]);
    assert!(code == Some(0) && text.starts_with("1 cases, and the catalogue, redacted with the key "), "{text}");
    assert!(text.contains("a/notes.txt: is no file of a case, and stays as it is"), "{text}");
    assert_eq!(folder.run(&["fixtures", "redact", "a"]).0, Some(0));
    std::fs::remove_file(folder.of("a/notes.txt")).unwrap();
    let redacted = files(&folder.of("a"));
    assert_nowhere(&redacted, &["20000055", "1F0A9B8C", "S60149", "98D375E9", "0000010"]);
    assert!(files(&folder.of("b")) == redacted, "the same elsewhere");
    let (code, text) = folder.run(&["fixtures", "redact", "a"]);
    assert!(code == Some(0) && text.ends_with("; 1 have pseudonyms already\n"), "{text}");
    assert!(files(&folder.of("a")) == redacted, "pseudonyms have no pseudonyms");

    put("boxes.csv", "id,serial_number\n1,2\n");
    std::fs::remove_file(folder.of("a/catalogue/redaction.json")).unwrap();
    let (code, text) = folder.run(&["fixtures", "redact", "a"]);
    assert!(code == Some(1) && text.contains("catalogue/boxes.csv: is none of services.csv"), "{text}");
}

/// Text that cannot be read is not searched: the text is replaced whole, and named.
#[test]
fn what_cannot_be_looked_into_is_replaced_whole() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes();
    let xml = format!("<a><CaClientId>{CARD}</CaClientId><CaPin>{PIN}</CaPin></a>");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(xml.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let utf_16: Vec<u8> = xml.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf_32: Vec<u8> = xml.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let hex = xml.bytes().map(|byte| format!("{byte:02X}")).collect::<String>().into_bytes();
    let mime = [
        b"--b\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--b\r\nContent-Id: <1>\r\n\r\n".as_slice(),
        &gzip,
        b"\r\n--b--\r\n",
    ];
    let folder = Folder::new();
    let bodies: [(&str, &str, Vec<u8>, bool); 8] = [
        ("gzip", "text/xml", gzip.clone(), true),
        ("base64", "text/xml", base64(xml.as_bytes()), false),
        ("base64-gzip", "text/xml", base64(&gzip), false),
        ("utf-16", "text/xml; charset=utf-16", utf_16, false),
        ("utf-32", "text/xml", utf_32, true),
        ("hex", "text/xml", hex, false),
        ("utf-7", "text/xml; charset=utf-7", b"<a>+ADAAMQA0ADUAMAAyADUAMwAzADEAMw-</a>".to_vec(), true),
        ("parts", "multipart/related; boundary=b", mime.concat(), true),
    ];
    for (name, kind, body, _) in &bodies {
        write_query(&folder.of("f"), name, CARD, "x", &json!({"headers": {"Content-Type": kind}}));
        std::fs::write(folder.of("f/GET_PAIRING_STATUS_FOR_CARD").join(name).join("response.xml"), body).unwrap();
    }
    let (code, text) = folder.run(&["fixtures", "redact", "f"]);
    assert!(code == Some(0) && text.starts_with("8 cases redacted"), "{text}");
    for (name, _, body, is_named) in &bodies {
        let file = format!("f/GET_PAIRING_STATUS_FOR_CARD/{name}/response.xml");
        assert_eq!(
            text.contains(&format!("{file}: cannot be looked into, and is replaced whole")),
            *is_named,
            "{text}"
        );
        let redacted = std::fs::read(folder.of(&file)).unwrap();
        let common = redacted.iter().zip(body).take_while(|(a, b)| a == b).count();
        assert!(redacted != *body && common < 90, "{name}: {}", String::from_utf8_lossy(&redacted));
        let digits = String::from_utf8(redacted.iter().copied().filter(u8::is_ascii_digit).collect()).unwrap();
        assert!(!digits.contains(CARD) && !digits.contains("3031343530"), "{name}: {digits}");
    }
    let part = std::fs::read_to_string(folder.of("f/GET_PAIRING_STATUS_FOR_CARD/parts/response.xml")).unwrap();
    assert!(part.contains("<a/>") && part.contains("replaced whole: ") && part.ends_with("--b--\r\n"), "{part}");
}

#[tokio::test]
async fn a_call_that_nobody_waited_for_any_longer_is_replayed_in_the_same_words() {
    let conax = Conax::start(|nth, _| if nth == 0 { Reaction::Close } else { Reaction::Hold(Vec::new()) }).await;
    let folder = Folder::new();
    let key = folder.of("key").display().to_string();
    let record = async |upstream: &str| {
        let settings = [
            ("upstream.url", upstream),
            ("fixtures.key_file", &key),
            ("processor.in_doubt_timeout_s", "1"),
            ("processor.backoff_initial_s", "0.05"),
        ];
        let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
        let call = json!({"smartcard_set": [{"smartcard_ca_id": CARD}], "process_immediately": true});
        let number = client.post(&format!("{WEB}/update_ca_pin_to_default_value"), call).await.data()["number"].clone();
        let record = eventually(async || {
            Some(client.show(&number).await).filter(|record| record["delivery"]["state"] == "needs_operator")
        })
        .await;
        gateway.terminate().await;
        record["error_description"].clone()
    };
    let live = record(&format!("record:{}={}", folder.of("a").display(), conax.url)).await;
    assert_eq!(record(&format!("replay:{}", folder.of("a").display())).await, live);
}

#[tokio::test]
async fn a_key_that_is_named_and_missing_is_missed() {
    let folder = Folder::without_key();
    write_query(&folder.of("f"), "a", CARD, "x", &json!({}));
    let (gateway, _) = folder.gateway(&format!("replay:{}", folder.of("f").display())).await;
    let log = gateway.logged("without the key").await;
    assert!(log.contains(&folder.of("key").display().to_string()), "{log}");
    assert!(!folder.of("key").exists(), "reading makes no key");
}

#[tokio::test]
async fn no_secret_is_in_the_words_for_what_no_case_answers() {
    let folder = Folder::new();
    let case = folder.of("f/login/one");
    std::fs::create_dir_all(&case).unwrap();
    std::fs::write(case.join("request.xml"), "<login Password='old &amp; secret'><note>none</note></login>").unwrap();
    std::fs::write(case.join("response.xml"), "<a/>").unwrap();
    let (gateway, _) = folder.gateway(&format!("replay:{}", folder.of("f").display())).await;
    // A secret across the cut would otherwise be shown in part.
    let note = format!("{} correct horse battery", "x".repeat(110));
    let request = format!("<login Password='correct horse battery'><note>{note}</note></login>");
    let (status, _, fault) = raw(&gateway, "", &request).await;
    let fault = String::from_utf8(fault).unwrap().replace("&apos;", "'");
    assert!(status == 500 && fault.contains("/login/@Password: differs, not shown"), "{fault}");
    for part in ["secret", "correct", "horse"] {
        assert!(!fault.contains(part), "{fault}");
    }
}

#[tokio::test]
async fn large_messages_are_found_and_missed_like_small_ones() {
    let large = |card: &str| format!("<list><CaClientId>{card}</CaClientId>{}</list>", "<item>x</item>".repeat(10_000));
    let conax = Conax::start(move |_, _| Reaction::Write(xml_answer("200 OK", &large(CARD)))).await;
    let folder = Folder::new();
    let (mut gateway, _) = folder.gateway(&format!("record:{}={}", folder.of("a").display(), conax.url)).await;
    let live = raw(&gateway, "", &large(CARD)).await;
    gateway.terminate().await;
    assert_nowhere(&files(&folder.of("a")), &[CARD]);
    let (gateway, _) = folder.gateway(&format!("replay:{}", folder.of("a").display())).await;
    assert_eq!(raw(&gateway, "", &large(CARD)).await, live);
    let (status, _, fault) = raw(&gateway, "", &large(OTHER_CARD)).await;
    assert_eq!(status, 500);
    assert!(String::from_utf8_lossy(&fault).contains("/list/CaClientId/text(): expected"));
}

#[test]
fn sessions_are_compared_by_all_that_counts() {
    let folder = Folder::new();
    let query = |session: &str, name: &str, card: &str, exchange: Value| {
        write_query(&folder.of(session), name, card, "x", &exchange);
    };
    let headers = |name: &str| json!({"path": "/a", "headers": {name: "text/xml"}});
    query("a", "case", "01450253301", headers("Content-Type"));
    query("b", "case", "01450253301", headers("content-type"));
    assert_eq!(folder.run(&["fixtures", "diff", "a", "b"]), (Some(0), "no call differs\n".to_owned()));

    query("b", "case", "01450253301", json!({"path": "/b", "headers": {"content-type": "text/plain"}}));
    let failure = |stage: &str| json!({"failure": {"stage": stage, "text": "nothing came"}});
    query("a", "failed", "01450253302", failure("sent"));
    query("b", "failed", "01450253302", failure("connect"));
    for (session, name, call) in [("a", "refused", "1"), ("b", "refused", "2"), ("a", "gone", "3"), ("b", "new", "3")] {
        let case = folder.of(session).join("GET_PAIRING_STATUS_FOR_CARD").join(name);
        std::fs::create_dir(&case).unwrap();
        std::fs::write(case.join("call.json"), format!("{{\"smartcard_ca_id\": {call}}}")).unwrap();
    }
    let (code, text) = folder.run(&["fixtures", "diff", "a", "b"]);
    assert_eq!(code, Some(1));
    let expected = "\
GET_PAIRING_STATUS_FOR_CARD/new: only in b
GET_PAIRING_STATUS_FOR_CARD/case:
  path: expected '/a', got '/b'
  Content-Type: expected 'text/xml', got 'text/plain'
GET_PAIRING_STATUS_FOR_CARD/failed:
  failure: expected 'sent: nothing came', got 'connect: nothing came'
GET_PAIRING_STATUS_FOR_CARD/gone: only in a
GET_PAIRING_STATUS_FOR_CARD/refused:
  call $.smartcard_ca_id: expected 1, got 2
";
    assert!(text.starts_with(expected), "{text}");
}
