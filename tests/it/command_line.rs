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
