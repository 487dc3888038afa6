//! The README is true: its tables are those of the code, and its commands are run.

use std::fmt::Write as _;
use std::process::Command;

use conax_gateway::api::Code;
use conax_gateway::config::settings;
use conax_gateway::http::{ROUTES, status_of};

use crate::support::{BIN, Gateway};

const README: &str = include_str!("../../README.md");

/// The rows of the table behind a marker.
fn table(marker: &str) -> String {
    let behind = README.split(&format!("<!-- {marker}: checked by a test -->\n")).nth(1).unwrap();
    let lines = behind.lines().take_while(|line| line.starts_with('|')).skip(2);
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn the_methods_are_those_of_the_router() {
    let rows = table("methods");
    let listed: Vec<_> =
        rows.lines().map(|row| row.split('|').map(str::trim).skip(1).take(2).collect::<Vec<_>>()).collect();
    let expected: Vec<_> = ROUTES.iter().map(|(verb, path, _)| vec![verb.to_string(), format!("`{path}`")]).collect();
    assert_eq!(listed, expected);
}

#[test]
fn the_errors_are_those_of_the_code() {
    let expected = Code::ALL.iter().fold(String::new(), |mut rows, (code, meaning)| {
        writeln!(rows, "| {} | {} | {} |", code.as_str(), status_of(*code).as_u16(), meaning.trim()).unwrap();
        rows
    });
    assert_eq!(table("errors"), expected, "the table must be:\n{expected}");
}

#[test]
fn the_settings_are_those_of_the_code() {
    let expected = settings().iter().fold(String::new(), |mut rows, s| {
        writeln!(rows, "| `{}.{}` | `{}` | {} |", s.section, s.key, s.default, s.doc).unwrap();
        rows
    });
    assert_eq!(table("configuration"), expected, "the table must be:\n{expected}");
}

/// The shell blocks, in order. The first two run the gateway and the tests: `.ci/run` runs those.
#[tokio::test]
async fn the_commands_work() {
    let blocks: Vec<&str> = README.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let gateway = Gateway::start(&[]).await;
    let folder = gateway.folder.path();
    std::fs::create_dir_all(folder.join("target/release")).unwrap();
    std::os::unix::fs::symlink(BIN, folder.join("target/release/conax-gateway")).unwrap();
    std::os::unix::fs::symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"), folder.join("fixtures")).unwrap();
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut printed = Vec::new();
    for block in blocks.iter().skip(2) {
        let script = block
            .replace("127.0.0.1:8080", address)
            .replace("\"demo\",\"password\":\"demo-password\"", "\"tester\",\"password\":\"tester-password\"");
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(folder)
            .env("XDG_CONFIG_HOME", folder)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
        printed.push(text);
    }
    let session: Vec<&str> = printed[0].lines().collect();
    assert_eq!(session.len(), 4, "{session:#?}");
    assert!(session.iter().all(|answer| answer.contains("\"code\":\"OK\"")), "{session:#?}");
    assert!(
        session[0].contains("\"COMPLETED\"") && session[0].contains("<ns1:CaClientId>01450253313<"),
        "{}",
        session[0]
    );
    assert!(session[3].contains("\"COMPLETED\""), "{}", session[3]);
    assert!(printed[2].contains("is REJECTED") && printed[2].contains("CANCELLED: "), "{}", printed[2]);
    assert!(printed[3].contains(&gateway.url) && printed[3].contains("PASSED"), "{}", printed[3]);
    assert!(printed[1].contains("CREATE_PAIRING") && printed[1].contains("attempt 1: "), "{}", printed[1]);
}
