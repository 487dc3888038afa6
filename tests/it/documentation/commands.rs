//! Every command block of every document is run, in order, as somebody would paste it into a terminal.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::{documents, read, root};
use crate::support::BIN;

/// The lines that a document's commands must print, in this order.
const PRINTED: [(&str, &[&str]); 6] = [
    (
        "README.md",
        &[
            "\"life_cycle_state\":\"COMPLETED\"",
            "<ns1:CaClientId>01450253313<",
            "ADD_SUBSCRIPTIONS",
            "attempt 1: ",
            "\"error_code\":\"AxisFault\"",
        ],
    ),
    (
        "docs/contract.md",
        &["stb_ca_id+ -> CreatePairingRequest/PairingModuleIds", "faults found", "/ModuleIds/", "<ns1:ModuleIds>"],
    ),
    ("docs/delivery.md", &["is REJECTED", "CANCELLED: ", "OUTCOME_UNKNOWN", "is REJECTED"]),
    ("docs/operating.md", &["Silver"]),
    ("docs/recording.md", &["<soap:address", "PASSED", "\"COMPLETED\"", "no difference", "no call differs"]),
    ("docs/support.md", &["AxisFault", "attempt 1: ", "DISPLAY_FINGERPRINT", "no difference"]),
];

/// The work of a block.
enum Block {
    /// Starts a gateway, which runs until the next one starts.
    Start,
    /// Builds or tests: `.ci/run` runs these by the Makefile.
    Make,
    /// Lists exchanges, which are stored a moment after their answers.
    List,
    /// Ends by itself.
    Run,
}

impl Block {
    fn of(script: &str) -> Self {
        let mut words = script.split_whitespace().skip_while(|word| word.starts_with("CONAX_GATEWAY_"));
        match (words.next().unwrap(), words.next(), words.next()) {
            ("target/release/conax-gateway", None, _) => Self::Start,
            ("target/release/conax-gateway", Some(flag), _) if flag.starts_with("--") => Self::Start,
            ("cargo", Some("run"), _) => Self::Start,
            ("cargo" | "make", _, _) => Self::Make,
            ("target/release/conax-gateway", Some("exchanges"), Some("list")) => Self::List,
            _ => Self::Run,
        }
    }
}

fn blocks(document: &str) -> Vec<String> {
    read(document).split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn readme() -> Vec<String> {
    blocks("README.md")
}

/// A folder like a checkout where the gateway is built, and a gateway that was started there.
struct Session {
    folder: TempDir,
    gateway: Option<Child>,
    address: String,
    /// The quick start's `api` and `token`.
    api: String,
    token: String,
}

impl Session {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("target/release")).unwrap();
        let link = |from: PathBuf, to: &str| std::os::unix::fs::symlink(from, folder.path().join(to)).unwrap();
        link(BIN.into(), "target/release/conax-gateway");
        ["fixtures", "wsdl"].iter().for_each(|name| link(root().join(name), name));
        Self { folder, gateway: None, address: String::new(), api: String::new(), token: String::new() }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", &script.replace("127.0.0.1:8080", &self.address)])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("api", &self.api)
            .env("token", &self.token)
            .kill_on_drop(true);
        command
    }

    async fn run(&self, script: &str) -> String {
        let output = self.command(script).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Runs a block that lists something until there is something below the heading.
    async fn list(&self, script: &str) -> String {
        let listed = async {
            loop {
                let text = self.run(script).await;
                if text.lines().count() > 1 {
                    return text;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), listed).await.expect("something is listed in time")
    }

    /// Runs a block that starts a gateway, at a port that is free.
    async fn start(&mut self, script: &str) {
        if let Some(mut gateway) = self.gateway.take() {
            let pid = gateway.id().unwrap().to_string();
            assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
            assert!(gateway.wait().await.unwrap().success());
        }
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let script = script.replace("cargo run --release", "target/release/conax-gateway");
        let mut gateway = self
            .command(&format!("exec env {script}"))
            .env("CONAX_GATEWAY_SERVER_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(gateway.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap();
        let failed = || format!("{script}\n{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
        let url = line.unwrap_or_else(|| panic!("{}", failed()));
        self.address = url.strip_prefix("listening on http://").unwrap().to_owned();
        self.gateway = Some(gateway);
        // The first lines of the quick start's session, up to its first call of a method.
        let session = readme().remove(1);
        let sign_in = session.split("\ncurl ").next().unwrap();
        let shown = self.run(&format!("{sign_in}\necho $api $token")).await;
        let (api, token) = shown.trim().split_once(' ').unwrap();
        (self.api, self.token) = (api.to_owned(), token.to_owned());
    }
}

async fn run_document(document: &str) -> String {
    let mut session = Session::new();
    let mut printed = String::new();
    let blocks = blocks(document);
    if document != "README.md" && !blocks.is_empty() {
        session.start(&readme().remove(0)).await;
    }
    for block in blocks {
        match Block::of(&block) {
            Block::Start => session.start(&block).await,
            Block::List => printed += &session.list(&block).await,
            Block::Run => printed += &session.run(&block).await,
            Block::Make => assert_is_in_the_makefile(&block),
        }
    }
    printed
}

fn assert_is_in_the_makefile(block: &str) {
    let makefile = read("Makefile");
    for line in block.lines() {
        let found = match line.strip_prefix("make ") {
            Some(target) => makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
            None => makefile.lines().any(|command| command.trim_start() == line),
        };
        assert!(found, "the Makefile does not run: {line}");
    }
}

async fn check(document: String) {
    let printed = run_document(&document).await;
    let expected = PRINTED.iter().find(|(name, _)| *name == document).map(|(_, texts)| *texts).unwrap_or_default();
    let mut rest = printed.as_str();
    for text in expected {
        rest = rest.split_once(text).unwrap_or_else(|| panic!("{document}: no {text} here:\n{rest}")).1;
    }
}

#[tokio::test]
async fn the_commands_work() {
    let mut checks: JoinSet<()> = documents().into_iter().map(check).collect();
    while let Some(checked) = checks.join_next().await {
        checked.unwrap();
    }
}
