//! What the commands print for a person: nothing in it acts on the terminal, it comes as it is read, and it ends with its
//! reader. And what a start without a terminal keeps out of the log.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{BIN, Conax, Gateway, Reaction, eventually, run, run_in, xml_answer};

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
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
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
    assert_harmless(gateway.log().as_bytes());
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
    assert_eq!(list("1000000"), (1..=600).collect::<Vec<_>>());
    assert_eq!(list("550"), (1..=550).collect::<Vec<_>>());
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
