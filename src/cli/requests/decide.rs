//! `requests retry | cancel | settle`: an operator's decision about a request. About many at once: `decide_all`.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;

use super::decide_all::decide_all;
use crate::cli::Failed;
use crate::cli::output::ResultFlag;
use crate::cli::settings::{StoreFlags, open_existing};
use crate::config::Config;
use crate::inspector::DecisionOfAll;
use crate::request::{Decision, InDoubt, Order, State};
use crate::store::Store;
use crate::words::Word as _;

/// An order about one request; a running gateway notices it within `processor.poll_s`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Number of the request.
    number: i64,
    #[command(flatten)]
    by: OrderFlags,
}

/// An order about one request, or about all that a filter finds.
#[derive(Debug, clap::Args)]
pub(super) struct ManyArgs {
    /// Number of the request.
    #[arg(required_unless_present = "all_matching")]
    number: Option<i64>,
    /// Decide about all requests that a filter of the inspector finds, up to 1000 at a time, after asking.
    #[arg(long, value_name = "FILTER", conflicts_with = "number", allow_hyphen_values = true)]
    all_matching: Option<String>,
    /// Do not ask.
    #[arg(long, requires = "all_matching")]
    yes: bool,
    #[command(flatten)]
    by: OrderFlags,
}

/// The reason of an order, the person, the store, and the form of the result.
#[derive(Debug, clap::Args)]
pub(super) struct OrderFlags {
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
    pub(super) reason: String,
    pub(super) user: String,
    pub(super) result: ResultFlag,
    pub(super) config: Config,
    pub(super) store: Arc<dyn Store>,
}

impl OrderFlags {
    pub(super) async fn check(self) -> Result<Checked, Failed> {
        let Self { reason, user, result, store } = self;
        if reason.trim().is_empty() || user.trim().is_empty() {
            return Err(Failed("--reason and --user must not be empty".to_owned()));
        }
        let config = store.load()?;
        let store = open_existing(&config).await?;
        Ok(Checked { reason, user, result, config, store })
    }
}

impl ManyArgs {
    /// About which one, or about all of which filter; and whether to ask before.
    pub(super) fn target(self) -> (Target, OrderFlags) {
        let Self { number, all_matching, yes, by } = self;
        match (number, all_matching) {
            (Some(number), _) => (Target::One(number), by),
            (None, filter) => (Target::All { filter: filter.unwrap_or_default(), is_asked: !yes }, by),
        }
    }
}

/// The requests that an order is about.
pub(super) enum Target {
    One(i64),
    All { filter: String, is_asked: bool },
}

pub(super) async fn retry(args: ManyArgs) -> Result<(), Failed> {
    match args.target() {
        (Target::One(number), by) => decide(number, by, Decision::Retry).await,
        (Target::All { filter, is_asked }, by) => decide_all(DecisionOfAll::Retry, &filter, is_asked, by).await,
    }
}

pub(super) async fn cancel(args: ManyArgs) -> Result<(), Failed> {
    match args.target() {
        (Target::One(number), by) => decide(number, by, Decision::Cancel).await,
        (Target::All { filter, is_asked }, by) => decide_all(DecisionOfAll::Cancel, &filter, is_asked, by).await,
    }
}

pub(super) async fn settle(args: Args, completed: bool, reference: Option<String>) -> Result<(), Failed> {
    decide(args.number, args.by, Decision::Resolve { completed, reference }).await
}

async fn decide(number: i64, by: OrderFlags, decision: Decision) -> Result<(), Failed> {
    let Checked { reason, user, result, config: _, store } = by.check().await?;
    let request = store.decide_request(number, Order { decision, user, reason, at: Utc::now() }).await?;
    let words = match request.state {
        State::Pending if request.in_doubt == Some(InDoubt::NeedsOperator) => {
            let part = request.current_part_number().map(|part| format!(": part {part}")).unwrap_or_default();
            format!("request {number} needs another decision{part}")
        }
        State::Pending => format!("request {number} is sent again as soon as a gateway runs"),
        state => format!("request {number} is {}", state.as_str()),
    };
    result.print(&words, &json!({"number": number, "life_cycle_state": request.state.as_str()}));
    Ok(())
}
