//! Puts a configuration in the place of the one that is in use, as far as that can be done beside calls under way:
//! certificates and keys, the way to each provider whose upstream is named by URLs with its credentials, its SOAP contract (not
//! that of a simulator, a replay or a recording, which know it as well), and the catalogue's strictness.
//!
//! Rule: everything of the new one is looked at first. With one fault, all stays as it is.

use std::sync::Arc;

use crate::app::{self, App, StartError, server_tls};
use crate::config::{Config, UpstreamSource};
use crate::contract::Contract;
use crate::http::{CurrentTls, Server};
use crate::provider::{Provider, share_systems};
use crate::tls::CertificateExpiry;
use crate::upstream::Transport;
use crate::{tls, transport};

/// The parts that can be replaced while the gateway serves.
pub struct Reloadable {
    server: Arc<Server>,
    tls: CurrentTls,
}

/// The new settings of a provider that goes on.
struct Replacement {
    config: Config,
    /// `None`: its answers come from elsewhere.
    transport: Option<Arc<dyn Transport>>,
    contract: Arc<Contract>,
}

impl Reloadable {
    /// The parts of this application that can be replaced.
    pub fn of(app: &App) -> Self {
        Self { server: Arc::clone(&app.server), tls: Arc::clone(&app.tls) }
    }

    /// Takes a new configuration into use, if `check` has nothing against its certificates; returns those, which are shown
    /// now.
    ///
    /// # Errors
    /// Every fault of it; then nothing has changed.
    pub fn replace(
        &self,
        config: &Config,
        check: impl FnOnce(&[CertificateExpiry]) -> Vec<String>,
    ) -> Result<Vec<CertificateExpiry>, StartError> {
        let mut faults = Vec::new();
        let mut look = |fault: StartError| faults.extend(fault.0);
        let acceptor = server_tls(config).map_err(&mut look).ok();
        let replacements = self.replacements(config).map_err(&mut look).ok();
        // A file that cannot be read is named already.
        let expiries = tls::expiries(config);
        let expiries =
            expiries.map_err(|fault| faults.extend(Some(fault).filter(|fault| !faults.contains(fault)))).ok();
        faults.extend(expiries.as_deref().map(check).unwrap_or_default());
        if acceptor.as_ref().is_some_and(|acceptor| acceptor.is_some() != self.tls.load().is_some()) {
            faults.push("server.tls_certificate: TLS is turned on or off by a restart only".to_owned());
        }
        let (Some(acceptor), Some(replacements), Some(expiries), true) =
            (acceptor, replacements, expiries, faults.is_empty())
        else {
            return Err(StartError(faults));
        };
        self.tls.store(acceptor.map(Arc::new));
        let api = &self.server.api;
        let mut contracts = Vec::new();
        for (provider, Replacement { config, transport, contract }) in api.providers.iter().zip(replacements) {
            let is_followed = transport.is_some() && provider.config.upstream.url.record.is_none();
            if let Some(transport) = transport {
                provider.transport.replace(transport);
            }
            contracts.push(if is_followed { contract } else { provider.contract.load_full() });
            api.processors.set_secrets(&config);
        }
        self.server.replace_contracts(contracts);
        api.set_catalogue_strict(config.catalogue.strict);
        Ok(expiries)
    }

    /// The new settings of every provider; if one of them has a fault, no provider gets any.
    fn replacements(&self, config: &Config) -> Result<Vec<Replacement>, StartError> {
        let providers = &self.server.api.providers;
        let configs = config.of_providers();
        if !providers.iter().map(|provider| provider.name()).eq(configs.iter().map(|config| config.provider.as_str())) {
            return Err(StartError(vec!["provider: a provider is added or removed by a restart only".to_owned()]));
        }
        let mut faults = Vec::new();
        let mut replacements = Vec::new();
        for (provider, config) in providers.iter().zip(configs) {
            match replacement(provider, config.clone()) {
                Ok(replacement) => replacements.push(replacement),
                Err(StartError(found)) => faults.extend(found.iter().map(|fault| config.name_fault(fault))),
            }
        }
        if faults.is_empty() {
            let contract = |of: &'_ Replacement| (of.config.provider.clone(), Arc::clone(&of.contract));
            let contracts: Vec<_> = replacements.iter().map(contract).collect();
            let named: Vec<_> = contracts.iter().map(|(name, contract)| (name.as_str(), contract.as_ref())).collect();
            match share_systems(&named) {
                Ok(systems) if systems.iter().eq(providers.iter().map(|provider| &provider.systems)) => {}
                Ok(_) => faults.push("contract.dir: another CA system of a provider needs a restart".to_owned()),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(replacements) } else { Err(StartError(faults)) }
    }
}

fn replacement(provider: &Provider, config: Config) -> Result<Replacement, StartError> {
    let mut faults = Vec::new();
    let mut look = |fault: StartError| faults.extend(fault.0);
    let transport = transport::live_transport(&config).map_err(&mut look).ok();
    let contract = app::load_contract(&config);
    let contract = contract.and_then(|contract| app::check_secrets(&config, &contract).map(|()| contract));
    let contract = contract.map_err(&mut look).ok();
    // Its files may be gone by now: only what kind it was counts.
    let was_live = matches!(provider.config.upstream.url.source, UpstreamSource::Urls(_));
    if transport.as_ref().is_some_and(|transport| transport.is_some() != was_live) {
        faults.push("upstream.url: between URLs and anything else a restart is needed".to_owned());
    }
    match (transport, contract) {
        (Some(transport), Some(contract)) if faults.is_empty() => Ok(Replacement { config, transport, contract }),
        _ => Err(StartError(faults)),
    }
}
