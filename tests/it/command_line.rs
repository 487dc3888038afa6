//! The commands of the terminal.

use std::path::Path;

use conax_gateway::request::{Family, RequestType};

use crate::support::{Gateway, run, run_in};

fn stdout(args: &[&str]) -> String {
    let output = run_in(Path::new("."), args, &[("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0")]);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr_of_failure(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_default_configuration_checks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let file = file.to_str().unwrap();
    std::fs::write(file, stdout(&["config", "default"])).unwrap();
    assert!(stdout(&["config", "check", "--config", file]).contains("good"));
    std::fs::write(file, "[server]\nlisten = 1\n[upstream]\nca_file = 'missing.pem'\n[contract]\ndir = 'nowhere'\n")
        .unwrap();
    let faults = stderr_of_failure(&["config", "check", "--config", file]);
    assert!(faults.contains("gateway.toml:2: server.listen must be"), "{faults}");
    std::fs::write(file, "[upstream]\nca_file = 'missing.pem'\n[contract]\ndir = 'nowhere'\n").unwrap();
    let faults = stderr_of_failure(&["config", "check", "--config", file]);
    assert!(faults.contains("missing.pem") && faults.contains("nowhere"), "every fault at once: {faults}");
}

#[test]
fn the_contract_is_listed() {
    let listing = stdout(&["contract", "check"]);
    let conax =
        RequestType::all().filter(|conax| !RequestType::of_family(Family::Panaccess).any(|other| other == *conax));
    assert_eq!(listing.lines().filter(|l| !l.starts_with(' ')).count(), conax.count(), "{listing}");
    assert!(listing.contains("CREATE_PAIRING: CreatePairing (pairing.wsdl, /ca-server/webservices/caclient/pairing"));
    assert!(listing.contains("smartcard_ca_id+ -> CreatePairingRequest/CaClientIds/CaClientId"), "{listing}");
}

/// The commands without commands of their own, with their help.
fn commands(path: &[&str]) -> Vec<(String, String)> {
    let help = stdout(&[path, &["--help"]].concat());
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return vec![(path.join(" "), help)] };
    let names = listed.lines().take_while(|line| !line.is_empty());
    let names = names
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !matches!(*name, "" | "help"));
    names.flat_map(|name| commands(&[path, &[name]].concat())).collect()
}

/// Every command shows how it is called, and that is understood; every result comes as JSON, too, where it is not a text
/// of another kind.
#[test]
fn each_command_has_an_example_that_parses_and_json() {
    let other = ["serve", "simulator", "config default", "contract draft", "contract try", "completions", "man"];
    let commands = commands(&[]);
    assert!(commands.len() > 35, "{commands:?}");
    for (name, help) in &commands {
        let has_json = help.contains("--json");
        assert_eq!(has_json, !other.contains(&name.as_str()), "{name}");
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  conax-gateway ")).collect();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            assert!(example.starts_with(name.as_str()), "{name}: {example}");
            // Quotes stand around words with blanks.
            let words = example.split('"').enumerate().flat_map(|(index, part)| match index % 2 {
                0 => part.split_whitespace().collect::<Vec<_>>(),
                _ => vec![part],
            });
            let output = run(&words.chain(["--help"]).collect::<Vec<_>>());
            assert!(output.status.success(), "{example}: {output:?}");
        }
    }
}

#[test]
fn values_are_listed_in_the_help_and_after_a_typo() {
    let help = stdout(&["requests", "list", "--help"]);
    for value in ["REJECTED", "SEND_BARK_MESSAGE_TO_CLIENT"] {
        assert!(help.contains(value), "{help}");
    }
    for (args, tip) in [
        (&["requests", "list", "--state", "pendng"][..], "PENDING"),
        (&["requests", "list", "--type", "CREATE_PAIRNG"], "'CREATE_PAIRING'"),
        (&["contract", "try", "create_parings", "x"], "CREATE_PAIRING"),
        (&["user", "add", "x", "--role", "opperate"], "'operate'"),
        (&["requsts"], "'requests'"),
        (&["requests", "list", "--stat", "PENDING"], "'--state'"),
    ] {
        let output = run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(tip), "{args:?}: {error}");
    }
}

#[test]
fn results_come_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let json = |args: &[&str]| -> serde_json::Value { serde_json::from_str(&stdout(args)).unwrap() };
    assert_eq!(json(&["version", "--json"])["version"], env!("CARGO_PKG_VERSION"));
    assert!(stdout(&["version"]).starts_with(concat!("conax-gateway ", env!("CARGO_PKG_VERSION"))));
    assert_eq!(json(&["config", "check", "--json"])["is_good"], true);
    let operations = json(&["contract", "check", "--json"]);
    let pairing =
        operations.as_array().unwrap().iter().find(|operation| operation["type"] == "CREATE_PAIRING").unwrap();
    assert_eq!(
        (&pairing["operation"], &pairing["resend"]),
        (&"CreatePairing".into(), &"verify by GET_PAIRING_STATUS_FOR_CARD".into())
    );
    let added = ["user", "add", "crm", "--json", "--data-dir", &data];
    let added = crate::support::run_with_input(&added, "a long password");
    let added: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    assert_eq!((&added["username"], &added["role"]), (&"crm".into(), &"provision".into()));
    let key = json(&["key", "add", "crm", "--json", "--data-dir", &data]);
    assert_eq!(key["key"].as_str().unwrap().len(), 32);
    let copy = folder.path().join("copy").display().to_string();
    assert_eq!(json(&["backup", &copy, "--json", "--data-dir", &data])["file"], copy.as_str());
    let restored = json(&["restore", &copy, "--json", "--data-dir", &data]);
    assert!(restored["kept_aside"].is_string() && restored["file"] == copy.as_str(), "{restored}");
    assert_eq!(json(&["user", "remove", "crm", "--json", "--data-dir", &data])["removed"], true);
    let checked = json(&["fixtures", "check", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"), "--json"]);
    assert!(checked["cases"].as_u64() > Some(0) && checked["findings"] == serde_json::json!([]), "{checked}");
}

#[tokio::test]
async fn catalogue_and_requests() {
    let (gateway, client) = Gateway::start_signed_in(&[]).await;
    let data = gateway.data_dir();
    let file = gateway.folder.path().join("services.csv");
    let file = file.to_str().unwrap();
    std::fs::write(file, "id,code,ca_id\nS1,\"Gold \"\"HD\"\"\",77\n").unwrap();
    assert_eq!(stdout(&["catalogue", "import", "services", file, "--data-dir", &data]), "1 services imported\n");
    let listing = stdout(&["catalogue", "list", "services", "--data-dir", &data]);
    assert!(listing.contains("Gold \"HD\"") && listing.contains("Silver"), "{listing}");

    client.pair_now("01450253313").await;
    client.pair_now("bad-card").await;
    let listing = stdout(&["requests", "list", "--state", "REJECTED", "--data-dir", &data]);
    assert!(listing.contains("CLIENT_NOT_FOUND") && listing.lines().count() == 2, "{listing}");
    let shown = stdout(&["requests", "show", "1", "--data-dir", &data]);
    assert!(shown.contains("state         COMPLETED, ended") && shown.contains("attempt 1: "), "{shown}");
    assert!(stderr_of_failure(&["requests", "show", "99", "--data-dir", &data]).contains("no request 99"));
}

#[tokio::test]
async fn strict_catalogue() {
    let (_gateway, client) = Gateway::start_signed_in(&[("catalogue.strict", "true")]).await;
    let body = |service: &str, card: &str, subscription: &str| {
        serde_json::json!({"subscription_identifier": {"number": subscription}, "service_identifier": {"code": service},
            "smartcard_identifier": {"serial_number": card}})
    };
    let path = "conax_sms_sas/provisioning_requests/add_subscriptions";
    client.post(path, body("Silver", "smrt20000055", "S60149")).await.data();
    for (body, place) in [
        (body("Brass", "smrt20000055", "S60149"), "$.service_identifier.code"),
        (body("Silver", "unknown", "S60149"), "$.smartcard_identifier.serial_number"),
        (body("Silver", "smrt20000055", "S0"), "$.subscription_identifier.number"),
    ] {
        client.post(path, body).await.assert_error(404, "NOT_FOUND", place);
    }
    client.pair("01450253313", serde_json::json!({})).await.assert_error(
        404,
        "NOT_FOUND",
        "$.smartcard_set[0].smartcard_ca_id",
    );
}

/// The command line describes itself, to people and to shells.
#[tokio::test]
async fn manual_completions_and_health() {
    assert!(stdout(&["man"]).contains(".TH conax-gateway 1"));
    let folder = tempfile::tempdir().unwrap();
    stdout(&["man", folder.path().to_str().unwrap()]);
    assert!(folder.path().join("conax-gateway-requests-list.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&["completions", shell]).contains("requests"), "{shell}");
    }
    let gateway = Gateway::start(&[("metrics.listen", "off")]).await;
    let address = gateway.url.strip_prefix("http://").unwrap();
    let health = |address| run_in(Path::new("."), &["health"], &[("CONAX_GATEWAY_SERVER_LISTEN", address)]);
    assert!(health(address).status.success());
    assert!(!health("127.0.0.1:1").status.success());
}
