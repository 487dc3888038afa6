//! A PostgreSQL server for tests: a cluster of its own in a temporary folder, reached by a socket there alone.
//!
//! Where there is no PostgreSQL, tests that need one say so and do nothing; with `REQUIRE_POSTGRES` set they fail, as they do
//! in CI. Nothing is flushed to the disk: a server that is killed leaves the page cache, a power cut is not what is tested.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The user of the operating system that runs the server where the tests are root's: PostgreSQL refuses root.
const USER: &str = "postgres";

/// A running server, ended when this is dropped, or when this process ends however.
pub struct Cluster {
    folder: TempDir,
    server: Mutex<Option<Child>>,
    databases: AtomicU64,
}

impl Cluster {
    /// The server that all tests of this process use at the same time; `None` where there is no PostgreSQL.
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// A server of one's own; `None` where there is no PostgreSQL.
    pub fn start() -> Option<Self> {
        let Some(_) = programs() else {
            assert!(
                std::env::var_os("REQUIRE_POSTGRES").is_none(),
                "there is no PostgreSQL: install Debian's postgresql"
            );
            let skipped = "SKIPPED: there is no PostgreSQL here (Debian: apt-get install postgresql)";
            drop(writeln!(std::io::stderr(), "{skipped}"));
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            assert!(Command::new("chown").arg(USER).arg(folder.path()).status().unwrap().success());
        }
        let cluster = Self { folder, server: Mutex::default(), databases: AtomicU64::new(0) };
        let data = cluster.data();
        let initialized = as_user("initdb", false)
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(initialized.unwrap().success(), "initdb failed");
        cluster.start_server();
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server, and waits until it answers.
    pub fn start_server(&self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = as_user("postgres", true);
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        for setting in
            ["listen_addresses=", "fsync=off", "max_connections=200", "shared_buffers=32MB", "autovacuum=off"]
        {
            command.args(["-c", setting]);
        }
        let server = spawn_beside(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.psql("postgres", "SELECT 1").is_none_or(|answer| answer != "1") {
            assert!(Instant::now() < deadline, "PostgreSQL does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server as a crash would: nobody is asked, and all connections are cut.
    pub fn stop_at_once(&self) {
        let stopped =
            as_user("pg_ctl", false).args(["stop", "--silent", "-m", "immediate", "-D"]).arg(self.data()).status();
        assert!(stopped.unwrap().success(), "PostgreSQL does not stop");
        if let Some(mut server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.wait().unwrap();
        }
    }

    /// A new database: its `store.url`.
    pub fn new_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        self.url(&name)
    }

    /// The `store.url` of a database.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }

    /// What a query answers, as text; `None` if it fails.
    pub fn psql(&self, database: &str, sql: &str) -> Option<String> {
        let answered = Command::new(programs()?.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-U", "postgres", "-d", database, "-c", sql, "-h"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        answered.status.success().then(|| String::from_utf8_lossy(&answered.stdout).trim().to_owned())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.stop_at_once();
        }
    }
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max()?;
    Some(PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin")))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A program of PostgreSQL, as a user that it accepts; ended with the thread that started it, if that is asked for.
fn as_user(program: &str, ends_with_us: bool) -> Command {
    let program = programs().unwrap().join(program);
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    if ends_with_us {
        command.args(["--pdeathsig", "QUIT"]);
    }
    command.arg(program);
    command.current_dir("/");
    command
}

/// Starts a child from a thread that lasts as long as the process: the child is ended with its thread.
fn spawn_beside(command: &mut Command) -> Child {
    type Order = (Command, std::sync::mpsc::Sender<Child>);
    static STARTER: std::sync::OnceLock<Mutex<std::sync::mpsc::Sender<Order>>> = std::sync::OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, ordered) = std::sync::mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, started) in ordered {
                started.send(command.spawn().unwrap()).unwrap();
            }
        });
        Mutex::new(orders)
    });
    let (started, child) = std::sync::mpsc::channel();
    let command = std::mem::replace(command, Command::new("true"));
    starter.lock().unwrap_or_else(PoisonError::into_inner).send((command, started)).unwrap();
    child.recv().unwrap()
}
