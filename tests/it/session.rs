//! Upstream behind a login: secrets from the configuration, headers, and sessions that begin, end and begin again, by the
//! contract `tests/contracts/session`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::support::{Conax, Gateway, Reaction, Received, WEB, eventually, run, run_in, values_of, xml_answer};

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contracts/session");
const PASSWORD: &str = "pass<&>word";

fn settings(url: &str) -> [(&str, &str); 5] {
    [
        ("upstream.url", url),
        ("contract.dir", CONTRACT),
        ("secrets.cas_user", "gateway-user"),
        ("secrets.cas_password", PASSWORD),
        ("processor.backoff_initial_s", "0.01"),
    ]
}

fn envelope(header: &str, body: &str) -> Vec<u8> {
    xml_answer(
        "200 OK",
        &format!(
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Header>{header}</s:Header>\
             <s:Body>{body}</s:Body></s:Envelope>"
        ),
    )
}

fn not_logged_in() -> Vec<u8> {
    let fault = "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault>\
                 <faultcode>not_logged_in</faultcode><faultstring>txt_not_logged_in</faultstring></s:Fault></s:Body></s:Envelope>";
    xml_answer("500 Internal Server Error", fault)
}

fn operation(received: &Received) -> &'static str {
    ["Login", "Logout", "Pair", "SetPin"]
        .into_iter()
        .find(|name| received.body.contains(&format!("<ns1:{name} ")))
        .unwrap_or_else(|| panic!("{}", received.body))
}

/// A service whose logins give `ticket-1`, `ticket-2` and so on, and which takes those for which `is_valid` says so.
async fn service(is_valid: impl Fn(&str, &[Received]) -> bool + Send + Sync + 'static) -> Conax {
    let seen = std::sync::Mutex::new(Vec::<Received>::new());
    Conax::start(move |_, received| {
        let mut seen = seen.lock().unwrap();
        let logins = seen.iter().filter(|received| operation(received) == "Login").count();
        let answer = match operation(received) {
            "Login" => {
                let ticket = format!("<Ticket xmlns='urn:session'><Id>ticket-{}</Id></Ticket>", logins + 1);
                envelope(&ticket, "<LoginResponse xmlns='urn:session'/>")
            }
            "Logout" => envelope("", "<LogoutResponse xmlns='urn:session'/>"),
            name => {
                let ticket = received
                    .body
                    .split("ticket-")
                    .nth(1)
                    .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
                match is_valid(&format!("ticket-{}", ticket.unwrap_or_default()), &seen) {
                    true => envelope(
                        "<Reference xmlns='urn:session'>R7</Reference>",
                        &format!("<{name}Response xmlns='urn:session'/>"),
                    ),
                    false => not_logged_in(),
                }
            }
        };
        seen.push(received.clone());
        Reaction::Write(answer)
    })
    .await
}

#[test]
fn a_secret_that_does_not_fit_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("user"), "much-too-long-4711\n").unwrap();
    let file = folder.path().join("user");
    let environment = |password: &'static str| {
        [
            ("CONAX_GATEWAY_CONTRACT_DIR", CONTRACT),
            ("CONAX_GATEWAY_SECRETS_CAS_USER_FILE", file.to_str().unwrap()),
            ("CONAX_GATEWAY_SECRETS_CAS_PASSWORD", password),
        ]
    };
    for args in [&["contract", "check"][..], &["config", "check"]] {
        let output = run_in(folder.path(), args, &environment("pass\u{1}word"));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{out}");
        let user = "bindings.toml:29: secret.cas_user does not fit: 'User' must be at most 12 characters";
        assert!(err.contains(user), "{err}");
        let password = "bindings.toml:30: secret.cas_password has a character that XML 1.0 cannot carry";
        assert!(err.contains(password), "{err}");
        assert!(!err.contains("4711") && !out.contains("4711"), "{err}{out}");
    }
}

/// The record of a request with its history.
fn history(gateway: &Gateway, record: &Value) -> Value {
    let output =
        run(&["requests", "show", record["number"].as_str().unwrap(), "--json", "--data-dir", &gateway.data_dir()]);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn whoever_waits_shares_one_login_and_the_header_proves_who_sends() {
    let conax = service(|ticket, _| ticket == "ticket-1").await;
    let (mut gateway, client) = Gateway::start_signed_in(&settings(&conax.url)).await;
    let calls = (0..12).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.pair_now(&format!("0145025331{n:02}")).await })
    });
    let mut records = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        records.push(call.await.unwrap());
    }
    let received = conax.received();
    assert_eq!(received.iter().map(operation).filter(|name| *name == "Login").count(), 1);
    assert_eq!(received.len(), 13);
    let login = &received[0];
    assert_eq!(
        (values_of(login, "User"), values_of(login, "Proof")),
        (vec!["gateway-user".to_owned()], vec![md5("pass<&>word_salt")])
    );
    assert!(!login.body.contains("Security") && !login.body.contains("<Session"), "{}", login.body);
    for sent in &received[1..] {
        let one = |local: &str| values_of(sent, local).remove(0);
        assert!(sent.body.contains("ticket=\"ticket-1\"") && sent.body.contains("id=\"ticket-1\""), "{}", sent.body);
        let nonce = STANDARD.decode(one("Nonce")).unwrap();
        let proof = [&nonce, one("Created").as_bytes(), PASSWORD.as_bytes()].concat();
        assert_eq!(one("Password"), STANDARD.encode(Sha1::digest(proof)));
        assert_eq!(one("Username"), "gateway-user");
        assert!(one("MessageID").starts_with("urn:uuid:"));
        assert_eq!(one("Sign"), STANDARD.encode(sha2::Sha256::digest(format!("9000000001{PASSWORD}"))));
    }
    let nonces: std::collections::BTreeSet<_> =
        received[1..].iter().flat_map(|sent| values_of(sent, "Nonce")).collect();
    assert_eq!(nonces.len(), 12, "each is used once");
    for record in &records {
        assert_eq!((&record["life_cycle_state"], &record["reference_number"]), (&json!("COMPLETED"), &json!("R7")));
        let request = record["request"].as_str().unwrap();
        assert!(
            request.contains("<wsse:Username>****</wsse:Username>") && request.contains("ticket=\"****\""),
            "{request}"
        );
    }
    assert_eq!(gateway.terminate().await, Some(0));
    let last = conax.received().pop().unwrap();
    assert_eq!((operation(&last), values_of(&last, "Ticket")), ("Logout", vec!["ticket-1".to_owned()]));
    assert_nothing_is_told(&gateway);
}

/// Neither the log nor the database has a secret or a session.
fn assert_nothing_is_told(gateway: &Gateway) {
    let mut kept = gateway.log().into_bytes();
    kept.extend(gateway.stored().concat());
    for secret in ["gateway-user", "pass<", "pass&lt;", "ticket-"] {
        assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is told");
    }
}

fn md5(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_and_what_was_refused_is_sent_once_more() {
    // The first session is good for two requests.
    let conax = service(|ticket, seen| {
        ticket != "ticket-1" || seen.iter().filter(|received| operation(received) == "Pair").count() < 2
    })
    .await;
    let (mut gateway, client) = Gateway::start_signed_in(&settings(&conax.url)).await;
    let mut last = Value::Null;
    for n in 0..4 {
        last = client.pair_now(&format!("0145025331{n}")).await;
        assert_eq!((&last["life_cycle_state"], &last["delivery"]["attempts"]), (&json!("COMPLETED"), &json!(1)));
    }
    let names: Vec<_> = conax.received().iter().map(operation).collect();
    assert_eq!(names, ["Login", "Pair", "Pair", "Pair", "Login", "Pair", "Pair"]);
    let shown = history(&gateway, &json!({"number": "3"}));
    let events: Vec<_> = shown["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events, [json!("SESSION_ENDED"), json!("LOGGED_IN")]);
    let text = shown["events"].to_string();
    assert!(
        text.contains("txt_not_logged_in") && text.contains("<Id>****</Id>") && !text.contains("ticket-"),
        "{text}"
    );
    let pin =
        json!({"smartcard_set": [{"smartcard_ca_id": "01450253319"}], "ca_pin": "4711", "process_immediately": true});
    let record = client.post(&format!("{WEB}/update_ca_pin_to_given_value"), pin).await.data();
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    assert!(record["request"].as_str().unwrap().contains("<ns1:NewPin>****</ns1:NewPin>"), "{record:#}");
    let sent = conax.received().pop().unwrap();
    assert_eq!(
        (values_of(&sent, "NewPin"), values_of(&sent, "Ticket")),
        (vec!["4711".to_owned()], vec!["ticket-2".to_owned()])
    );
    assert_eq!(last["request"].as_str().unwrap().matches("****").count(), 7, "{}", last["request"]);
    gateway.kill().await;
    assert_nothing_is_told(&gateway);
}

#[tokio::test]
async fn what_is_refused_again_is_rejected_as_axis_says_it() {
    let conax = service(|_, _| false).await;
    let (_gateway, client) = Gateway::start_signed_in(&settings(&conax.url)).await;
    let record = client.pair_now("01450253313").await;
    let names: Vec<_> = conax.received().iter().map(operation).collect();
    assert_eq!(names, ["Login", "Pair", "Login", "Pair"]);
    assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("AxisFault")));
    let text = record["error_description"].as_str().unwrap();
    let begins =
        "AxisFault\n faultCode: not_logged_in\n faultSubcode: \n faultString: txt_not_logged_in\n faultActor: \n";
    assert!(text.starts_with(begins), "{text}");
}

#[tokio::test]
async fn without_a_login_nothing_is_sent() {
    let conax = Conax::start(|_, received| {
        assert_eq!(operation(received), "Login");
        Reaction::Write(xml_answer(
            "500 Internal Server Error",
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault><faultcode>s:Client</faultcode>\
             <faultstring>gateway-user is locked</faultstring></s:Fault></s:Body></s:Envelope>",
        ))
    })
    .await;
    let more = [("processor.max_attempts", "2")];
    let (mut gateway, client) = Gateway::start_signed_in(&[&settings(&conax.url)[..], &more].concat()).await;
    let number = client.pair_now("01450253313").await["number"].clone();
    let record = eventually(async || {
        let record = client.show(&number).await;
        (record["life_cycle_state"] == "REJECTED").then_some(record)
    })
    .await;
    assert_eq!((&record["error_code"], &record["request"]), (&json!("LOGIN_FAILED"), &Value::Null));
    assert_eq!(record["error_description"], "The login failed: **** is locked");
    assert_eq!(conax.received().len(), 2);
    assert!(!gateway.last_log().await.contains("gateway-user"));
}

#[tokio::test]
async fn what_is_recorded_has_no_secret_and_is_replayed() {
    let conax = service(|ticket, seen| ticket != "ticket-1" || seen.len() < 2).await;
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus").display().to_string();
    let target = format!("record:{corpus}={}", conax.url);
    let key = folder.path().join("key").display().to_string();
    let with = |url: &'static str| [&settings(url)[1..], &[("fixtures.key_file", key.as_str())]].concat();
    let mut recording = with("");
    recording.push(("upstream.url", target.as_str()));
    let (mut gateway, client) = Gateway::start_signed_in(&recording).await;
    for card in ["01450253311", "01450253312"] {
        assert_eq!(client.pair_now(card).await["life_cycle_state"], "COMPLETED");
    }
    assert_eq!(gateway.terminate().await, Some(0));
    assert_eq!(conax.received().len(), 6, "login, two requests, one again after a login, and a logout");
    let mut files = vec![std::path::PathBuf::from(&corpus)];
    let mut texts = String::new();
    while let Some(path) = files.pop() {
        match path.is_dir() {
            true => files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path())),
            false => texts.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())),
        }
    }
    for secret in ["gateway-user", "pass<", "pass&lt;", "ticket-1", "ticket-2"] {
        assert!(!texts.contains(secret), "{secret} is recorded");
    }
    let target = format!("replay:{corpus}");
    let mut replaying = with("");
    replaying.push(("upstream.url", target.as_str()));
    let (_gateway, client) = Gateway::start_signed_in(&replaying).await;
    for card in ["01450253311", "01450253312"] {
        let record = client.pair_now(card).await;
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    }
}

#[test]
fn the_check_names_secrets_that_are_missing_and_shows_none() {
    let folder = tempfile::tempdir().unwrap();
    let check = |environment: &[(&str, &str)]| {
        let environment = [&[("CONAX_GATEWAY_CONTRACT_DIR", CONTRACT)], environment].concat();
        run_in(folder.path(), &["contract", "check"], &environment)
    };
    let user = ("CONAX_GATEWAY_SECRETS_CAS_USER", "gateway-user");
    let missing = String::from_utf8(check(&[user]).stderr).unwrap();
    assert!(
        missing.contains("bindings.toml:7: secret.cas_password: the configuration has no 'cas_password' in [secrets]"),
        "{missing}"
    );
    assert!(!missing.contains("cas_user"), "{missing}");
    // A file that only the service can read does not stand in the way.
    let file = ("CONAX_GATEWAY_SECRETS_CAS_PASSWORD_FILE", "/nowhere/password");
    let checked = check(&[user, file]);
    let shown = String::from_utf8(checked.stdout).unwrap();
    for line in [
        "  header {http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security: secret.cas_user, nonce, sent, secret.cas_password, nonce, sent",
        "  \"{secret.cas_user}\" -> User: string",
        "  no header {urn:session}Audit, which the WSDL declares",
        "  session? <- soap:Header/Ticket/Id: string",
    ] {
        assert!(
            shown.lines().any(|shown| shown.starts_with(line)),
            "{line}\n{shown}{}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
    assert!(!shown.contains("gateway-user"));
}

#[tokio::test]
async fn the_simulator_lets_in_who_logs_in() {
    let settings = &settings("")[1..4];
    let (_gateway, client) = Gateway::start_signed_in(settings).await;
    assert_eq!(client.pair_now("01450253313").await["life_cycle_state"], "COMPLETED");
}
