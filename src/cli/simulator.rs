//! `simulator`: runs the simulated Conax alone.

use std::sync::Arc;

use strum::VariantArray as _;
use tokio::net::TcpListener;

use super::settings::ProviderFlags;
use super::{Failed, output, startup};
use crate::clock::SystemClock;
use crate::config::SimulatorBehavior;
use crate::shutdown::{self, Signals};
use crate::simulator::{RESERVED, Simulator};
use crate::{app, telemetry};

/// Default address.
const LISTEN: &str = "127.0.0.1:8081";

/// Flags of `simulator`.
#[derive(Debug, clap::Args)]
#[command(after_help = reserved_cards())]
pub(super) struct Args {
    #[command(flatten)]
    config: ProviderFlags,
    /// Address and port to listen on; port 0 picks one.
    #[arg(long, value_name = "ADDR:PORT", default_value = LISTEN)]
    listen: String,
    /// Behavior for every request.
    #[arg(
        long,
        value_name = "BEHAVIOR",
        ignore_case = true,
        value_parser = clap::builder::PossibleValuesParser::new(SimulatorBehavior::VARIANTS.iter().copied().map(<&str>::from))
    )]
    behavior: Option<String>,
}

fn reserved_cards() -> String {
    let rows: Vec<_> = RESERVED.iter().map(|(card, _, words)| format!("  {card}  {words}")).collect();
    format!(
        "Example:\n  conax-gateway simulator --listen 127.0.0.1:8081 --behavior slow\n\n\
         Reserved card numbers, for a single request:\n{}",
        rows.join("\n")
    )
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let mut flags = vec![("simulator.listen", args.listen, "--listen")];
    flags.extend(args.behavior.map(|behavior| ("simulator.behavior", behavior, "--behavior")));
    shutdown::ignore_other_signals()?;
    let config = args.config.load(flags)?;
    let _log = telemetry::start(&config.log).map_err(|e| Failed(e.to_string()))?;
    let contract = app::load_contract(&config)?;
    let listener = TcpListener::bind(config.simulator.listen)
        .await
        .map_err(|e| Failed(startup::listen_fault("simulator.listen", config.simulator.listen, &e)))?;
    let base_url = format!("http://{}{}", listener.local_addr()?, contract.base_path());
    for service in contract.services() {
        tracing::info!("{base_url}{}?wsdl", service.path);
    }
    output::line(&format!("listening on {base_url}"));
    let mut signals = Signals::listen()?;
    let (trigger, shutdown) = shutdown::channel();
    let serving =
        tokio::spawn(Simulator::new(config.simulator, contract, Arc::new(SystemClock)).serve(listener, shutdown));
    signals.wait().await;
    trigger.set();
    serving.await.map_err(|e| Failed(e.to_string()))
}
