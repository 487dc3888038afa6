//! `requests again`: submits the content of a request that has ended once more.

use std::sync::Arc;

use crate::api::{Api, again};
use crate::app::load_contract;
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::observer::{ObservedTransport, Observers};
use crate::store::{Resubmission, Store};
use crate::transport;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The number of the request that has ended.
    number: i64,
    /// Why; the histories of both requests keep it.
    #[arg(long)]
    reason: String,
    /// Who orders it; it is kept as well.
    #[arg(long, env = "USER", hide_env_values = true)]
    user: String,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let Args { number, reason, user, store } = args;
    if reason.trim().is_empty() || user.trim().is_empty() {
        return Err(Failed("--reason and --user must not be empty".to_owned()));
    }
    let config = store.load()?;
    let store = open_existing(&config)?;
    let api = api_beside(config, store)?;
    let submitted = again::call(&api, Resubmission { of: number, user, reason }).await;
    let request = submitted.map_err(|error| Failed(error.message))?;
    output::line(&format!("request {} is sent as soon as a gateway runs", request.number));
    Ok(())
}

/// The methods, beside a gateway: what they accept is on disk, and the gateway sends it.
fn api_beside(mut config: Config, store: Arc<dyn Store>) -> Result<Api, Failed> {
    config.upstream.effective = false;
    let contract = load_contract(&config)?;
    let transport = ObservedTransport::new(Arc::new(transport::live(&[], &config.upstream)?), Observers::default());
    Ok(Api::new(&config, store, contract, transport, Arc::new(SystemClock)))
}
