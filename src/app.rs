//! The application: everything built once, in order, and handed on by reference.

use std::borrow::Cow;
use std::sync::Arc;

use strum::VariantArray as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::account::{Role, Unit, User, hash_password};
use crate::api::Api;
use crate::catalogue::{self, Entry, EntryKind};
use crate::clock::Clock;
use crate::config::{Config, ConfigFault, FileFault};
use crate::contract::{Contract, ContractSource};
use crate::http::{self, CurrentTls, Face, Server};
use crate::metrics::Metrics;
use crate::provider::{Providers, share_systems};
use crate::request::random_hex;
use crate::retention::{self, Keep};
use crate::secret::Secret;
use crate::shutdown::Shutdown;
use crate::store::{AccountStore, CatalogueStore, Store, StoreError};
use crate::tls;
use crate::words::Word as _;

/// The gateway, built once.
pub struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) server: Arc<Server>,
    pub(crate) tls: CurrentTls,
}

/// The sockets that the gateway listens at.
pub struct Listeners {
    /// `server.listen`.
    pub server: TcpListener,
    /// `metrics.listen`, where that is an address of its own.
    pub watching: Option<TcpListener>,
}

/// Every fault that keeps the application from starting.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct StartError(pub Vec<String>);

impl StartError {
    /// The faults of what a provider's settings name, with its name.
    pub fn of_provider(self, config: &Config) -> Self {
        Self(self.0.iter().map(|fault| config.name_fault(fault)).collect())
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self(vec![error.to_string()])
    }
}

impl From<Vec<FileFault>> for StartError {
    fn from(faults: Vec<FileFault>) -> Self {
        Self(faults.iter().map(ToString::to_string).collect())
    }
}

impl From<Vec<ConfigFault>> for StartError {
    fn from(faults: Vec<ConfigFault>) -> Self {
        Self(faults.iter().map(ToString::to_string).collect())
    }
}

/// Loads the SOAP contract that the configuration of a provider names.
///
/// # Errors
/// Every fault in it, with file and line.
pub fn load_contract(config: &Config) -> Result<Arc<Contract>, StartError> {
    let source = match &config.contract.dir {
        Some(folder) if !folder.is_dir() => {
            return Err(StartError(vec![format!("contract.dir: {}: there is no such folder", folder.display())]));
        }
        Some(folder) => ContractSource::Folder(folder.clone()),
        None => ContractSource::Embedded,
    };
    let contract = Contract::load(&source).map_err(|findings| {
        let folder = config.contract.dir.as_deref().map(|dir| format!("{}/", dir.display())).unwrap_or_default();
        StartError(findings.iter().map(|finding| format!("{folder}{finding}")).collect())
    })?;
    Ok(Arc::new(contract))
}

/// Checks that the contracts of all providers can stand beside each other.
///
/// # Errors
/// The faults, by the names of the providers.
pub fn check_contracts(contracts: &[(&Config, &Arc<Contract>)]) -> Result<(), StartError> {
    let named: Vec<_> =
        contracts.iter().map(|(config, contract)| (config.provider.as_str(), contract.as_ref())).collect();
    share_systems(&named).map(drop).map_err(StartError)
}

/// Checks that the configuration has every secret that the contract's requests need, and that each fits where it stands.
/// Secrets whose files were not read are not tried.
///
/// # Errors
/// Each secret that is missing or does not fit, with file and line, and without its value.
pub fn check_secrets(config: &Config, contract: &Contract) -> Result<(), StartError> {
    let folder = config.contract.dir.as_deref().map(|dir| format!("{}/", dir.display())).unwrap_or_default();
    let missing = contract.secrets().filter(|(name, _)| !config.secrets.has(name)).map(|(name, location)| {
        format!("{folder}{location}: secret.{name}: the configuration has no '{name}' in [secrets]")
    });
    let values = config.secrets.values();
    let misfits = contract.secret_misfits(|name| Some(values.get(name)?.expose()));
    let faults: Vec<String> = missing.chain(misfits.iter().map(|finding| format!("{folder}{finding}"))).collect();
    if faults.is_empty() { Ok(()) } else { Err(StartError(faults)) }
}

impl App {
    /// Builds the application around a store and the providers.
    pub fn new(
        config: Config,
        providers: Providers,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let config = Arc::new(config);
        let api = Api::new(&config, store, providers, clock);
        let server = Arc::new(Server::new(Arc::clone(&config), api, metrics));
        Self { server, config, tls: CurrentTls::default() }
    }

    /// Serves until shutdown, then finishes what is under way within the grace; false when something was cut off.
    ///
    /// # Errors
    /// TLS cannot be set up, the store cannot be read, or it failed for good: then nothing more can be kept, and what is
    /// under way is cut off at once.
    pub async fn serve(self, listeners: Listeners, shutdown: Shutdown) -> Result<bool, StartError> {
        let api = Arc::clone(&self.server.api);
        let (store, processors) = (Arc::clone(&api.store), Arc::clone(&api.processors));
        tokio::select! {
            served = self.serve_until(listeners, shutdown) => served,
            why = store.wait_for_failure() => Err(StoreError::Unavailable(why).into()),
            never = processors.keep_leases() => match never {},
            never = processors.follow_news() => match never {},
            never = api.share_limits() => match never {},
        }
    }

    async fn serve_until(self, listeners: Listeners, shutdown: Shutdown) -> Result<bool, StartError> {
        self.tls.store(server_tls(&self.config)?.map(Arc::new));
        let Api { processors, store, clock, .. } = self.server.api.as_ref();
        let mut ending = shutdown.clone();
        tokio::select! {
            recovered = processors.recover() => recovered?,
            () = ending.wait() => return Ok(true),
        }
        let run = tokio::spawn(Arc::clone(processors).run(shutdown.clone()));
        let keep = Keep::of(&self.config.store);
        let retention = tokio::spawn(retention::run(Arc::clone(store), Arc::clone(clock), keep, shutdown.clone()));
        let watching = async {
            let listener = listeners.watching?;
            Some(
                http::serve(
                    Arc::clone(&self.server),
                    listener,
                    CurrentTls::default(),
                    Face::Watching,
                    shutdown.clone(),
                )
                .await,
            )
        };
        let serving = http::serve(
            Arc::clone(&self.server),
            listeners.server,
            Arc::clone(&self.tls),
            Face::Whole,
            shutdown.clone(),
        );
        let (connections, watching) = tokio::join!(serving, watching);
        let finish = async {
            if let Err(error) = run.await {
                tracing::error!(%error, "the processing run ended early");
            }
            self.server.streams.end().await;
            connections.finish().await;
            if let Some(watching) = watching {
                watching.finish().await;
            }
            self.server.captures.drain().await;
            processors.drain().await;
            processors.log_out().await;
            if let Err(error) = retention.await {
                tracing::error!(%error, "the retention ended early");
            }
        };
        Ok(tokio::time::timeout(self.config.server.shutdown_grace_s, finish).await.is_ok())
    }
}

/// The server's TLS, where configured.
///
/// # Errors
/// A certificate or key that cannot be used.
pub fn server_tls(config: &Config) -> Result<Option<TlsAcceptor>, StartError> {
    match (&config.server.tls_certificate, &config.server.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsAcceptor::from(tls::server_config(certificate, key)?))),
        _ => Ok(None),
    }
}

/// Makes the first user where there is none.
///
/// # Errors
/// The store cannot be written.
pub async fn make_first_user(store: &dyn AccountStore, username: &str, password: &Secret) -> Result<bool, StoreError> {
    if !store.list_users().await?.is_empty() {
        return Ok(false);
    }
    let unit = Unit { id: random_hex(), name: "Main Unit".to_owned(), ..Unit::default() };
    let user = User {
        id: random_hex(),
        username: username.to_owned(),
        person_name: None,
        email: None,
        role: Role::Operate,
        unit,
    };
    let password = password.clone();
    let hash = tokio::task::spawn_blocking(move || hash_password(&password));
    match store.add_user(user, hash.await.map_err(|e| StoreError::Other(e.to_string()))?).await {
        // Another gateway of the store was quicker.
        Err(StoreError::Taken(_)) => Ok(false),
        added => added.map(|()| true),
    }
}

/// Fills an empty catalogue; of each kind there is a CSV text.
///
/// # Errors
/// A text that is no such CSV, or the store cannot be written.
pub async fn load_catalogue(store: &dyn CatalogueStore, texts: &[(EntryKind, Cow<'_, str>)]) -> Result<(), StartError> {
    for &kind in EntryKind::VARIANTS {
        if !store.list_entries(kind).await?.is_empty() {
            return Ok(());
        }
    }
    for (kind, text) in texts {
        store.import_entries(*kind, catalogue_entries(*kind, text)?).await?;
    }
    Ok(())
}

/// The entries of a CSV text.
///
/// # Errors
/// A text that is no such CSV.
pub fn catalogue_entries(kind: EntryKind, text: &str) -> Result<Vec<Entry>, StartError> {
    let entries = catalogue::read_csv(kind, text.as_bytes());
    entries.map_err(|e| StartError(vec![format!("catalogue of {}: {e}", kind.as_str())]))
}
