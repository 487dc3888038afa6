//! `user add | passwd | list | remove`. Passwords are read from standard input, never taken as an argument.

use serde_json::json;

use super::output::{FormatFlags, ResultFlag};
use super::settings::{StoreFlags, open_existing};
use super::{Failed, output};
use crate::account::{Role, SHORTEST_PASSWORD, Unit, User, hash_password, is_long_enough, is_usable};
use crate::request::random_hex;
use crate::secret::Secret;
use crate::store::{self, Access};
use crate::words::Word as _;

/// Flags of `user`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Adds a user; the password is read from standard input.
    Add(AddArgs),
    /// Gives a user another password, read from standard input; the user's tokens end.
    #[command(after_help = "Example:\n  conax-gateway user passwd crm")]
    Passwd {
        /// Name to sign in with.
        username: String,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Lists the users, with the ids of users and units.
    #[command(after_help = "Example:\n  conax-gateway user list --json")]
    List {
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Removes a user, with all tokens and keys.
    #[command(after_help = "Example:\n  conax-gateway user remove crm")]
    Remove {
        /// Name of the user.
        username: String,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  conax-gateway user add crm --role provision --unit-name \"Main Unit\"")]
struct AddArgs {
    /// Name to sign in with.
    username: String,
    /// Role, which says what the user may do.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Role::Provision)]
    role: Role,
    /// Full name.
    #[arg(long)]
    person_name: Option<String>,
    /// Email address.
    #[arg(long)]
    email: Option<String>,
    /// Id of the unit; generated if absent.
    #[arg(long)]
    unit_id: Option<String>,
    /// Name of the unit.
    #[arg(long, default_value = "Main Unit")]
    unit_name: String,
    /// Name of the unit's group.
    #[arg(long)]
    unit_group_name: Option<String>,
    /// Name of the unit's community.
    #[arg(long)]
    unit_community_name: Option<String>,
    /// Alternative code of the unit.
    #[arg(long)]
    unit_alternative_code: Option<String>,
    /// Description of the unit.
    #[arg(long)]
    unit_description: Option<String>,
    #[command(flatten)]
    result: ResultFlag,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::Add(args) => add(args).await,
        Action::List { format, store } => {
            let users = open_existing(&store.load()?).await?.list_users().await?;
            let row = |u: User| {
                let role = u.role.as_str();
                [
                    json!(u.username),
                    json!(role),
                    json!(u.unit.name),
                    json!(u.person_name),
                    json!(u.id),
                    json!(u.unit.id),
                ]
            };
            output::table(
                ["username", "role", "unit", "name", "id", "unit_id"],
                format.format(),
                users.into_iter().map(row),
            );
            Ok(())
        }
        Action::Passwd { username, result, store } => {
            let store = open_existing(&store.load()?).await?;
            match store.set_password(&username, hash_password(&read_password()?)).await? {
                true => {
                    result.print_or_note(None, &json!({"username": username, "password_changed": true}));
                    Ok(())
                }
                false => Err(Failed(format!("there is no user {username}"))),
            }
        }
        Action::Remove { username, result, store } => {
            match open_existing(&store.load()?).await?.remove_user(&username).await? {
                true => {
                    result.print_or_note(None, &json!({"username": username, "removed": true}));
                    Ok(())
                }
                false => Err(Failed(format!("there is no user {username}"))),
            }
        }
    }
}

async fn add(args: AddArgs) -> Result<(), Failed> {
    if !is_usable(&args.username) {
        return Err(Failed(
            "the user name must be of 1 to 256 characters, none of them a control character".to_owned(),
        ));
    }
    let password = read_password()?;
    let unit = Unit {
        id: args.unit_id.unwrap_or_else(random_hex),
        name: args.unit_name,
        group_name: args.unit_group_name,
        community_name: args.unit_community_name,
        alternative_code: args.unit_alternative_code,
        description: args.unit_description,
    };
    let user = User {
        id: random_hex(),
        username: args.username,
        person_name: args.person_name,
        email: args.email,
        role: args.role,
        unit,
    };
    let added = json!({"username": user.username, "id": user.id, "role": user.role.as_str(), "unit_id": user.unit.id});
    store::open(&args.store.load()?.store, Access::Command).await?.add_user(user, hash_password(&password)).await?;
    args.result.print_or_note(None, &added);
    Ok(())
}

/// The line on standard input.
fn read_password() -> Result<Secret, Failed> {
    let password = Secret::new(std::io::read_to_string(std::io::stdin())?);
    let password = Secret::new(password.expose().trim_end_matches(['\r', '\n']));
    if is_usable(password.expose()) && is_long_enough(password.expose()) {
        return Ok(password);
    }
    Err(Failed(format!(
        "the password, read from standard input, must be of {SHORTEST_PASSWORD} to 256 characters, none of them a control character"
    )))
}
