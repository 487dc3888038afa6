//! A PostgreSQL server for tests: a cluster of its own in a temporary folder, reached by a socket there alone.
//!
//! Where there is no PostgreSQL, tests that need one say so and do nothing; with `REQUIRE_POSTGRES` set they fail, as they do
//! in CI. Nothing is flushed to the disk: a server that is killed leaves the page cache, a power cut is not what is tested.

use std::io::Write as _;
use std::path::{Path, PathBuf};
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
        let cluster = Self { folder: own_folder(), server: Mutex::default(), databases: AtomicU64::new(0) };
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

    /// A standby of a server, which has all that is committed there before anybody is told.
    pub fn start_standby(&self) -> Self {
        let standby = Self { folder: own_folder(), server: Mutex::default(), databases: AtomicU64::new(0) };
        let copied = as_user("pg_basebackup", false)
            .args(["-U", "postgres", "--no-sync", "-R", "-X", "stream", "-c", "fast", "-h"])
            .arg(self.folder.path())
            .arg("-D")
            .arg(standby.data())
            .status();
        assert!(copied.unwrap().success(), "pg_basebackup failed");
        standby.start_server();
        self.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
        self.psql("postgres", "SELECT pg_reload_conf()").unwrap();
        let is_followed = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.psql("postgres", is_followed).as_deref() != Some("1") {
            assert!(Instant::now() < deadline, "the standby does not follow:\n{}", standby.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        standby
    }

    /// Makes a standby the server that is written; nothing comes from the other one any more.
    pub fn promote(&self) {
        let sql = "ALTER SYSTEM RESET synchronous_standby_names";
        assert_eq!(self.psql("postgres", "SELECT pg_promote()").as_deref(), Some("t"));
        self.psql("postgres", sql).unwrap();
        self.psql("postgres", "SELECT pg_reload_conf()").unwrap();
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
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

    /// The result of a query, as text; `None` if the query fails.
    pub fn psql(&self, database: &str, sql: &str) -> Option<String> {
        let answered = Command::new(programs()?.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-U", "postgres", "-d", database, "-c", sql, "-h"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        answered.status.success().then(|| String::from_utf8_lossy(&answered.stdout).trim().to_owned())
    }

    /// All that a database holds, as text.
    pub fn dump(&self, database: &str) -> Vec<u8> {
        let dump = Command::new(programs().unwrap().join("pg_dump"))
            .args(["-U", "postgres", "-d", database, "-h"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        dump.stdout
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A running PgBouncer in transaction mode: each transaction has another one of few sessions.
pub struct Pooler {
    folder: TempDir,
    process: Child,
}

impl Pooler {
    /// In front of a server; `None` where there is no PgBouncer.
    pub fn start(cluster: &Cluster) -> Option<Self> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            assert!(
                std::env::var_os("REQUIRE_POSTGRES").is_none(),
                "there is no PgBouncer: install Debian's pgbouncer"
            );
            drop(writeln!(
                std::io::stderr(),
                "SKIPPED: there is no PgBouncer here (Debian: apt-get install pgbouncer)"
            ));
            return None;
        }
        let folder = own_folder();
        let (own, server) = (folder.path().display(), cluster.folder.path().display());
        let settings = format!(
            "[pgbouncer]\nlisten_addr =\nlisten_port = 5432\nunix_socket_dir = {own}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 200\n\
             logfile = {own}/log\n[databases]\n* = host={server} user=postgres\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = as_user_at(program, true);
        let process = spawn_beside(command.arg("-q").arg(&file).stdin(Stdio::null()));
        let pooler = Self { folder, process };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !pooler.folder.path().join(".s.PGSQL.5432").exists() {
            assert!(Instant::now() < deadline, "PgBouncer does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(pooler)
    }

    /// The `store.url` of a database, by this way.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
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

/// A folder of the server's user.
fn own_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if is_root() {
        assert!(Command::new("chown").arg(USER).arg(folder.path()).status().unwrap().success());
    }
    folder
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A program of PostgreSQL, as a user that it accepts; ended with the thread that started it, if that is asked for.
fn as_user(program: &str, ends_with_us: bool) -> Command {
    as_user_at(&programs().unwrap().join(program), ends_with_us)
}

/// The same of another program.
fn as_user_at(program: &Path, ends_with_us: bool) -> Command {
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
