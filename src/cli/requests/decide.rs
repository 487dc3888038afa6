//! `requests retry | cancel | settle`: what an operator decides about one request.

use chrono::Utc;

use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::request::{Decision, Order, State};
use crate::words::Word as _;

/// A decision about one request; a running gateway sees it within `processor.poll_s`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its number.
    number: i64,
    /// Why; it is kept in the request's history.
    #[arg(long)]
    reason: String,
    /// Who decides; it is kept as well.
    #[arg(long, env = "USER", hide_env_values = true)]
    user: String,
    #[command(flatten)]
    store: StoreFlags,
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
    let Args { number, reason, user, store } = args;
    if reason.trim().is_empty() || user.trim().is_empty() {
        return Err(Failed("--reason and --user must not be empty".to_owned()));
    }
    let config = store.load()?;
    let order = Order { decision, user, reason, at: Utc::now() };
    let request = open_existing(&config)?.decide_request(number, order).await?;
    output::line(&match request.state {
        State::Pending => format!("request {number} is sent again as soon as a gateway runs"),
        state => format!("request {number} is {}", state.as_str()),
    });
    Ok(())
}
