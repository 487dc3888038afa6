//! Faults that a gateway refuses to start with: `config check` lists all at once, with the remedy, and changes nothing.

use std::io::BufRead as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Authority, BIN, Conax, Gateway, Reaction, ok_answer, run, run_in};

/// The faults that a command names, with these settings.
fn faults(command: &[&str], folder: &Path, settings: &[(&str, &str)]) -> Vec<String> {
    let variables: Vec<_> = std::iter::once(&("server.listen", "127.0.0.1:0"))
        .chain(settings)
        .map(|(key, value)| (format!("CONAX_GATEWAY_{}", key.replace('.', "_").to_uppercase()), *value))
        .collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let output = run_in(folder, command, &variables);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{settings:?}: {errors}");
    assert!(output.stdout.is_empty(), "{settings:?}");
    errors.lines().map(str::to_owned).collect()
}

/// Both name these faults, one a line.
#[track_caller]
fn assert_refused(folder: &Path, settings: &[(&str, &str)], expected: &[&str]) {
    let said = faults(&["config", "check"], folder, settings);
    assert_eq!(said, faults(&["serve"], folder, settings), "{settings:?}");
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for expected in expected {
        assert!(said.iter().any(|line| line.contains(expected)), "{expected} not in {said:#?}");
    }
}

fn openssl(folder: &Path, args: &[&str]) {
    let output = std::process::Command::new("openssl").args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_check_refuses_what_a_start_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    std::fs::write(folder.join("file"), "text").unwrap();
    std::fs::create_dir_all(folder.join("broken/CREATE_PAIRING/case")).unwrap();
    std::fs::write(folder.join("broken/CREATE_PAIRING/case/exchange.json"), "{").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("nowhere-link")).unwrap();
    openssl(folder, &["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out", "p521.key"]);
    openssl(folder, &["req", "-x509", "-key", "p521.key", "-subj", "/CN=x", "-out", "p521.pem"]);
    std::fs::create_dir(folder.join("other")).unwrap();
    std::fs::write(folder.join("other/gateway.sqlite3"), "no database").unwrap();
    let before: Vec<_> = names(folder);
    for (settings, expected) in [
        (&[("upstream.url", "replay:/nope")][..], &["/nope"][..]),
        (&[("upstream.url", "replay:broken")], &["exchange.json"]),
        (&[("upstream.url", "record:broken=simulator"), ("fixtures.key_file", "key")], &["exchange.json"]),
        (&[("upstream.url", "record:file=simulator"), ("fixtures.key_file", "key")], &["file is a file and no folder"]),
        (&[("upstream.url", "record:new=simulator"), ("fixtures.key_file", "file")], &["fixtures.key_file file"]),
        (
            &[("upstream.url", "record:new=simulator"), ("fixtures.key_file", "file/key")],
            &["fixtures.key_file file/key"],
        ),
        (&[("upstream.url", "ftp://x")], &["CONAX_GATEWAY_UPSTREAM_URL: upstream.url must be"]),
        (&[("log.filter", "verbose")], &["log.filter must be"]),
        (&[("log.filter", "conax_gateway=loud")], &["log.filter must be"]),
        (&[("store.data_dir", "file")], &["/file: file is a file and no folder: name another folder"]),
        (&[("store.data_dir", "file/data")], &["/file/data: "]),
        (&[("store.data_dir", "other")], &["other/gateway.sqlite3"]),
        (&[("store.data_dir", "")], &["store.data_dir must be a path"]),
        (&[("store.data_dir", "nowhere-link/data")], &["nowhere-link is a link that leads nowhere"]),
        (&[("store.readers", "1001")], &["store.readers must be at most 1000"]),
        (&[("upstream.username", "a:b"), ("upstream.password", "x")], &["upstream.username must be without ':'"]),
        (&[("upstream.url", "https://conax.example:0")], &["upstream.url must be"]),
        (
            &[("fixtures.redact", "['a b']"), ("fixtures.volatile", "['{urn:x']")],
            &["fixtures.redact", "fixtures.volatile"],
        ),
        (&[("secrets.a", "x"), ("secrets.a_file", "file")], &["secrets.a is there twice"]),
        (
            &[("server.tls_certificate", "p521.pem"), ("server.tls_key", "p521.key")],
            &["server.tls_key cannot be used: make one of RSA"],
        ),
        // Nothing is sent to anybody, and the certificate is loaded nevertheless.
        (
            &[
                ("upstream.url", "replay:other"),
                ("upstream.client_certificate", "no.crt"),
                ("upstream.client_key", "no.key"),
            ],
            &["no.crt"],
        ),
        (&[("server.listen", "192.0.2.1:80")], &["it is no address of this machine"]),
        (&[("server.listen", &taken)], &["end what listens there, or choose another port"]),
        (&[("server.listen", "localhost")], &["server.listen must be an address and port"]),
        (&[("simulator.listen", &taken)], &["simulator.listen"]),
        (&[("contract.dir", "nowhere")], &["nowhere"]),
        (&[("bootstrap_user", "u")], &["CONAX_GATEWAY_BOOTSTRAP_PASSWORD_FILE) go together"]),
        (&[("srever.listen", "x")], &["Did you mean CONAX_GATEWAY_SERVER_LISTEN?"]),
        (
            &[
                ("upstream.url", "http://x"),
                ("upstream.ca_file", "no.pem"),
                ("upstream.client_certificate", "no.crt"),
                ("upstream.client_key", "no.key"),
                ("store.data_dir", "file"),
                ("contract.dir", "nowhere"),
                ("log.format", "xml"),
                ("server.listen", "here"),
            ],
            &["no.pem", "no.crt", "no.key", "store.data_dir", "nowhere", "log.format", "server.listen must"],
        ),
    ] {
        assert_refused(folder, settings, expected);
    }
    assert_eq!(names(folder), before, "nothing was made");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn certificates_and_keys_that_cannot_be_used_come_with_the_command_that_mends_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = Authority::new("a");
    authority.issue("localhost").write(folder, "one");
    authority.issue("localhost").write(folder, "two");
    let pass = "pass:secret";
    openssl(folder, &["pkey", "-in", "one.key", "-aes256", "-passout", pass, "-out", "encrypted.key"]);
    openssl(folder, &["ec", "-in", "one.key", "-aes256", "-passout", pass, "-out", "old.key"]);
    openssl(folder, &["pkey", "-in", "one.key", "-outform", "der", "-out", "der.key"]);
    openssl(folder, &["x509", "-in", "one.pem", "-outform", "der", "-out", "der.crt"]);
    openssl(folder, &["pkcs12", "-export", "-in", "one.pem", "-inkey", "one.key", "-passout", pass, "-out", "one.p12"]);
    std::fs::write(folder.join("one.jks"), b"\xFE\xED\xFE\xED\0\0\0\x02").unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    for (certificate, key, expected) in [
        ("one.pem", "two.key", &["is not the key of its first certificate"][..]),
        ("one.pem", "encrypted.key", &["decrypt it with 'openssl pkey -in encrypted.key"]),
        ("one.pem", "old.key", &["decrypt it with 'openssl pkey -in old.key"]),
        ("one.pem", "der.key", &["openssl pkey -inform der -in der.key"]),
        ("der.crt", "one.key", &["openssl x509 -inform der -in der.crt"]),
        ("one.p12", "one.p12", &["openssl pkcs12 -in one.p12", "openssl pkcs12 -in one.p12"]),
        ("one.jks", "one.key", &["keytool -importkeystore -srckeystore one.jks"]),
        ("one.key", "one.pem", &["a private key and no certificate", "a certificate and no private key"]),
        ("empty", "missing", &["holds no certificate in PEM", "missing: "]),
    ] {
        for [certificate_setting, key_setting] in
            [["server.tls_certificate", "server.tls_key"], ["upstream.client_certificate", "upstream.client_key"]]
        {
            assert_refused(folder, &[(certificate_setting, certificate), (key_setting, key)], expected);
        }
    }
    let good = [("server.tls_certificate", "one.pem"), ("server.tls_key", "one.key")];
    let good = good.map(|(key, value)| (format!("CONAX_GATEWAY_{}", key.replace('.', "_").to_uppercase()), value));
    let mut good: Vec<_> = good.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    good.push(("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0"));
    assert!(run_in(folder, &["config", "check"], &good).status.success());
}

/// A system without authorities is good enough where nothing speaks TLS, and otherwise the package is named.
#[test]
fn a_system_without_authorities_is_a_fault_only_for_tls() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("none"), "").unwrap();
    let check = |url: &str| {
        let none =
            [("SSL_CERT_FILE", "none"), ("SSL_CERT_DIR", "nowhere"), ("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0")];
        let checked =
            run_in(folder.path(), &["config", "check"], &[&none[..], &[("CONAX_GATEWAY_UPSTREAM_URL", url)]].concat());
        (checked.status.success(), String::from_utf8(checked.stderr).unwrap())
    };
    for url in ["simulator", "http://127.0.0.1:1"] {
        let (is_good, said) = check(url);
        assert!(is_good, "{url}: {said}");
    }
    let (is_good, said) = check("https://conax.example");
    assert!(
        !is_good
            && said.contains("upstream.ca_file: the system's authorities")
            && said.contains("install ca-certificates"),
        "{said}"
    );
}

/// Common slips are named, with the right way to write.
#[test]
fn easy_slips_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    for (text, expected) in [
        ("[otlp]\nauthorization = 'Bearer x'\n", "gateway.toml:2: otlp.authorization is set without otlp.url"),
        ("[otlp]\nurl = 'http://127.0.0.1:4318/v1/traces'\n", "gateway.toml:2: otlp.url must be"),
        (
            "[store]\ndata_dir = \"C:\\new\"\n",
            "gateway.toml:2: store.data_dir must be a path without control characters",
        ),
        ("[contract]\ndir = '/nope'\n", "contract.dir: /nope: there is no such folder"),
        ("[upstream]\nurl = 'replay:/nope'\n", "upstream.url: /nope: there is no such folder to replay"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = run(&["config", "check", "--config", file.to_str().unwrap()]);
        let faults = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && faults.contains(expected), "{text}: {faults}");
    }
}

#[tokio::test]
async fn a_running_gateway_is_no_fault_of_its_configuration() {
    let gateway = Gateway::start(&[("store.url", "sqlite")]).await;
    let address = gateway.url.strip_prefix("http://").unwrap();
    let data = gateway.data_dir();
    let variables = [("CONAX_GATEWAY_SERVER_LISTEN", address), ("CONAX_GATEWAY_STORE_DATA_DIR", &data)];
    let checked = run_in(gateway.folder.path(), &["config", "check"], &variables);
    let errors = String::from_utf8(checked.stderr).unwrap();
    assert!(checked.status.success() && errors.contains("a gateway is running there"), "{errors}");
}

#[test]
fn a_password_that_goes_unencrypted_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for (url, is_open) in [
        ("http://conax.example:80/x", true),
        ("https://conax.example,http://10.1.1.1", true),
        ("http://127.0.0.1:1,http://localhost,http://[::1]:2", false),
        ("https://conax.example", false),
    ] {
        let variables = [
            ("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0"),
            ("CONAX_GATEWAY_UPSTREAM_URL", url),
            ("CONAX_GATEWAY_UPSTREAM_USERNAME", "u"),
            ("CONAX_GATEWAY_UPSTREAM_PASSWORD", "hush-hush"),
        ];
        let checked = run_in(folder.path(), &["config", "check"], &variables);
        let errors = String::from_utf8(checked.stderr).unwrap();
        assert!(checked.status.success(), "{errors}");
        assert_eq!(errors.contains("upstream.password goes unencrypted to http://"), is_open, "{url}: {errors}");
        assert!(!errors.contains("hush"));
    }
}

/// A file that is named counts, then one in the folder, then the user's.
#[test]
fn the_configuration_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let user = folder.join("xdg").display().to_string();
    // Every file has a fault of its own, by which it is told from the others.
    let places = ["named.toml", "variable.toml", "conax-gateway.toml", "xdg/conax-gateway/gateway.toml"];
    places.iter().for_each(|place| write(place, &format!("[\"{place}\"]\n")));
    let check = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(BIN);
        command.args([&["config", "check"], arguments].concat()).current_dir(folder);
        command.env("XDG_CONFIG_HOME", &user).env("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0");
        command.envs(variable.map(|value| ("CONAX_GATEWAY_CONFIG", value)));
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let is_used =
        |said: String, place: &str| assert!(said.contains(&format!("no section [{place}]")), "{place}: {said}");
    is_used(check(&["--config", "named.toml"], Some("variable.toml")), "named.toml");
    is_used(check(&[], Some("variable.toml")), "variable.toml");
    is_used(check(&[], None), "conax-gateway.toml");
    std::fs::remove_file(folder.join("conax-gateway.toml")).unwrap();
    is_used(check(&[], None), "xdg/conax-gateway/gateway.toml");
    assert!(check(&[], Some("")).contains("CONAX_GATEWAY_CONFIG is empty"));
    assert!(check(&[], Some("gone.toml")).contains("gone.toml: No such file"));
    write("good.toml", "[store]\ndata_dir = 'there'\n");
    let good = folder.join("good.toml").display().to_string();
    assert!(check(&["--config", "good.toml"], None).contains(&format!("The settings are those of {good}")));
    let listed = run_in(folder, &["user", "list", "--config", "good.toml"], &[]);
    let said = String::from_utf8(listed.stderr).unwrap();
    assert!(said.contains("there: there is no database") && said.contains(&good), "{said}");
}

#[tokio::test]
async fn a_start_says_where_its_settings_are_from() {
    let gateway = Gateway::start(&[]).await;
    gateway.logged("The settings are the defaults").await;
}

#[tokio::test]
async fn the_password_for_conax_comes_from_a_file() {
    let conax = Conax::start(|_, _| Reaction::Write(ok_answer("1"))).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "of a file\n").unwrap();
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.username", "sms"),
        ("upstream.password_file", file.to_str().unwrap()),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    client.pair_now("08000000001").await;
    // "sms:of a file"
    assert_eq!(conax.received()[0].header("authorization"), Some("Basic c21zOm9mIGEgZmlsZQ=="));

    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    for (settings, expected) in [
        (&[("upstream.username", "sms"), ("upstream.password_file", "empty")][..], "empty: its first line is empty"),
        (
            &[("upstream.username", "sms"), ("upstream.password_file", "missing")],
            "upstream.password_file: missing: No such",
        ),
        (
            &[("upstream.username", "sms"), ("upstream.password", "x"), ("upstream.password_file", "password")],
            "remove one of them",
        ),
        (&[("upstream.password_file", "password")], "upstream.password is set without upstream.username"),
        (&[("otlp.authorization_file", "password")], "otlp.authorization_file is set without otlp.url"),
        (
            &[("bootstrap_user", "u"), ("bootstrap_password_file", "missing")],
            "BOOTSTRAP_PASSWORD_FILE: missing: No such",
        ),
        (
            &[("bootstrap_user", "u"), ("bootstrap_password", "long enough"), ("bootstrap_password_file", "password")],
            "BOOTSTRAP_PASSWORD_FILE is set beside CONAX_GATEWAY_BOOTSTRAP_PASSWORD: remove one of them",
        ),
    ] {
        assert_refused(folder.path(), settings, &[expected]);
    }
    let settings = [
        ("secrets.one_file", "no-one"),
        ("secrets.two_file", "no-two"),
        ("upstream.username", "sms"),
        ("upstream.password_file", "no-password"),
        ("otlp.url", "http://127.0.0.1:4318"),
        ("otlp.authorization_file", "no-authorization"),
    ];
    assert_refused(folder.path(), &settings, &["no-one", "no-two", "no-password", "no-authorization"]);
}

#[tokio::test]
async fn the_first_password_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "a password of a file\n").unwrap();
    let mut first = std::process::Command::new(BIN);
    let first = first.args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"]).current_dir(folder.path());
    let first = first.env("CONAX_GATEWAY_CONFIG", "").env("CONAX_GATEWAY_BOOTSTRAP_USER", "operator");
    let first = first.env("CONAX_GATEWAY_BOOTSTRAP_PASSWORD_FILE", &file).stdout(Stdio::piped());
    let mut first = first.stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(first.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").unwrap();
    conax_gateway::tls::install_provider();
    let body = json!({"username": "operator", "password": "a password of a file", "organisation": "demo"});
    let call = reqwest::Client::new().post(format!("{url}/crmapi/rest/v2/authentication/token"));
    let answer = call.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(answer.status(), 200);
}
