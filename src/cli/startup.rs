//! Checks everything that a start needs, before anything is changed.
//!
//! Rule: `config check` runs exactly the checks with which `serve` begins. So both refuse the same, and name every
//! fault at once.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
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
    /// The first one first.
    pub(super) providers: Vec<CheckedProvider>,
    /// The certificates that the gateway shows.
    pub(super) certificates: Vec<CertificateExpiry>,
    /// Warnings: worth knowing, and no reason to refuse the start.
    pub(super) warnings: Vec<String>,
}

/// A provider that a gateway can have.
pub(super) struct CheckedProvider {
    /// The configuration as the provider sees it.
    pub(super) config: Config,
    pub(super) contract: Arc<Contract>,
    /// The cases of a replay.
    pub(super) replay: Option<ReplayFolder>,
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

    /// Checks what a setting of a provider names.
    fn look_for<T>(
        &mut self,
        config: &Config,
        setting: &str,
        look: impl FnOnce() -> Result<T, StartError>,
    ) -> Option<T> {
        self.look(&config.setting_name(setting), || look().map_err(|error| error.of_provider(config)))
    }

    /// Loads the contract of a provider, and looks for the secrets that its requests need.
    fn look_at_contract(&mut self, config: &Config) -> Option<Arc<Contract>> {
        let contract = self.look_for(config, "contract.dir", || app::load_contract(config))?;
        self.look_for(config, "contract.dir", || app::check_secrets(config, &contract));
        Some(contract)
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
    let configs = config.of_providers();
    let contracts: Vec<_> = configs.iter().map(|config| (config, findings.look_at_contract(config))).collect();
    let loaded: Vec<_> = contracts.iter().filter_map(|(config, found)| Some((*config, found.as_ref()?))).collect();
    if loaded.len() == configs.len() {
        findings.look("contract.dir", || app::check_contracts(&loaded));
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
    for config in configs.iter().filter(|config| config.upstream.url.source == UpstreamSource::Simulator) {
        let address = config.simulator.listen;
        let listener =
            findings.look_for(config, "simulator.listen", || listen("simulator.listen", address, is_running));
        listeners.push(listener);
    }
    if let MetricsListen::Own(address) = config.metrics.listen {
        listeners.push(findings.look("metrics.listen", || listen("metrics.listen", address, is_running)));
    }
    let check = |config: &Config| transport::check(config, is_running);
    let replays = configs.iter().map(|config| findings.look_for(config, "upstream.url", || check(config)).flatten());
    let replays: Vec<_> = replays.collect();
    findings.look("upstream.url", || check_folders(&configs));
    let certificates = findings.look("", || tls::expiries(&config).map_err(one));
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
    warnings.extend(configs.iter().filter_map(|config| Some(config.name_fault(&open_password(config)?))));
    let contracts = contracts.into_iter().map(|(_, contract)| contract).collect::<Option<Vec<_>>>();
    match (contracts, certificates) {
        (Some(contracts), Some(certificates)) if findings.faults.is_empty() => {
            let parts = configs.into_iter().zip(contracts).zip(replays);
            let checked = parts.map(|((config, contract), replay)| CheckedProvider { config, contract, replay });
            Ok(Checked { config, providers: checked.collect(), certificates, warnings })
        }
        _ => Err(StartError(findings.faults)),
    }
}

/// Two providers that record into one folder would each take the other's cases for their own.
fn check_folders(configs: &[Config]) -> Result<(), StartError> {
    let mut seen = BTreeSet::new();
    let folders = configs.iter().filter_map(|config| Some((config, config.upstream.url.record.as_ref()?)));
    let twice = folders.filter(|(_, folder)| !seen.insert((*folder).clone()));
    let fault = |(config, folder): (&Config, &PathBuf)| {
        config.name_fault(&format!("upstream.url: another provider records into {}, too", folder.display()))
    };
    let faults: Vec<_> = twice.map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(StartError(faults)) }
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
