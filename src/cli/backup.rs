//! `backup FILE` and `restore FILE`: a copy of the database, made while the gateway runs, and the way back.

use std::path::{Path, PathBuf};

use super::settings::{StoreFlags, open_existing};
use super::{Failed, output};
use crate::store;

/// Flags of `backup` and `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File with the copy.
    file: PathBuf,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn backup(args: Args) -> Result<(), Failed> {
    open_existing(&args.store.load()?).await?.backup(&args.file).await?;
    output::note(&format!(
        "{}: the copy is whole and checked; it holds everything that the database does",
        shown(&args.file)
    ));
    Ok(())
}

/// Only while no gateway runs: what the database had until now is kept beside it.
pub(super) async fn restore(args: Args) -> Result<(), Failed> {
    let config = args.store.load()?;
    let (file, to) = (args.file.clone(), config.store.clone());
    let restored = tokio::task::spawn_blocking(move || store::restore(&to, &file)).await;
    let aside = restored.map_err(|error| Failed(error.to_string()))??;
    if let Some(aside) = aside {
        output::note(&format!("what was there until now is in {}: delete it when all is well", shown(&aside)));
    }
    output::note(&format!("{} is restored into {}", shown(&args.file), store::location(&config.store)));
    Ok(())
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
