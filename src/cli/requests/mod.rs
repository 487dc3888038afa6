//! `requests list | tail | show | diff | again | retry | cancel | settle | note`: provisioning requests on the terminal,
//! a file for each action.

mod again;
mod decide;
mod decide_all;
mod device;
mod diff;
mod list;
mod note;
mod show;
mod tail;

use super::Failed;
use super::output::FormatFlags;
use super::settings::StoreFlags;

pub(super) use device::{bare, find_device};
pub(super) use note::{NoteFlags, note};
pub(super) use show::{Shown, print};

/// Flags of `requests`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists requests, newest first.
    List(list::Args),
    /// Prints requests as they are created and as they change, until interrupted.
    Tail(tail::Args),
    /// Shows a request: its state and the reason, its history, and both texts.
    Show(show::Args),
    /// Compares two requests: the columns of the list and, node by node, the SOAP requests and answers.
    #[command(after_help = "Example:\n  conax-gateway requests diff 4049 4050")]
    Diff {
        /// Number of the first request.
        first: i64,
        /// Number of the second request.
        second: i64,
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Creates a new request with the content of an ended one, and links the two.
    #[command(after_help = "Example:\n  conax-gateway requests again 4049 --reason \"the card was not there yet\"")]
    Again(decide::ManyArgs),
    /// Sends a request in doubt again, or one that could not be delivered, without waiting.
    #[command(
        after_help = "Examples:\n  conax-gateway requests retry 4049 --reason \"Conax is up again\"\n  conax-gateway requests retry --all-matching 'fault:CONNECT_FAILED' --reason \"Conax is up again\""
    )]
    Retry(decide::ManyArgs),
    /// Rejects a request that has not been sent yet.
    #[command(after_help = "Example:\n  conax-gateway requests cancel 4049 --reason \"the order was withdrawn\"")]
    Cancel(decide::ManyArgs),
    /// Writes something down in the history of a request, which stays as it is.
    #[command(after_help = "Example:\n  conax-gateway requests note 4049 \"ticket 815: asked the vendor\"")]
    Note(note::Args),
    /// Ends a request in doubt, after somebody has looked in Conax.
    #[command(after_help = "Example:\n  conax-gateway requests settle 4049 --as completed --reason \"seen in Conax\"")]
    Settle {
        /// The state in Conax: completed, or rejected if the request was not done.
        #[arg(long = "as", value_name = "completed|rejected", value_parser = ["completed", "rejected"], ignore_case = true)]
        found: String,
        /// Conax's transaction id, if known.
        #[arg(long)]
        reference: Option<String>,
        #[command(flatten)]
        decide: decide::Args,
    },
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::List(args) => list::run(args).await,
        Action::Tail(args) => tail::run(args).await,
        Action::Show(args) => show::run(args).await,
        Action::Diff { first, second, format, store } => diff::run(first, second, format, store).await,
        Action::Again(args) => again::run(args).await,
        Action::Retry(args) => decide::retry(args).await,
        Action::Cancel(args) => decide::cancel(args).await,
        Action::Note(args) => note::run(args).await,
        Action::Settle { found, reference, decide } => {
            decide::settle(decide, found.eq_ignore_ascii_case("completed"), reference).await
        }
    }
}
