//! `backup FILE` and `restore FILE`: a copy of the database, made while the gateway runs, and the way back.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Failed;
use super::output::ResultFlag;
use super::settings::{StoreFlags, open_existing};
use crate::store;

/// Flags of `backup` and `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File with the copy.
    file: PathBuf,
    #[command(flatten)]
    result: ResultFlag,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn backup(args: Args) -> Result<(), Failed> {
    open_existing(&args.store.load()?).await?.backup(&args.file).await?;
    let file = shown(&args.file);
    let words = format!("{file}: the copy is whole and checked; it holds everything that the database does");
    args.result.print_or_note(Some(&words), &json!({"file": file}));
    Ok(())
}

/// Only while no gateway runs: what the database had until now is kept beside it.
pub(super) async fn restore(args: Args) -> Result<(), Failed> {
    let config = args.store.load()?;
    let (file, to) = (args.file.clone(), config.store.clone());
    let restored = tokio::task::spawn_blocking(move || store::restore(&to, &file)).await;
    let aside = restored.map_err(|error| Failed(error.to_string()))??;
    let (file, aside, into) = (shown(&args.file), aside.as_deref().map(shown), store::location(&config.store));
    let before =
        aside.iter().map(|aside| format!("what was there until now is in {aside}: delete it when all is well\n"));
    let words = before.chain([format!("{file} is restored into {into}")]).collect::<String>();
    args.result
        .print_or_note(Some(&words), &json!({"file": file, "restored_into": into.to_string(), "kept_aside": aside}));
    Ok(())
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
