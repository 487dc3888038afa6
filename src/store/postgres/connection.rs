//! Connects to PostgreSQL: the settings of the connection, TLS, and the choice of the host that can be written.
//!
//! Rule: a commit that returned is on the server's disk: `synchronous_commit` is never off here. Unless the URL says
//! otherwise, nothing goes to another machine without TLS. Each attempt to connect succeeds or fails within
//! `CONNECT_TIME`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::describe;
use crate::config::StoreSection;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::tls;

/// How long a connection may take to open, including everything sent before the first statement.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long sent bytes may stay unacknowledged, and how long a connection may be idle before TCP keepalive probes it.
const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(15);

/// The address of the database, and the user for it.
#[derive(Clone)]
pub(super) struct Access {
    /// The configuration of each host of the URL.
    hosts: Vec<Config>,
    tls: MakeRustlsConnect,
    /// Settings of each session, `name=value`.
    session: Vec<String>,
    /// A pooler may run each transaction in another session.
    is_pooled: bool,
}

pub(super) type TlsStream = <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream;
type Connected = (Client, tokio_postgres::Connection<tokio_postgres::Socket, TlsStream>);

impl Access {
    /// Reads the settings.
    ///
    /// # Errors
    /// A file named by the settings cannot be used.
    pub(super) fn new(url: &Config, section: &StoreSection) -> Result<Self, StoreError> {
        let unusable = |error: crate::config::FileFault| StoreError::Unavailable(error.to_string());
        let tls = tls::store_client_config(section.ca_file.as_deref(), url.get_ssl_mode() != SslMode::Disable)
            .map_err(unusable)?;
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
            // Of several hosts, use the host that can be written, also after a failover.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let is_pooled = section.transaction_pooling;
        Ok(Self { hosts: each_host(&config), tls: MakeRustlsConnect::new(tls), session: Vec::new(), is_pooled })
    }

    /// Opens one connection beside the pools; returns the client, and the connection that reads the server's messages.
    pub(super) async fn connect(&self) -> Result<Connected, StoreError> {
        let text = match tokio::time::timeout(CONNECT_TIME, self.connect_first()).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => describe(&error),
            Err(_) => format!("there was no answer within {} s", CONNECT_TIME.as_secs()),
        };
        Err(StoreError::Unavailable(format!("PostgreSQL: {text}")))
    }

    /// Connects to all hosts at the same time: only one can be written, and a host that does not answer delays no other.
    async fn connect_first(&self) -> Result<Connected, tokio_postgres::Error> {
        let connecting = self.hosts.iter().map(|host| {
            let mut host = host.clone();
            if let Some(options) = self.options(&host) {
                host.options(options);
            }
            let tls = self.tls.clone();
            Box::pin(async move { host.connect(tls).await })
        });
        let (connected, _others) = select_ok(connecting).await?;
        Ok(connected)
    }

    /// The options at the start of a session; poolers refuse them.
    fn options(&self, host: &Config) -> Option<String> {
        if self.is_pooled || self.session.is_empty() {
            return None;
        }
        let given = host.get_options().unwrap_or_default();
        let ours: String = self.session.iter().map(|setting| format!(" -c {setting}")).collect();
        Some(format!("{given}{ours}").trim().to_owned())
    }

    /// The statements at the start of each transaction, if another program may have used the session before: drop
    /// prepared statements, and apply the settings until the end of the transaction.
    pub(super) fn prologue(&self) -> Option<String> {
        let set = |setting: &String| {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            format!("; SET LOCAL {name} = '{value}'")
        };
        self.is_pooled.then(|| format!("DEALLOCATE ALL{}", self.session.iter().map(set).collect::<String>()))
    }

    /// Does a session keep nothing from one transaction to the next?
    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// A copy with further settings of the session, each `name=value`.
    pub(super) fn with_session(mut self, settings: &[String]) -> Self {
        self.session.extend_from_slice(settings);
        self
    }
}

/// Opens connections for a pool.
impl deadpool_postgres::Connect for Access {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>> {
        Box::pin(async move {
            let (client, connection) = self.connect_first().await?;
            let driving = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = describe(&error), "a connection to PostgreSQL has ended");
                }
            });
            Ok((client, driving))
        })
    }
}

/// One configuration per host.
fn each_host(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    if count < 2 {
        return vec![config.clone()];
    }
    let one = |index: usize| {
        let mut one = Config::new();
        match hosts.get(index) {
            Some(Host::Tcp(name)) => drop(one.host(name)),
            Some(Host::Unix(path)) => drop(one.host_path(path)),
            None => {}
        }
        if let Some(address) = addresses.get(index) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(index).or(ports.first()) {
            one.port(*port);
        }
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(name) = config.get_dbname() {
            one.dbname(name);
        }
        if let Some(options) = config.get_options() {
            one.options(options);
        }
        if let Some(name) = config.get_application_name() {
            one.application_name(name);
        }
        if let Some(password) = config.get_password() {
            one.password(password);
        }
        if let Some(time) = config.get_tcp_user_timeout() {
            one.tcp_user_timeout(*time);
        }
        if let Some(time) = config.get_connect_timeout() {
            one.connect_timeout(*time);
        }
        if let Some(time) = config.get_keepalives_interval() {
            one.keepalives_interval(time);
        }
        if let Some(count) = config.get_keepalives_retries() {
            one.keepalives_retries(count);
        }
        one.ssl_mode(config.get_ssl_mode())
            .ssl_negotiation(config.get_ssl_negotiation())
            .channel_binding(config.get_channel_binding())
            .keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle())
            .target_session_attrs(config.get_target_session_attrs());
        one
    };
    (0..count).map(one).collect()
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_the_settings_of_all() {
        let url =
            "postgres://u:p@one:1,two:2/d?application_name=a&keepalives_idle=7&sslmode=require&options=-c%20x%3D1";
        let mut config: Config = url.parse().unwrap();
        config.tcp_user_timeout(UNACKNOWLEDGED_TIME).target_session_attrs(TargetSessionAttrs::ReadWrite);
        let hosts = each_host(&config);
        let mut second: Config = url.replace("one:1,", "").parse().unwrap();
        second.tcp_user_timeout(UNACKNOWLEDGED_TIME).target_session_attrs(TargetSessionAttrs::ReadWrite);
        assert_eq!((hosts.len(), &hosts[1]), (2, &second));
    }

    #[test]
    fn a_network_that_is_silent_is_noticed_by_default() {
        let config = crate::config::load(&crate::config::Inputs::default()).into_config().unwrap();
        let access = Access::new(&"postgres://one,two/d".parse().unwrap(), &config.store).unwrap();
        for host in &access.hosts {
            assert_eq!(host.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED_TIME));
            assert_eq!((host.get_keepalives(), host.get_keepalives_idle()), (true, UNACKNOWLEDGED_TIME));
            assert_eq!(host.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
            assert_eq!(host.get_ssl_mode(), SslMode::Require);
        }
    }
}
