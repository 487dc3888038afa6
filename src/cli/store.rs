//! `store`: the tables of the store, and copying one into another.

use serde_json::json;

use super::Failed;
use super::output::{self, Progress, ResultFlag};
use super::settings::StoreFlags;
use crate::config::{StoreSection, StoreUrl};
use crate::store;

/// Rows after which a copy tells how far it is.
const TOLD_ROWS: u64 = 10_000;

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
    /// Copies all of a store into an empty one, while no gateway uses either. The copy is compared with what it is of, row by
    /// row.
    #[command(after_help = "Example:\n  conax-gateway store copy sqlite:/var/lib/conax-gateway \
                            postgres://conax-gateway@database.example/conax-gateway")]
    Copy {
        /// The store to copy: "sqlite:DIR" or "postgres://USER@HOST/DATABASE".
        from: String,
        /// The empty store to copy into, named in the same way.
        to: String,
        /// Goes on with a copy that was interrupted.
        #[arg(long)]
        resume: bool,
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
        Action::Copy { from, to, resume, result, store } => {
            let config = store.load()?.store;
            let [from, to] = [("FROM", from), ("TO", to)].map(|(name, url)| {
                let url = StoreUrl::parse(&url).map_err(|expected| Failed(format!("{name} must be {expected}")))?;
                Ok::<_, Failed>(StoreSection { url, ..config.clone() })
            });
            let (from, to) = (from?, to?);
            let tell = |table: &str, done: u64, total: u64| {
                if done == total || done.is_multiple_of(TOLD_ROWS) {
                    output::note(&format!("{table}: {done} of {total}"));
                }
            };
            store::copy(&from, &to, resume, tell).await?;
            let [from, to] = [&from, &to].map(|section| store::location(section).to_string());
            result.print(&format!("{to} has all that {from} has"), &json!({"from": from, "to": to}));
            Ok(())
        }
    }
}
