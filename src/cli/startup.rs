//! Checks everything that a start needs, before anything is changed.
//!
//! Rule: `config check` runs exactly the checks with which `serve` begins. So both refuse the same, and name every
//! fault at once.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use super::first_user;
use crate::app::{self, StartError};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Loaded, MetricsListen, UpstreamSource};
use crate::contract::Contract;
use crate::recording::ReplayFolder;
use crate::tls::CertificateExpiry;
use crate::{store, tls, traces, transport};

/// A configuration with which a gateway can start.
pub(super) struct Checked {
    pub(super) config: Config,
    pub(super) contract: Arc<Contract>,
    /// The cases of a replay.
    pub(super) replay: Option<ReplayFolder>,
    /// The certificates that the gateway shows.
    pub(super) certificates: Vec<CertificateExpiry>,
    /// Warnings: worth knowing, and no reason to refuse the start.
    pub(super) warnings: Vec<String>,
}

/// The faults found so far.
struct Findings {
    faults: Vec<String>,
    /// Settings that have their default in place of a faulty value; what follows from a default is no further fault.
    replaced: BTreeSet<String>,
}

impl Findings {
    /// Does a setting have the value that it was given?
    fn is_given(&self, setting: &str) -> bool {
        !self.replaced.contains(setting)
    }

    /// Checks what a setting names, and notes its faults.
    fn look<T>(&mut self, setting: &str, look: impl FnOnce() -> Result<T, StartError>) -> Option<T> {
        if self.replaced.contains(setting) {
            return None;
        }
        look().map_err(|error| self.add(error)).ok()
    }

    /// Notes faults, each of them once: two checks may read the same file.
    fn add(&mut self, StartError(faults): StartError) {
        for fault in faults {
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }
}

/// Checks everything that a start needs.
pub(super) async fn check(loaded: Loaded) -> Result<Checked, StartError> {
    tls::install_provider();
    let Loaded { mut config, faults } = loaded;
    let replaced = faults.iter().filter_map(|fault| fault.setting.clone()).collect();
    let mut findings = Findings { faults: faults.iter().map(ToString::to_string).collect(), replaced };
    let mut warnings = Vec::new();

    findings.look("", || first_user::named().map_err(one));
    findings.look("", || Ok(config.read_secrets()?));
    let contract = findings.look("contract.dir", || app::load_contract(&config));
    if let Some(contract) = &contract {
        findings.look("contract.dir", || app::check_secrets(&config, contract));
    }
    findings.look("server.tls_certificate", || app::server_tls(&config));
    let inspected = store::inspect(&config.store).await;
    let settings = ["store.data_dir", "store.url"];
    let inspected = settings.iter().all(|setting| findings.is_given(setting)).then_some(inspected);
    let is_running =
        inspected.is_some_and(|found| findings.look("", || Ok(found?)).is_some_and(|inspected| inspected.is_held));
    // Both addresses are bound at the same time: they may be the same.
    let mut listeners =
        vec![findings.look("server.listen", || listen("server.listen", config.server.listen, is_running))];
    if config.upstream.url.source == UpstreamSource::Simulator {
        let address = config.simulator.listen;
        listeners.push(findings.look("simulator.listen", || listen("simulator.listen", address, is_running)));
    }
    if let MetricsListen::Own(address) = config.metrics.listen {
        listeners.push(findings.look("metrics.listen", || listen("metrics.listen", address, is_running)));
    }
    let replay = findings.look("upstream.url", || transport::check(&config, is_running)).flatten();
    let certificates = findings.look("", || tls::expiries(&config).map_err(|fault| one(fault.to_string())));
    findings.look("otlp.url", || {
        let traces = traces::start(&config.otlp, &(Arc::new(SystemClock) as Arc<dyn Clock>));
        traces.map(drop).map_err(|fault| one(fault.to_string()))
    });
    if is_running {
        warnings.push(format!(
            "{}: a gateway is running there; it is not known whether addresses and folders that are in use are its own",
            store::location(&config.store)
        ));
    }
    warnings.extend(open_password(&config));
    match (contract, certificates) {
        (Some(contract), Some(certificates)) if findings.faults.is_empty() => {
            Ok(Checked { config, contract, replay, certificates, warnings })
        }
        _ => Err(StartError(findings.faults)),
    }
}

fn one(fault: String) -> StartError {
    StartError(vec![fault])
}

/// Tries to listen on an address. If a gateway is running, an address in use may be that gateway's, and is no fault.
fn listen(setting: &str, address: SocketAddr, is_running: bool) -> Result<Option<TcpListener>, StartError> {
    match TcpListener::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_running => Ok(None),
        Err(error) => Err(one(listen_fault(setting, address, &error))),
    }
}

/// The reason why an address cannot be used, with the remedy.
pub(super) fn listen_fault(setting: &str, address: SocketAddr, error: &Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => ": end what listens there, or choose another port",
        ErrorKind::AddrNotAvailable => ": it is no address of this machine; 0.0.0.0 and [::] are all of them",
        ErrorKind::PermissionDenied => ": choose a port from 1024 on, or give the program CAP_NET_BIND_SERVICE",
        _ => "",
    };
    format!("{setting} {address}: {error}{remedy}")
}

/// A warning about a password that crosses a network unencrypted.
fn open_password(config: &Config) -> Option<String> {
    let UpstreamSource::Urls(urls) = &config.upstream.url.source else { return None };
    config.upstream.password.as_ref()?;
    let is_open = |url: &&String| {
        let url = url::Url::parse(url).ok().filter(|url| url.scheme() == "http");
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("localhost");
        let is_here = host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        !is_here && host != "localhost"
    };
    let url = urls.iter().find(is_open)?;
    Some(format!(
        "upstream.password goes unencrypted to {url}: use https, or a TLS-terminating proxy beside the gateway"
    ))
}
