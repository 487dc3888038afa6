//! `serve`: runs the gateway until SIGTERM.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::certificates::Certificates;
use super::reload::Reloader;
use super::settings::{ConfigFlags, loaded, settings_used};
use super::startup::{self, Checked, CheckedProvider};
use super::{Failed, first_user, output, service};
use crate::app::{self, App, Listeners};
use crate::clock::{Clock, SystemClock};
use crate::config::MetricsListen;
use crate::metrics::Metrics;
use crate::observer::{Observer, Observers};
use crate::provider::Providers;
use crate::reload::Reloadable;
use crate::shutdown::{self, Asked, Signals, Trigger};
use crate::store::{self, Access};
use crate::transport::{self, UpstreamHandle};
use crate::{telemetry, traces};

/// Flags of `serve`.
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Examples:\n  conax-gateway serve --config /etc/conax-gateway/gateway.toml\n  conax-gateway serve --upstream https://conax.example.net/ca-server/webservices"
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFlags,
    /// Address and port to listen on; port 0 picks one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Folder of the database.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// simulator; the base URLs of the Conax services, separated by commas; replay:DIR, which sends nothing; or
    /// record:DIR=… any of these.
    #[arg(long, value_name = "simulator|URL,…|replay:DIR|record:DIR=…")]
    upstream: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    shutdown::ignore_other_signals()?;
    let flags = [
        ("server.listen", args.listen, "--listen"),
        ("store.data_dir", args.data_dir, "--data-dir"),
        ("upstream.url", args.upstream, "--upstream"),
    ];
    let flags = flags.into_iter().filter_map(|(setting, text, flag)| Some((setting, text?, flag)));
    let flags: Vec<_> = flags.collect();
    let Checked { config, providers: checked, certificates: expiries, warnings } =
        startup::check(loaded(args.config.clone(), flags.clone())).await?;
    let telemetry = telemetry::start(&config.log).map_err(|e| Failed(e.to_string()))?;
    tracing::info!("{}", settings_used(&config));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let has_tls = app::server_tls(&config)?.is_some();
    let contracts: Vec<_> = checked.iter().map(|provider| Arc::clone(&provider.contract)).collect();
    let metrics = (config.metrics.listen != MetricsListen::Off).then(|| Arc::new(Metrics::new(&contracts)));
    let machine_clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started = traces::start(&config.otlp, &machine_clock);
    let (traces, exporter) = started.map_err(|fault| Failed(fault.to_string()))?.unzip();
    let counting = metrics.iter().map(|metrics| Arc::clone(metrics) as Arc<dyn Observer>);
    let tracing = traces.map(|traces| traces as Arc<dyn Observer>);
    let observers = Observers::new(counting.chain(tracing).collect());
    let store = store::open(&config.store, Access::Gateway(observers.clone())).await?;
    let clock = store.clock();

    let server = listen("server.listen", config.server.listen).await?;
    let url = format!("{}://{}", if has_tls { "https" } else { "http" }, server.local_addr()?);
    let watching = match config.metrics.listen {
        MetricsListen::Own(address) => Some(listen("metrics.listen", address).await?),
        MetricsListen::Server | MetricsListen::Off => None,
    };
    if let Some(listener) = &watching {
        tracing::info!("metrics at http://{}/metrics", listener.local_addr()?);
    }
    let (simulator_trigger, simulator_shutdown) = shutdown::channel();
    let (mut catalogue, mut simulators, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for CheckedProvider { config, contract, replay } in checked {
        let (shutdown, observers) = (simulator_shutdown.clone(), observers.clone());
        let opened = transport::open(&config, replay, &contract, &clock, store.clone(), observers, shutdown);
        let opened = opened.await.map_err(|error| error.of_provider(&config))?;
        let UpstreamHandle { description, catalogue: entries, transport, simulator } = opened;
        tracing::info!(provider = config.provider, upstream = description, "a provider is ready");
        catalogue.extend(entries.into_iter().filter(|entry| !catalogue.contains(entry)).collect::<Vec<_>>());
        simulators.extend(simulator);
        parts.push((config, contract, transport));
    }
    app::load_catalogue(store.as_ref(), &catalogue).await?;
    first_user::make(store.as_ref(), &config.store.data_dir, &url).await?;

    let certificates = Arc::new(Certificates::new(expiries, observers, Arc::clone(&clock)));
    tracing::info!(store = store::location(&config.store), "conax-gateway is ready");
    let app = App::new(config, Providers::new(parts), store, clock, metrics);
    let reloadable = Reloadable::of(&app);
    let (config, watched) = (args.config, Arc::clone(&certificates));
    let (trigger, shutdown) = shutdown::channel();
    let signals = follow(Signals::listen()?, Reloader { config, flags, telemetry, reloadable, certificates }, trigger);
    let mut tasks = JoinSet::new();
    tasks.spawn(signals);
    tasks.spawn(async move { watched.watch().await });
    if let Some(watchdog) = service::watchdog() {
        tasks.spawn(watchdog);
    }
    output::line(&format!("listening on {url}"));
    service::ready();
    let (export_trigger, export_shutdown) = shutdown::channel();
    let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(export_shutdown)));
    let in_time = app.serve(Listeners { server, watching }, shutdown).await?;
    tasks.shutdown().await;
    export_trigger.set();
    if let Some(exporting) = exporting {
        exporting.await.map_err(|e| Failed(e.to_string()))?;
    }
    simulator_trigger.set();
    for simulator in simulators {
        simulator.await.map_err(|e| Failed(e.to_string()))?;
    }
    if !in_time {
        tracing::warn!("requests were still under way when the grace period ended");
    }
    Ok(())
}

/// Does what signals ask for, until one asks for the end.
async fn follow(mut signals: Signals, reloader: Reloader, trigger: Trigger) {
    let reloader = Arc::new(reloader);
    while signals.next().await == Asked::Reload {
        let reloader = Arc::clone(&reloader);
        if let Err(panic) = tokio::task::spawn_blocking(move || reloader.reload()).await {
            tracing::error!(%panic, "the configuration could not be loaded anew");
        }
    }
    tracing::info!("stopping: finishing what is under way");
    service::stopping();
    trigger.set();
    // The log is written for as long as the reloader is there.
    std::future::pending::<()>().await;
}

async fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| Failed(startup::listen_fault(setting, address, &error)))
}
