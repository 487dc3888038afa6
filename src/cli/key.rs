//! `key add | list | remove`: API keys. A key is printed once, when it is created.

use serde_json::{Value, json};

use super::output::{FormatFlags, ResultFlag};
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
    #[command(after_help = "Example:\n  conax-gateway key add crm --name \"CRM.COM production\"")]
    Add {
        /// User name that the key signs in as.
        username: String,
        /// Purpose of the key, for the list.
        #[arg(long, default_value = "key")]
        name: String,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Lists the keys by id; the keys themselves are not stored.
    #[command(after_help = "Example:\n  conax-gateway key list --json")]
    List {
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Revokes a key.
    #[command(after_help = "Example:\n  conax-gateway key remove 6C9F1DD1E45A9956C14CC263567BB836")]
    Remove {
        /// Id of the key, as `key list` shows it.
        id: String,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::Add { username, name, result, store } => {
            let secret = random_hex();
            let added = json!({"username": username, "name": name, "key": secret});
            let key = ApiKey { id: random_hex(), name, username: username.clone() };
            if !open_existing(&store.load()?).await?.add_key(key, hash_secret(&secret)).await? {
                return Err(Failed(format!("there is no user {username}")));
            }
            result.print(&secret, &added);
            Ok(())
        }
        Action::List { format, store } => {
            let keys = open_existing(&store.load()?).await?.list_keys().await?;
            let row = |key: ApiKey| [key.id, key.username, key.name].map(Value::from);
            output::table(["id", "username", "name"], format.format(), keys.into_iter().map(row));
            Ok(())
        }
        Action::Remove { id, result, store } => match open_existing(&store.load()?).await?.remove_key(&id).await? {
            true => {
                result.print_or_note(None, &json!({"id": id, "removed": true}));
                Ok(())
            }
            false => Err(Failed(format!("there is no key {id}"))),
        },
    }
}
