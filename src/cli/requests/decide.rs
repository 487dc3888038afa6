//! `requests retry | cancel | settle`: an operator's decision about a request.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;

use crate::cli::Failed;
use crate::cli::output::ResultFlag;
use crate::cli::settings::{StoreFlags, open_existing};
use crate::config::Config;
use crate::request::{Decision, Order, State};
use crate::store::Store;
use crate::words::Word as _;

/// An order about one request; a running gateway notices it within `processor.poll_s`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Number of the request.
    number: i64,
    /// Reason, for the request's history.
    #[arg(long)]
    reason: String,
    /// Person who orders it, for the request's history.
    #[arg(long, env = "USER", hide_env_values = true)]
    user: String,
    #[command(flatten)]
    result: ResultFlag,
    #[command(flatten)]
    store: StoreFlags,
}

/// A checked order, with reason and name, and the store to carry it out in.
pub(super) struct Checked {
    pub(super) number: i64,
    pub(super) reason: String,
    pub(super) user: String,
    pub(super) result: ResultFlag,
    pub(super) config: Config,
    pub(super) store: Arc<dyn Store>,
}

impl Args {
    pub(super) async fn check(self) -> Result<Checked, Failed> {
        let Self { number, reason, user, result, store } = self;
        if reason.trim().is_empty() || user.trim().is_empty() {
            return Err(Failed("--reason and --user must not be empty".to_owned()));
        }
        let config = store.load()?;
        let store = open_existing(&config).await?;
        Ok(Checked { number, reason, user, result, config, store })
    }
}

pub(super) async fn retry(args: Args) -> Result<(), Failed> {
    decide(args, Decision::Retry).await
}

pub(super) async fn cancel(args: Args) -> Result<(), Failed> {
    decide(args, Decision::Cancel).await
}

pub(super) async fn settle(args: Args, completed: bool, reference: Option<String>) -> Result<(), Failed> {
    decide(args, Decision::Resolve { completed, reference }).await
}

async fn decide(args: Args, decision: Decision) -> Result<(), Failed> {
    let Checked { number, reason, user, result, config: _, store } = args.check().await?;
    let request = store.decide_request(number, Order { decision, user, reason, at: Utc::now() }).await?;
    let words = match request.state {
        State::Pending => format!("request {number} is sent again as soon as a gateway runs"),
        state => format!("request {number} is {}", state.as_str()),
    };
    result.print(&words, &json!({"number": number, "life_cycle_state": request.state.as_str()}));
    Ok(())
}
