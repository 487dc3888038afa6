//! The README is true: its tables are those of the code, and its commands are run.

use std::fmt::Write as _;
use std::process::Command;

use conax_gateway::api::Code;
use conax_gateway::config::settings;
use conax_gateway::http::{Route, routes, status_of};
use conax_gateway::request::{Family, RequestType, Shape, Steps};

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
    let mut listed = rows.lines().map(|row| row.split('|').nth(3).unwrap_or_default().trim());
    let expected = routes().into_iter().fold(String::new(), |mut rows, (verb, path, route)| {
        let by_hand = listed.next().unwrap_or_default().to_owned();
        let words = match route {
            Route::Create(family, request_type) => parameters(family, request_type),
            _ => by_hand,
        };
        writeln!(rows, "| {verb} | `{path}` | {words} |").unwrap();
        rows
    });
    assert_eq!(rows, expected, "the table must be:\n{expected}");
}

/// What a creating method takes, by its row in the table of request types.
fn parameters(family: Family, request_type: RequestType) -> String {
    let subscription = request_type.requires_subscription(family).then(|| "`subscription_identifier`".to_owned());
    let own = request_type.parameters().iter().filter_map(|parameter| {
        let name = parameter.name;
        let in_place = if family == Family::WebServices { "`smartcard_set`" } else { "" };
        let words = match parameter.shape {
            Shape::SequenceNumber | Shape::Untaken => return None,
            Shape::Service if !in_place.is_empty() => format!("`{name}` or `service_ca_id`"),
            Shape::InstalledCard if !in_place.is_empty() => format!("`{name}` or {in_place}"),
            _ => format!("`{name}`{}", if parameter.is_mandatory { "" } else { "?" }),
        };
        Some(words + &limits(parameter.shape))
    });
    subscription.into_iter().chain(own).collect::<Vec<_>>().join(", ")
}

fn limits(shape: Shape) -> String {
    match shape {
        Shape::Text(Some(most)) => format!(" (at most {most} characters)"),
        Shape::Whole { range: Some(Steps { least, most, step }), .. } => {
            format!(" ({least} to {most}, in steps of {step})")
        }
        Shape::Whole { default: Some(default), .. } => format!(" ({default})"),
        Shape::DueDate => " (when it is due: the SOAP message has no place for it)".to_owned(),
        _ => String::new(),
    }
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
