//! `store`: the tables of the store.

use serde_json::json;

use super::Failed;
use super::output::{Progress, ResultFlag};
use super::settings::StoreFlags;
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
    #[command(after_help = "Example:\n  conax-gateway store migrate --config /etc/conax-gateway/gateway.toml")]
    Migrate {
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::Migrate { result, store: flags } => {
            let config = flags.load()?;
            let progress = Progress::endless("migrating");
            let (before, now) = store::migrate(&config.store).await?;
            drop(progress);
            let location = store::location(&config.store);
            let words = match before {
                None => format!("{location}: the tables are made, of version {now}"),
                Some(before) if before >= now => format!("{location}: the tables are of version {now} already"),
                Some(before) => format!("{location}: the tables of version {before} are of version {now} now"),
            };
            let value = json!({"store": location.to_string(), "version_before": before, "version": now});
            result.print(&words, &value);
            Ok(())
        }
    }
}
