//! `store`: the tables of the store.

use super::settings::StoreFlags;
use super::{Failed, output};
use crate::store;

/// Flags of `store`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes the tables, or brings them to the version of this program. A gateway does so when it starts; this is for a user
    /// of the database who may do more than the gateway's.
    Migrate(StoreFlags),
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::Migrate(flags) => {
            let config = flags.load()?;
            let (before, now) = store::migrate(&config.store).await?;
            let location = store::location(&config.store);
            output::line(&match before {
                None => format!("{location}: the tables are made, of version {now}"),
                Some(before) if before >= now => format!("{location}: the tables are of version {now} already"),
                Some(before) => format!("{location}: the tables of version {before} are of version {now} now"),
            });
            Ok(())
        }
    }
}
