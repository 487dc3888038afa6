//! The real binary, started for one test and killed with it.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::client::Client;
use super::postgres::Cluster;

pub const BIN: &str = env!("CARGO_BIN_EXE_conax-gateway");
pub const USER: &str = "tester";
pub const PASSWORD: &str = "tester-password";

/// The `store.url` of each gateway on PostgreSQL, by its data folder: commands on that folder are about the same store.
static STORES: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

/// A running gateway and its data folder.
pub struct Gateway {
    child: Child,
    pub url: String,
    pub folder: TempDir,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    program: String,
    /// The server of its database, where the tests run with one (`TEST_STORE=postgres`).
    server: Option<Arc<Cluster>>,
}

impl Gateway {
    /// Starts a gateway with settings such as ("upstream.url", "http://…"); without any it has the simulator.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, &[]).await
    }

    /// The same with further environment variables.
    pub async fn start_with(settings: &[(&str, &str)], environment: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings: Vec<_> = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let is_on_postgres = std::env::var("TEST_STORE").is_ok_and(|engine| engine == "postgres");
        let mut server = None;
        if is_on_postgres && settings.iter().all(|(key, _)| key != "store.url") {
            let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap().expect("TEST_STORE names it");
            let url = cluster.new_database();
            let data = folder.path().join("data").display().to_string();
            STORES.lock().unwrap().get_or_insert_default().insert(data, url.clone());
            settings.push(("store.url".to_owned(), url));
            server = Some(cluster);
            // A gateway that is killed is missed soon.
            if settings.iter().all(|(key, _)| key != "store.lease_s") {
                settings.push(("store.lease_s".to_owned(), "4".to_owned()));
            }
        }
        let program = BIN.to_owned();
        let (child, url) = spawn(&program, &folder, &settings, environment).await;
        Self { program, child, url, folder, settings, environment: environment.to_vec(), server }
    }

    /// Starts it and signs in.
    pub async fn start_signed_in(settings: &[(&str, &str)]) -> (Self, Client) {
        let gateway = Self::start(settings).await;
        let client = Client::sign_in(&gateway.url).await;
        (gateway, client)
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again on the same data.
    pub async fn start_again(&mut self, changed: &[(&str, &str)]) {
        for (key, value) in changed {
            self.settings.retain(|(k, _)| k != key);
            self.settings.push(((*key).to_owned(), (*value).to_owned()));
        }
        (self.child, self.url) = spawn(&self.program, &self.folder, &self.settings, &self.environment).await;
    }

    /// Starts the binary of another version on the same data.
    pub async fn start_again_as(&mut self, program: &str) {
        program.clone_into(&mut self.program);
        self.start_again(&[]).await;
    }

    /// Sends a signal.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    /// The exit code, once it has ended.
    pub async fn ended(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }

    /// Sends SIGTERM and waits for the exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM").await;
        self.ended().await
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn data_dir(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// The content of the store: each file of the embedded database, or PostgreSQL's dump.
    pub fn stored(&self) -> Vec<Vec<u8>> {
        match &self.server {
            Some(server) => {
                let url =
                    self.settings.iter().find(|(key, _)| key == "store.url").map(|(_, url)| url.rsplit('/').next());
                vec![server.dump(url.flatten().unwrap())]
            }
            None => {
                let files = std::fs::read_dir(self.data_dir()).unwrap();
                files.map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default()).collect()
            }
        }
    }

    /// The environment of a command that is to work with the same store.
    pub fn store_environment(&self) -> Vec<(&'static str, &str)> {
        let url = self.settings.iter().find(|(key, _)| key == "store.url");
        url.map(|(_, url)| ("CONAX_GATEWAY_STORE_URL", url.as_str())).into_iter().collect()
    }

    /// The log so far. A thread of the gateway's own writes the lines, each a moment after the event.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The whole log, after the gateway's end.
    pub async fn last_log(&mut self) -> String {
        assert_eq!(self.terminate().await, Some(0));
        self.log()
    }

    /// Waits until the log has these words, and returns the log.
    pub async fn logged(&self, words: &str) -> String {
        eventually(async || Some(self.log()).filter(|log| log.contains(words))).await
    }
}

async fn spawn(
    program: &str,
    folder: &TempDir,
    settings: &[(String, String)],
    environment: &[(String, String)],
) -> (Child, String) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log")).unwrap();
    let mut command = Command::from(command(program));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"))
        .envs(environment.iter().cloned())
        .env("CONAX_GATEWAY_BOOTSTRAP_USER", USER)
        .env("CONAX_GATEWAY_BOOTSTRAP_PASSWORD", PASSWORD)
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    for (key, value) in settings {
        command.env(format!("CONAX_GATEWAY_{}", key.replace('.', "_").to_uppercase()), value);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap();
    let Some(line) = line else {
        panic!("the gateway did not start:\n{}", std::fs::read_to_string(folder.path().join("log")).unwrap())
    };
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("unexpected output: {line}"));
    (child, url.to_owned())
}

/// The binary, which finds no configuration of whoever runs the tests.
fn command(program: &str) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.env("CONAX_GATEWAY_CONFIG", "");
    command
}

/// A command of the binary, on the store of the gateway whose data folder it names.
pub fn command_with(args: &[&str]) -> std::process::Command {
    let mut command = command(BIN);
    let stores = STORES.lock().unwrap();
    if let Some(url) = stores.iter().flat_map(|stores| args.iter().find_map(|arg| stores.get(*arg))).next() {
        command.env("CONAX_GATEWAY_STORE_URL", url);
    }
    command.args(args);
    command
}

/// Runs a command of the binary to its end.
pub fn run(args: &[&str]) -> Output {
    command_with(args).output().unwrap()
}

/// The same in a folder, with further environment variables.
pub fn run_in(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Output {
    command_with(args).current_dir(folder).envs(environment.iter().copied()).output().unwrap()
}

/// The same with something on standard input.
pub fn run_with_input(args: &[&str], input: &str) -> Output {
    let mut child =
        command_with(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Waits for something that must come about; asks again and again, and gives up after 20 s.
pub async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come about in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
