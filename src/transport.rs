//! Opens the transport that a provider's `upstream.url` names: to a live Conax, to a simulator started here, or from a folder of fixtures;
//! a recorder observes any of these.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api::{Dates, Record};
use crate::app::{StartError, catalogue_entries};
use crate::catalogue::{EntryKind, SAMPLE};
use crate::clock::Clock;
use crate::config::{Config, FileFault, Upstream, UpstreamSource};
use crate::contract::Contract;
use crate::observer::{ObservedTransport, Observers};
use crate::recording::{
    self, CaseFault, Catalogue, FindEntries, MessageRules, Recorder, RecordingObserver, Render, ReplayFolder,
    ReplayTransport,
};
use crate::redaction::{Pseudonymizer, check_key, find_key};
use crate::shutdown::Shutdown;
use crate::simulator::Simulator;
use crate::store::CatalogueStore;
use crate::tls;
use crate::upstream::{BreakerRule, FailOver, LiveTransport, Transport};

impl From<Vec<CaseFault>> for StartError {
    fn from(faults: Vec<CaseFault>) -> Self {
        Self(faults.iter().map(ToString::to_string).collect())
    }
}

/// Where calls go, in words for the log; the transport; and the simulator's task, if one was started here. That serves
/// until `shutdown`.
pub struct UpstreamHandle {
    /// Description of the transport for the log.
    pub description: String,
    /// The catalogue that belongs to what answers: the sample for the simulator, and whatever a folder of fixtures has.
    pub catalogue: Vec<(EntryKind, Cow<'static, str>)>,
    /// The transport and its observers.
    pub transport: ObservedTransport,
    /// The simulator's task.
    pub simulator: Option<JoinHandle<()>>,
}

/// Opens the transport that the configuration of a provider names; a recorder is one more observer. `replay` is what [`check`] read.
///
/// # Errors
/// A file that cannot be used, or the simulator's address is not free.
pub async fn open(
    config: &Config,
    replay: Option<ReplayFolder>,
    contract: &Arc<Contract>,
    clock: &Arc<dyn Clock>,
    store: Arc<dyn CatalogueStore>,
    observers: Observers,
    shutdown: Shutdown,
) -> Result<UpstreamHandle, StartError> {
    let target = &config.upstream.url;
    let (mut simulator, mut catalogue) = (None, Vec::new());
    // The entries recorded from a replay are known to both.
    let recording = match &target.record {
        Some(folder) => Some((folder, pseudonymizer(config, contract)?)),
        None => None,
    };
    let (mut description, transport): (String, Arc<dyn Transport>) = match &target.source {
        UpstreamSource::Urls(urls) => (urls.join(", "), Arc::new(live(urls, &config.upstream)?)),
        UpstreamSource::Simulator => {
            let (url, serving) = start_simulator(config, contract, clock, shutdown).await?;
            simulator = Some(serving);
            catalogue = SAMPLE.map(|(kind, text)| (kind, Cow::Borrowed(text))).to_vec();
            (url.clone(), Arc::new(live(&[url], &config.upstream)?))
        }
        UpstreamSource::Replay(folder) => {
            let shared = recording.as_ref().map(|(_, pseudonymizer)| Arc::clone(pseudonymizer));
            let pseudonymizer = shared.unwrap_or_else(|| replay_pseudonymizer(config, contract));
            catalogue = recorded_catalogue(folder, Some(&pseudonymizer))?;
            let description = format!("replay of {}", folder.display());
            let cases = replay.map_or_else(|| ReplayFolder::read(folder), Ok)?;
            (description, Arc::new(ReplayTransport::new(cases, message_rules(config, contract), pseudonymizer)?))
        }
    };
    let mut observers = observers;
    if let Some((folder, pseudonymizer)) = recording {
        let recorder = Arc::new(Recorder::open(folder, message_rules(config, contract), pseudonymizer)?);
        description.push_str(&format!(", recorded into {}", folder.display()));
        let dates = Dates(config.server.time_zone);
        let render = move |record: &_| Record::new(record, dates).to_reply();
        let with = (Box::new(render) as Render, entries_in(store));
        observers = observers.and(Arc::new(RecordingObserver::new(recorder, with, contract.base_path())));
    }
    let transport = ObservedTransport::new(transport, observers);
    Ok(UpstreamHandle { description, catalogue, transport, simulator })
}

fn entries_in(store: Arc<dyn CatalogueStore>) -> FindEntries {
    Box::new(move |call| {
        let store = Arc::clone(&store);
        Box::pin(async move {
            recording::find_entries(store.as_ref(), &call).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the catalogue's entries of a call could not be recorded");
                Vec::new()
            })
        })
    })
}

/// Finds whatever [`open`] would refuse, and changes nothing; returns the cases of a replay, so that they are read once.
/// `is_running`: a gateway may be recording already.
///
/// # Errors
/// All faults.
pub fn check(config: &Config, is_running: bool) -> Result<Option<ReplayFolder>, StartError> {
    let target = &config.upstream.url;
    let mut faults = Vec::new();
    let mut replay = None;
    let found = match &target.source {
        UpstreamSource::Urls(urls) => live(urls, &config.upstream).map(drop),
        UpstreamSource::Simulator => live(&["http://localhost".to_owned()], &config.upstream).map(drop),
        UpstreamSource::Replay(folder) if !folder.is_dir() => {
            Err(StartError(vec![format!("upstream.url: {}: there is no such folder to replay", folder.display())]))
        }
        UpstreamSource::Replay(folder) => check_replay(folder).map(|cases| replay = Some(cases)),
    };
    faults.extend(found.err().map(|StartError(faults)| faults).unwrap_or_default());
    if let Some(folder) = &target.record {
        let file = config.fixtures.key_file.as_deref();
        faults.extend(check_key(file, &config.store.data_dir).err().map(|fault| fault.to_string()));
        let found = Recorder::check(folder, is_running).err().unwrap_or_default();
        faults.extend(found.iter().map(ToString::to_string));
    }
    if faults.is_empty() { Ok(replay) } else { Err(StartError(faults)) }
}

fn check_replay(folder: &Path) -> Result<ReplayFolder, StartError> {
    let cases = ReplayFolder::read(folder)?;
    for (kind, text) in recorded_catalogue(folder, None)? {
        catalogue_entries(kind, &text)?;
    }
    Ok(cases)
}

/// The catalogue that a folder of fixtures has; as it stands, or with what was personal back in it.
///
/// # Errors
/// A file that cannot be read.
pub fn recorded_catalogue(
    folder: &Path,
    pseudonymizer: Option<&Pseudonymizer>,
) -> Result<Vec<(EntryKind, Cow<'static, str>)>, StartError> {
    let catalogue = Catalogue::from_folder(folder).map_err(|fault| vec![fault])?;
    let texts = match pseudonymizer {
        Some(pseudonymizer) => catalogue
            .shown(pseudonymizer)
            .map_err(|e| StartError(vec![format!("catalogue of {}: {e}", folder.display())]))?,
        None => catalogue.texts,
    };
    Ok(texts.into_iter().map(|(kind, text)| (kind, Cow::Owned(text))).collect())
}

/// The rules of the contract for recorded messages.
pub fn message_rules(config: &Config, contract: &Contract) -> Arc<MessageRules> {
    Arc::new(MessageRules::from_contract(contract, &config.fixtures.volatile))
}

/// The pseudonymizer with the key that the configuration names.
///
/// # Errors
/// The key's file.
pub fn pseudonymizer(config: &Config, contract: &Contract) -> Result<Arc<Pseudonymizer>, StartError> {
    Pseudonymizer::open(config, contract).map_err(|fault| StartError(vec![fault.to_string()]))
}

/// The pseudonymizer of a reader: without the key, pseudonyms stay as they are.
fn replay_pseudonymizer(config: &Config, contract: &Contract) -> Arc<Pseudonymizer> {
    let file = config.fixtures.key_file.as_deref();
    let without_key = |fault: String| tracing::warn!(fault, "replaying without the key: only pseudonyms are answered");
    let key = find_key(file, &config.store.data_dir).unwrap_or_else(|fault| {
        without_key(fault.to_string());
        None
    });
    if let Some(file) = file.filter(|file| !file.exists()) {
        without_key(format!("fixtures.key_file {}: there is no such file", file.display()));
    }
    Pseudonymizer::with_key(config, contract, key.unwrap_or_else(rand::random))
}

/// The transport to a Conax named by base URLs; `None` if answers come from elsewhere.
///
/// # Errors
/// A file that cannot be used.
pub fn live_transport(config: &Config) -> Result<Option<Arc<dyn Transport>>, StartError> {
    match &config.upstream.url.source {
        UpstreamSource::Urls(urls) => Ok(Some(Arc::new(live(urls, &config.upstream)?))),
        UpstreamSource::Simulator | UpstreamSource::Replay(_) => Ok(None),
    }
}

/// A transport without any base URL, for commands that send nothing.
pub fn nowhere(config: &Upstream) -> FailOver {
    FailOver::new(Vec::new(), breaker_rule(config))
}

fn breaker_rule(config: &Upstream) -> BreakerRule {
    BreakerRule {
        failures: config.breaker_failures,
        max_pause: config.breaker_pause_s,
        probe_time: config.answer_timeout_s * 2,
    }
}

/// HTTP to whichever base URL can be reached.
fn live(base_urls: &[String], config: &Upstream) -> Result<FailOver, StartError> {
    let failed = |fault: FileFault| StartError(vec![fault.to_string()]);
    let tls = tls::client_config(config)?;
    let mut nodes: Vec<(String, Box<dyn Transport>)> = Vec::new();
    for base_url in base_urls {
        nodes.push((base_url.clone(), Box::new(LiveTransport::new(base_url, config, &tls).map_err(failed)?)));
    }
    Ok(FailOver::new(nodes, breaker_rule(config)))
}

async fn start_simulator(
    config: &Config,
    contract: &Arc<Contract>,
    clock: &Arc<dyn Clock>,
    shutdown: Shutdown,
) -> Result<(String, JoinHandle<()>), StartError> {
    let failed = |e: std::io::Error| StartError(vec![format!("simulator.listen {}: {e}", config.simulator.listen)]);
    let listener = TcpListener::bind(config.simulator.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let simulator = Simulator::new(config.simulator.clone(), Arc::clone(contract), Arc::clone(clock));
    let serving = tokio::spawn(simulator.serve(listener, shutdown));
    Ok((format!("http://{address}{}", contract.base_path()), serving))
}
