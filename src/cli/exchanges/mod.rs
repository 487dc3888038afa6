//! `exchanges list | show | note | export | tail`: raw SOAP traffic on the terminal, both passed through and sent for
//! requests. The commands run beside the gateway; but for notes they only read the store.

mod list;
mod show;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use serde_json::json;

use super::output::{Format, FormatFlags, LinesFlag, ResultFlag};
use super::settings::{StoreFlags, contracts_of, open_existing, with_secrets};
use super::{Failed, output, requests};
use crate::api::Dates;
use crate::config::Config;
use crate::contract::Contract;
use crate::exchange::Note;
use crate::inspector::{Exporter, Found};
use crate::store::Store;

/// Flags of `exchanges`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists exchanges passed through and attempts sent, newest first.
    #[command(after_help = "Example:\n  conax-gateway exchanges list --card 01450253313")]
    List {
        /// Most lines to print.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=list::MOST))]
        limit: u64,
        /// Only exchanges with this smartcard, and attempts at requests that touch it.
        #[arg(long, value_name = "CA_ID")]
        card: Option<String>,
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Shows both raw texts of an exchange, or of every attempt at a request.
    #[command(after_help = "Example:\n  conax-gateway exchanges show 4049")]
    Show {
        /// Id of an exchange, or number of a request.
        id: String,
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Writes something down about an exchange, or about a request; it is shown with it from then on.
    #[command(after_help = "Example:\n  conax-gateway exchanges note 4049 \"ticket 815: asked the vendor\"")]
    Note {
        /// Id of an exchange, or number of a request.
        id: String,
        #[command(flatten)]
        words: requests::NoteFlags,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Adds an exchange to a folder of fixtures, redacted; a request with every attempt that was sent.
    #[command(after_help = "Example:\n  conax-gateway exchanges export 4049 incident")]
    Export {
        /// Id of an exchange, or number of a request.
        id: String,
        /// The folder; created if absent.
        dir: PathBuf,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Prints new exchanges as they come, until interrupted.
    #[command(after_help = "Example:\n  conax-gateway exchanges tail --jsonl")]
    Tail {
        /// Only attempts at requests that touch this smartcard.
        #[arg(long, value_name = "CA_ID")]
        card: Option<String>,
        #[command(flatten)]
        format: LinesFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::List { limit, card, format, store } => list::list(limit, card, format.format(), store).await,
        Action::Show { id, format, store } => show(&id, format.format(), store).await,
        Action::Note { id, words, result, store } => note(&id, words, result, store).await,
        Action::Export { id, dir, result, store } => export(&id, &dir, result, store).await,
        Action::Tail { card, format, store } => list::tail(card, format.format(), store).await,
    }
}

async fn find(store: &dyn Store, id: &str) -> Result<Found, Failed> {
    Found::find(store, id).await?.ok_or_else(|| Failed(format!("there is no exchange or request {id}")))
}

async fn show(id: &str, format: Format, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    match find(store.as_ref(), id).await? {
        Found::Exchange(exchange) => match format {
            Format::Text => show::print(&exchange, &store.list_notes(exchange.number).await?, dates),
            Format::Json | Format::JsonLines => {
                output::json(&show::to_json(&exchange, &store.list_notes(exchange.number).await?, dates), format);
            }
        },
        Found::Request(request) => {
            requests::print(&requests::Shown::read(store.as_ref(), *request).await?, dates, format);
        }
    }
    Ok(())
}

async fn export(id: &str, dir: &Path, result: ResultFlag, store: StoreFlags) -> Result<(), Failed> {
    let config = with_secrets(store.load()?)?;
    let store = open_existing(&config).await?;
    let found = find(store.as_ref(), id).await?;
    let (config, contract) = provider_of(&found, contracts_of(&config)?)?;
    let exporter = Exporter { config: Arc::new(config), contract, store };
    let labels = exporter.add_to_folder(found, dir).await.map_err(|fault| Failed(fault.to_string()))?;
    let cases: Vec<_> = labels.iter().map(|label| dir.join(label).display().to_string()).collect();
    result.print_lines(&cases, &json!({"cases": cases}));
    if labels.is_empty() {
        output::note("nothing new: it was not sent, or the folder has it already");
    }
    Ok(())
}

/// The provider whose traffic it is; the first one's, if that is not known.
fn provider_of(found: &Found, contracts: Vec<(Config, Arc<Contract>)>) -> Result<(Config, Arc<Contract>), Failed> {
    let is_whose = |contract: &Contract| match found {
        Found::Request(request) => contract.operation(request.content.request_type).is_some(),
        Found::Exchange(exchange) => {
            let rest = exchange.path.strip_prefix(contract.base_path());
            rest.is_some_and(|rest| rest.starts_with('/'))
        }
    };
    let index = contracts.iter().position(|(_, contract)| is_whose(contract)).unwrap_or_default();
    contracts.into_iter().nth(index).ok_or_else(|| Failed("there is no contract".to_owned()))
}

async fn note(id: &str, words: requests::NoteFlags, result: ResultFlag, store: StoreFlags) -> Result<(), Failed> {
    let (user, text) = words.check()?;
    let store = open_existing(&store.load()?).await?;
    match find(store.as_ref(), id).await? {
        Found::Request(request) => requests::note(store.as_ref(), request.number, user, text, result).await,
        Found::Exchange(exchange) => {
            let note = Note { at: Utc::now(), user, text };
            if !store.add_note(&exchange.id, note).await? {
                return Err(Failed(format!("exchange {id} has been deleted meanwhile")));
            }
            result.print(&format!("written down about exchange {id}"), &json!({"id": exchange.id}));
            Ok(())
        }
    }
}
