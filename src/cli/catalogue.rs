//! `catalogue import | list`.

use std::path::PathBuf;

use serde_json::json;

use super::output::{FormatFlags, Progress, ResultFlag};
use super::settings::{StoreFlags, open_existing};
use super::{Failed, output};
use crate::catalogue::{Entry, EntryKind, read_csv};
use crate::store::{self, Access};
use crate::words::Word as _;

/// Flags of `catalogue`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Imports a CSV file with a heading line: all of it or nothing. Entries with the same id are replaced.
    ///
    /// Columns: id; code (services), serial_number (smartcards, stbs) or number (subscriptions); and, where they apply,
    /// alternative_code, ca_id, distribution_id.
    #[command(after_help = "Example:\n  conax-gateway catalogue import services services.csv")]
    Import {
        /// Kind of the entries.
        #[arg(ignore_case = true)]
        kind: EntryKind,
        /// The CSV file.
        file: PathBuf,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Lists the entries of a kind.
    #[command(after_help = "Example:\n  conax-gateway catalogue list smartcards --jsonl")]
    List {
        /// Kind of the entries.
        #[arg(ignore_case = true)]
        kind: EntryKind,
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::Import { kind, file, result, store } => {
            let shown = file.display();
            let input = std::fs::File::open(&file).map_err(|e| Failed(format!("{shown}: {e}")))?;
            let bytes = input.metadata().map_or(0, |metadata| metadata.len());
            let progress = Progress::of_bytes("reading", bytes);
            let entries = read_csv(kind, progress.reading(input)).map_err(|e| Failed(format!("{shown}: {e}")))?;
            drop(progress);
            let count = entries.len();
            let store = store::open(&store.load()?.store, Access::Command).await?;
            let progress = Progress::endless(format!("importing {count} {}", kind.as_str()));
            store.import_entries(kind, entries).await?;
            drop(progress);
            result.print(
                &format!("{count} {} imported", kind.as_str()),
                &json!({"kind": kind.as_str(), "imported": count}),
            );
            Ok(())
        }
        Action::List { kind, format, store } => {
            let entries = open_existing(&store.load()?).await?.list_entries(kind).await?;
            let row = |e: Entry| {
                [json!(e.id), json!(e.name), json!(e.alternative_code), json!(e.ca_id), json!(e.distribution_id)]
            };
            let columns = ["id", kind.name_field(), "alternative_code", "ca_id", "distribution_id"];
            output::table(columns, format.format(), entries.into_iter().map(row));
            Ok(())
        }
    }
}
