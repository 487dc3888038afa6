//! `requests again`: submits the content of an ended request as a new request; or of all that a filter finds.

use std::sync::Arc;

use serde_json::json;

use super::decide::{Checked, ManyArgs, Target};
use super::decide_all::decide_all;
use crate::api::{Api, resubmit};
use crate::cli::Failed;
use crate::cli::settings::contracts_of;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::contract::Contract;
use crate::inspector::DecisionOfAll;
use crate::observer::{ObservedTransport, Observers};
use crate::provider::Providers;
use crate::store::{Resubmission, Store};
use crate::transport;

pub(super) async fn run(args: ManyArgs) -> Result<(), Failed> {
    let (number, by) = match args.target() {
        (Target::One(number), by) => (number, by),
        (Target::All { filter, is_asked }, by) => {
            return decide_all(DecisionOfAll::Again, &filter, is_asked, by).await;
        }
    };
    let Checked { reason, user, result, config, store } = by.check().await?;
    let api = api_beside(config, store)?;
    let submitted = resubmit::call(&api, Resubmission { of: number, user, reason }).await;
    let request = submitted.map_err(|error| Failed(error.private.unwrap_or(error.message)))?;
    let words = format!("request {} is sent as soon as a gateway runs", request.number);
    result.print(&words, &json!({"number": request.number, "again": number}));
    Ok(())
}

/// The API for use beside a gateway: it writes requests to the store, and the running gateway sends them.
pub(super) fn api_beside(config: Config, store: Arc<dyn Store>) -> Result<Api, Failed> {
    let silent = |(mut config, contract): (Config, Arc<Contract>)| {
        config.upstream.effective = false;
        let transport = ObservedTransport::new(Arc::new(transport::nowhere(&config.upstream)), Observers::default());
        (config, contract, transport)
    };
    let providers = Providers::new(contracts_of(&config)?.into_iter().map(silent).collect());
    Ok(Api::new(&config, store, providers, Arc::new(SystemClock)))
}
