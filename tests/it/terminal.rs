//! Output of the commands for a person: no character acts on the terminal, lines come as they are read, and the output ends
//! with its reader. A start without a terminal keeps such characters out of the log.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncBufReadExt as _;

use crate::support::{BIN, Conax, Gateway, Reaction, command_with, eventually, run, run_in, xml_answer};

/// Texts that would act on a terminal: an escape sequence in seven and in eight bits, an override of the direction of
/// writing, a mark of it, DEL, and a second line.
const HOSTILE: &str = "\u{1b}[2J\u{9b}2J\u{202e}x\u{200f}\u{7f}\r\u{85}";

fn assert_harmless(printed: &[u8]) {
    let text = String::from_utf8(printed.to_vec()).unwrap();
    let acting = text
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}'));
    assert_eq!(acting, None, "{text}");
}

#[tokio::test]
async fn no_text_acts_on_the_terminal() {
    let fault = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:Server\
         </faultcode><faultstring>fault{}</faultstring></s:Fault></s:Body></s:Envelope>",
        HOSTILE.replace('\u{1b}', "")
    );
    let fault = xml_answer("500 Internal Server Error", &fault);
    let conax = Conax::start(move |n, _| match n {
        0 => Reaction::Write(fault.clone()),
        _ => Reaction::Write(xml_answer("200 OK", &format!("no XML{HOSTILE}"))),
    });
    let conax = conax.await;
    let (mut gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    client.pair_now("first").await;
    let box_id = format!("box{}", HOSTILE.replace('\u{1b}', ""));
    client.pair("second", json!({"process_immediately": true, "stb_set": [{"stb_ca_id": box_id}]})).await.data();
    let passed = client.http.post(format!("{}/ca-server/webservices/x", gateway.url));
    passed.header("soapaction", "a\u{9b}").body(format!("no XML{HOSTILE}")).send().await.unwrap();
    let data = gateway.data_dir();
    eventually(async || {
        let listing = run(&["exchanges", "list", "--data-dir", &data]).stdout;
        String::from_utf8_lossy(&listing).contains("PASSED").then_some(())
    })
    .await;
    let listing = run(&["exchanges", "list", "--data-dir", &data]).stdout;
    let listing = String::from_utf8(listing).unwrap();
    let passed = listing.lines().find(|line| line.contains("PASSED")).unwrap().split(' ').next().unwrap();
    let weird = format!("x{HOSTILE}");
    for args in [
        &["requests", "list"][..],
        &["requests", "show", "1"],
        &["requests", "show", "2"],
        &["exchanges", "list"],
        &["exchanges", "show", passed],
        &["exchanges", "show", &weird],
        &["requests", "list", "--type", &weird],
        &["user", "remove", &weird],
        &["config", "check", "--config", &weird],
        &[&weird],
    ] {
        let output = match args[0] {
            "requests" | "exchanges" | "user" => run(&[args, &["--data-dir", &data]].concat()),
            _ => run(args),
        };
        assert_harmless(&output.stdout);
        assert_harmless(&output.stderr);
        assert!(output.stdout.len() + output.stderr.len() > 20, "{args:?}");
    }
    let shown = String::from_utf8(run(&["requests", "show", "1", "--data-dir", &data]).stdout).unwrap();
    assert!(shown.contains("\\u009b2J\\u202ex\\u200f"), "as JSON escapes it: {shown}");
    client.get_raw(&format!("nothing/{}", HOSTILE.replace('\r', ""))).await;
    assert_harmless(gateway.last_log().await.as_bytes());
}

#[test]
fn a_long_table_comes_at_once_and_ends_with_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..20_000).map(|n| format!("id{n},code{n},{n}\n")).collect();
    std::fs::write(folder.path().join("services.csv"), format!("id,code,ca_id\n{rows}")).unwrap();
    let imported = run_in(folder.path(), &["catalogue", "import", "services", "services.csv"], &[]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let listed = run_in(folder.path(), &["catalogue", "list", "services"], &[]);
    let listing = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listing.lines().count(), 20_001);
    assert!(listing.starts_with("ID ") && listing.contains("\nid19999  code19999"), "aligned by the first rows");

    let mut child = Command::new(BIN)
        .args(["catalogue", "list", "services"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ID "), "{line}");
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "a reader that left is no failure");
}

#[tokio::test]
async fn requests_are_listed_page_by_page() {
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    for _ in 0..600 {
        client.pair("a", json!({})).await.data();
    }
    let list = |limit: &str| {
        let output = run(&["requests", "list", "--limit", limit, "--data-dir", &gateway.data_dir()]);
        let listing = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<i64> =
            listing.lines().skip(1).map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        numbers
    };
    assert_eq!(list("1000000"), (1..=600).rev().collect::<Vec<_>>());
    assert_eq!(list("550"), (51..=600).rev().collect::<Vec<_>>());
}

/// Standard output and error of a command that worked.
fn printed(gateway: &Gateway, words: &[&str]) -> (String, String) {
    let output = run(&[words, &["--data-dir", &gateway.data_dir()]].concat());
    let [out, error] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{words:?}: {error}");
    (out, error)
}

/// From a card number, as it was heard on the phone, to the reason, and to another try.
#[tokio::test]
async fn a_card_leads_to_the_reason_and_to_another_try() {
    let (gateway, client) = Gateway::start_signed_in(&[("processor.poll_s", "0.05")]).await;
    client.pair_now("01450000011").await;
    client.pair_now("99000000002").await;
    client.pair_now("01450000011").await;
    let (listing, more) = printed(&gateway, &["requests", "list", "--card", "0145-00 00011", "--limit", "1"]);
    assert!(listing.lines().count() == 2 && listing.lines().nth(1).unwrap().starts_with("3 "), "{listing}");
    assert_eq!(more, "1 more: --before 3, or a greater --limit\n");
    let (next, more) =
        printed(&gateway, &["requests", "list", "--card", "01450000011", "--limit", "1", "--before", "3"]);
    assert!(next.lines().nth(1).unwrap().starts_with("1 ") && more.is_empty(), "{next}{more}");
    let (nothing, near) = printed(&gateway, &["requests", "list", "--card", "01450000012", "--jsonl"]);
    assert_eq!((nothing.as_str(), near.trim()), ("", "no request has the smartcard 01450000012; near it: 01450000011"));
    let (faults, _) = printed(&gateway, &["requests", "list", "--fault", "ILLEGAL*simulator", "--jsonl"]);
    let fault: Value = serde_json::from_str(&faults).unwrap();
    assert_eq!(fault["number"], 2);
    assert_eq!(fault["card"], json!(["99000000002"]));
    assert_eq!(fault["reason"], "java.lang.IllegalStateException: fault in the simulator");
    let filter = "-state:completed fault:\"in the sim*\" status:5*";
    assert_eq!(printed(&gateway, &["requests", "list", "--filter", filter, "--jsonl"]).0, faults);
    let wrong = run(&["requests", "list", "--filter", "stat:x", "--data-dir", &gateway.data_dir()]);
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("--filter: There is no key stat"));
    let (all, _) = printed(&gateway, &["requests", "list", "--since", "1h", "--json"]);
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    assert_eq!(all.len(), 3);
    let (none, _) = printed(&gateway, &["requests", "list", "--since", "9000-01-01T00:00:00", "--json"]);
    assert_eq!(none, "[]\n");

    let (shown, _) = printed(&gateway, &["requests", "show", "2"]);
    let parts = ["reason        java.lang.Illegal", "\nHistory\nattempt 1: ", "<ns1:CaClientId>99", "\nAnswer\n"];
    let places = parts.map(|part| shown.find(part));
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}: {shown}");
    assert_eq!(shown.matches("<ns1:CaClientId>99000000002").count(), 1, "nothing twice: {shown}");
    let (raw, _) = printed(&gateway, &["requests", "show", "2", "--raw", "request"]);
    let record = client.show(&"2".into()).await;
    assert_eq!(record["request"], raw);
    let (json, _) = printed(&gateway, &["requests", "show", "2", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["record"]["response"], &json["attempts"][0]["http_status"]), (&record["response"], &json!(500)));

    let (said, _) =
        printed(&gateway, &["requests", "again", "2", "--reason", "now it is installed", "--user", "night shift"]);
    assert_eq!(said, "request 4 is sent as soon as a gateway runs\n");
    let again = client.ended(&"4".into()).await;
    assert_eq!((&again["error_code"], &again["request"]), (&record["error_code"], &record["request"]));
    for (number, words) in [("2", "RESUBMITTED: "), ("4", "RESUBMISSION: ")] {
        let (shown, _) = printed(&gateway, &["requests", "show", number]);
        assert!(shown.contains(words) && shown.contains("by night shift: "), "{shown}");
        assert!(shown.contains(": now it is installed"), "{shown}");
    }
    let (differences, _) = printed(&gateway, &["requests", "diff", "1", "2", "--jsonl"]);
    let nodes: Vec<Value> = differences.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let card = nodes.iter().find(|node| node["in"] == "request").unwrap();
    assert!(card["at"].as_str().unwrap().ends_with("/ns1:CaClientId/text()"), "{card}");
    assert_eq!((&card["first"], &card["second"]), (&json!("01450000011"), &json!("99000000002")));
    assert_eq!(printed(&gateway, &["requests", "diff", "1", "1"]), (String::new(), "no difference\n".to_owned()));
    let (exchanges, _) = printed(&gateway, &["exchanges", "list", "--card", "01450000011", "--jsonl"]);
    assert_eq!(exchanges.lines().count(), 2);
}

#[tokio::test]
async fn only_what_has_ended_and_is_kept_is_submitted_again() {
    let (gateway, client) = Gateway::start_signed_in(&[]).await;
    client.pair("a", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let body = json!({"smartcard_set": [{"smartcard_ca_id": "b"}], "ca_pin": "4711", "process_immediately": true});
    client.call("update_ca_pin_to_given_value", body).await.data();
    for (number, why) in [("1", "has not ended"), ("2", "ca_pin is not kept"), ("3", "no request 3")] {
        let output =
            run(&["requests", "again", number, "--reason", "r", "--user", "u", "--data-dir", &gateway.data_dir()]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn tail_prints_each_request_and_each_change_of_its_state() {
    let (gateway, client) = Gateway::start_signed_in(&[("processor.poll_s", "0.05")]).await;
    let command = command_with(&["requests", "tail", "--jsonl", "--data-dir", &gateway.data_dir()]);
    let mut tail = tokio::process::Command::from(command).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(tail.stdout.take().unwrap()).lines();
    // The command begins with requests that come after its start.
    let first = eventually(async || {
        client.pair("a", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
        let line = tokio::time::timeout(Duration::from_secs(1), lines.next_line()).await.ok()?;
        Some(serde_json::from_str::<Value>(&line.unwrap().unwrap()).unwrap())
    })
    .await;
    assert_eq!(first["state"], "PENDING");
    let number = first["number"].to_string();
    let cancel = ["requests", "cancel", &number, "--reason", "not wanted", "--user", "u", "--data-dir"];
    assert!(run(&[&cancel[..], &[&gateway.data_dir()]].concat()).status.success());
    let cancelled = async {
        loop {
            let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            if line["number"] == first["number"] {
                return line;
            }
        }
    };
    let cancelled = tokio::time::timeout(Duration::from_secs(20), cancelled).await.unwrap();
    assert_eq!(
        (&cancelled["state"], &cancelled["reason"]),
        (&json!("REJECTED"), &json!("CANCELLED: By u: not wanted"))
    );
}

/// A start without terminal and without the variables that name a user.
#[tokio::test]
async fn the_first_password_is_in_a_file_of_its_own_and_in_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = Command::new(BIN)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let file = folder.path().join("data/first-password");
    let password = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    conax_gateway::tls::install_provider();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({"username": "admin", "password": password, "organisation": "demo"}).to_string();
    let sign_in = http.post(format!("{url}/crmapi/rest/v2/authentication/token"));
    let answer = sign_in.header("content-type", "application/json").body(body).send().await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.status(), 200);
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("data/first-password") && !log.contains(&password), "{log}");
}

/// The text that a command writes to a terminal as its standard error; standard output goes to `out`.
fn on_a_terminal(args: &[&str], out: Stdio) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let side = std::fs::File::options().read(true).write(true).open(name).unwrap();
    let mut command = Command::new(BIN);
    command.args(args).env("TERM", "xterm").stdin(Stdio::null()).stdout(out).stderr(side);
    let mut child = command.spawn().unwrap();
    drop(command);
    let (mut written, mut piece) = (Vec::new(), [0; 4096]);
    let mut terminal = std::fs::File::from(terminal);
    // Linux answers with an error when the other side is closed.
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        written.extend_from_slice(&piece[..count]);
    }
    assert!(child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&written));
    String::from_utf8(written).unwrap()
}

#[test]
fn long_work_shows_its_progress_on_a_terminal_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let cards = folder.path().join("cards.csv");
    let lines: String = (0..2000).map(|n| format!("{n:032},{n:011},{n:011}\n")).collect();
    std::fs::write(&cards, format!("id,serial_number,ca_id\n{lines}")).unwrap();
    let args = ["catalogue", "import", "smartcards", cards.to_str().unwrap(), "--data-dir", data];
    let shown = on_a_terminal(&args, Stdio::null());
    for words in ["reading", "importing 2000 smartcards"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/CREATE_PAIRING");
    let copy = folder.path().join("fixtures");
    assert!(Command::new("cp").arg("-r").args([fixtures, "."]).current_dir(folder.path()).status().unwrap().success());
    std::fs::create_dir(&copy).unwrap();
    std::fs::rename(folder.path().join("CREATE_PAIRING"), copy.join("CREATE_PAIRING")).unwrap();
    let shown = on_a_terminal(&["fixtures", "check", copy.to_str().unwrap()], Stdio::null());
    assert!(shown.contains("checking") && shown.contains(" of "), "{shown}");
    let piped = run(&args);
    assert!(piped.status.success() && piped.stderr.is_empty(), "{}", String::from_utf8_lossy(&piped.stderr));
}
