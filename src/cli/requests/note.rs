//! `requests note`: something written down in the history of a request, which changes nothing of it.

use chrono::Utc;
use serde_json::json;

use crate::cli::Failed;
use crate::cli::output::ResultFlag;
use crate::cli::settings::{StoreFlags, open_existing};
use crate::request::{Decision, Order};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Number of the request.
    number: i64,
    #[command(flatten)]
    words: NoteFlags,
    #[command(flatten)]
    result: ResultFlag,
    #[command(flatten)]
    store: StoreFlags,
}

/// A note, and who writes it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct NoteFlags {
    /// The words.
    text: String,
    /// Person who writes it.
    #[arg(long, env = "USER", hide_env_values = true)]
    user: String,
}

impl NoteFlags {
    /// The author and the words of the note.
    pub(in crate::cli) fn check(self) -> Result<(String, String), Failed> {
        let Self { text, user } = self;
        match text.trim().is_empty() || user.trim().is_empty() {
            true => Err(Failed("the words and --user must not be empty".to_owned())),
            false => Ok((user, text)),
        }
    }
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let (user, text) = args.words.check()?;
    let store = open_existing(&args.store.load()?).await?;
    note(store.as_ref(), args.number, user, text, args.result).await
}

/// Writes it into the history.
pub(in crate::cli) async fn note(
    store: &dyn Store,
    number: i64,
    user: String,
    reason: String,
    result: ResultFlag,
) -> Result<(), Failed> {
    let order = Order { decision: Decision::Note, user, reason, at: Utc::now() };
    let request = store.decide_request(number, order).await?;
    result.print(&format!("written down about request {number}"), &json!({"number": request.number}));
    Ok(())
}
