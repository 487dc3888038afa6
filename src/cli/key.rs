//! `key add | list | remove`: API keys. A key is printed once, when it is created.

use serde_json::Value;

use super::output::FormatFlags;
use super::settings::{StoreFlags, open_existing};
use super::{Failed, output};
use crate::account::{ApiKey, hash_secret};
use crate::request::random_hex;

/// Flags of `key`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Creates a key that signs in as a user, and prints it.
    Add {
        /// User name that the key signs in as.
        username: String,
        /// Purpose of the key, for the list.
        #[arg(long, default_value = "key")]
        name: String,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Lists the keys by id; the keys themselves are not stored.
    List {
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Revokes a key.
    Remove {
        /// Id of the key, as `key list` shows it.
        id: String,
        #[command(flatten)]
        store: StoreFlags,
    },
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::Add { username, name, store } => {
            let secret = random_hex();
            let key = ApiKey { id: random_hex(), name, username: username.clone() };
            if !open_existing(&store.load()?).await?.add_key(key, hash_secret(&secret)).await? {
                return Err(Failed(format!("there is no user {username}")));
            }
            output::line(&secret);
            Ok(())
        }
        Action::List { format, store } => {
            let keys = open_existing(&store.load()?).await?.list_keys().await?;
            let row = |key: ApiKey| [key.id, key.username, key.name].map(Value::from);
            output::table(["id", "username", "name"], format.format(), keys.into_iter().map(row));
            Ok(())
        }
        Action::Remove { id, store } => match open_existing(&store.load()?).await?.remove_key(&id).await? {
            true => Ok(()),
            false => Err(Failed(format!("there is no key {id}"))),
        },
    }
}
