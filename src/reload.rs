//! Puts a configuration in the place of the one that is in use, as far as that can be done beside calls under way:
//! certificates and keys, the way to a Conax that is named by URLs with its credentials, the SOAP contract (not that of a
//! simulator, a replay or a recording, which know it as well), and the catalogue's strictness.
//!
//! Rule: everything of the new one is looked at first. With one fault, all stays as it is.

use std::sync::Arc;

use crate::app::{self, App, StartError, server_tls};
use crate::config::{Config, UpstreamSource};
use crate::http::{CurrentTls, Server};
use crate::observer::ObservedTransport;
use crate::tls::CertificateExpiry;
use crate::{tls, transport};

/// The parts that can be replaced while the gateway serves.
pub struct Reloadable {
    /// As it was started.
    started: Arc<Config>,
    server: Arc<Server>,
    tls: CurrentTls,
    transport: ObservedTransport,
}

impl Reloadable {
    /// The parts of this application that can be replaced.
    pub fn of(app: &App) -> Self {
        let App { config, server, tls, transport } = app;
        let (started, server, tls) = (Arc::clone(config), Arc::clone(server), Arc::clone(tls));
        Self { started, server, tls, transport: transport.clone() }
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
        let transport = transport::live_transport(config).map_err(&mut look).ok();
        let contract = app::load_contract(config);
        let contract = contract.and_then(|contract| app::check_secrets(config, &contract).map(|()| contract));
        let contract = contract.map_err(&mut look).ok();
        // A file that cannot be read is named already.
        let expiries = tls::expiries(config).map_err(|fault| fault.to_string());
        let expiries =
            expiries.map_err(|fault| faults.extend(Some(fault).filter(|fault| !faults.contains(fault)))).ok();
        faults.extend(expiries.as_deref().map(check).unwrap_or_default());
        if acceptor.as_ref().is_some_and(|acceptor| acceptor.is_some() != self.tls.load().is_some()) {
            faults.push("server.tls_certificate: TLS is turned on or off by a restart only".to_owned());
        }
        // Its files may be gone by now: only what kind it was counts.
        let was_live = matches!(self.started.upstream.url.source, UpstreamSource::Urls(_));
        if transport.as_ref().is_some_and(|transport| transport.is_some() != was_live) {
            faults.push("upstream.url: between URLs and anything else a restart is needed".to_owned());
        }
        let (Some(acceptor), Some(transport), Some(contract), Some(expiries), true) =
            (acceptor, transport, contract, expiries, faults.is_empty())
        else {
            return Err(StartError(faults));
        };
        self.tls.store(acceptor.map(Arc::new));
        if let Some(transport) = transport {
            self.transport.replace(transport);
            if self.started.upstream.url.record.is_none() {
                self.server.replace_contract(contract);
            }
        }
        self.server.api.processor.set_secrets(config.secrets.values());
        self.server.api.set_catalogue_strict(config.catalogue.strict);
        Ok(expiries)
    }
}
