//! The way to PostgreSQL: what the settings name, TLS, and the pools of connections.
//!
//! Rule: a commit that returned is on the server's disk: `synchronous_commit` is never off here. Where the URL does not say
//! otherwise, nothing goes to another machine without TLS.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::describe;
use crate::config::StoreSection;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::tls;

/// How long a connection may take to open, a caller waits for a free one, and sent bytes may go unacknowledged.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const WAIT_TIME: Duration = Duration::from_secs(5);
const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(15);
/// How long one statement of a writing transaction may take, and the transaction may stand still: then the server ends it,
/// and with it its locks.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Where the database is, and as whom it is opened.
#[derive(Clone)]
pub(super) struct Access {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Access {
    /// What the settings name.
    ///
    /// # Errors
    /// A file that they name cannot be used.
    pub(super) fn new(url: &Config, section: &StoreSection) -> Result<Self, StoreError> {
        let unusable = |error: crate::config::FileFault| StoreError::Unavailable(error.to_string());
        let tls = tls::store_client_config(section.ca_file.as_deref()).map_err(unusable)?;
        let mut config = url.clone();
        let password = section.password().map_err(unusable)?;
        if let Some(password) = password.as_ref().map(Secret::expose) {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("conax-gateway");
        }
        if config.get_user().is_none() {
            config.user("conax-gateway");
        }
        if config.get_ssl_mode() == SslMode::Prefer && !config.get_hosts().iter().all(is_here) {
            config.ssl_mode(SslMode::Require);
        }
        config
            .connect_timeout(CONNECT_TIME)
            .tcp_user_timeout(UNACKNOWLEDGED_TIME)
            .keepalives_idle(UNACKNOWLEDGED_TIME)
            .keepalives_interval(UNACKNOWLEDGED_TIME / 3)
            // Of several hosts the one that can be written, whichever it is after a failover.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    /// One connection beside the pools, with what tells its messages.
    pub(super) async fn connect(
        &self,
    ) -> Result<(Client, tokio_postgres::Connection<tokio_postgres::Socket, TlsStream>), StoreError> {
        let connected = self.config.connect(self.tls.clone()).await;
        connected.map_err(|error| StoreError::Unavailable(format!("PostgreSQL: {}", describe(&error))))
    }

    /// A pool of connections for reading, where one statement may take so long.
    pub(super) fn read_pool(&self, count: usize, statement_time: Duration) -> Result<Pool, StoreError> {
        self.pool(count, statement_time)
    }

    /// A pool of connections for writing.
    pub(super) fn write_pool(&self, count: usize) -> Result<Pool, StoreError> {
        self.pool(count, WRITE_TIME)
    }

    /// The same with settings of the session, each `name=value`.
    pub(super) fn with_session(mut self, settings: &[String]) -> Self {
        let given = self.config.get_options().unwrap_or_default().to_owned();
        let ours: String = settings.iter().map(|setting| format!(" -c {setting}")).collect();
        self.config.options(format!("{given}{ours}").trim());
        self
    }

    fn pool(&self, count: usize, statement_time: Duration) -> Result<Pool, StoreError> {
        let (statement, idle) = (statement_time.as_millis(), WRITE_TIME.as_millis());
        let limited = self.clone().with_session(&[
            format!("statement_timeout={statement}"),
            format!("idle_in_transaction_session_timeout={idle}"),
        ]);
        let manager = Manager::from_config(
            limited.config,
            limited.tls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(count)
            .wait_timeout(Some(WAIT_TIME))
            .create_timeout(Some(CONNECT_TIME))
            .recycle_timeout(Some(CONNECT_TIME))
            .runtime(Runtime::Tokio1)
            .build();
        pool.map_err(|error| StoreError::Other(error.to_string()))
    }
}

pub(super) type TlsStream = <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream;

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}
