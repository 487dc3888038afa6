//! Creates the first user of an empty store: named by environment variables, or `admin` with a generated password.
//!
//! Rule: nobody but the owner reads the generated password. A terminal shows it. If standard error is no terminal, and
//! so perhaps a journal, the password goes into a file that only the owner of the data folder can read, and the log
//! names the file.

use std::env::VarError;
use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{Failed, output};
use crate::account::{SHORTEST_PASSWORD, is_long_enough};
use crate::app;
use crate::config::{BOOTSTRAP, read_secret_file};
use crate::request::random_hex;
use crate::secret::Secret;
use crate::store::AccountStore;

/// Name of the user when the environment names none.
const FIRST_USER: &str = "admin";
/// File in the data folder with the password of that user.
const PASSWORD_FILE: &str = "first-password";

/// Creates the first user of an empty store, and says how to sign in.
pub(super) async fn make(store: &dyn AccountStore, data_dir: &Path, url: &str) -> Result<(), Failed> {
    if let Some((username, password)) = named().map_err(Failed)? {
        app::make_first_user(store, &username, &password).await?;
        return Ok(());
    }
    if !store.list_users().await?.is_empty() {
        return Ok(());
    }
    let password = Secret::new(random_hex().to_lowercase());
    if std::io::stderr().is_terminal() {
        if !app::make_first_user(store, FIRST_USER, &password).await? {
            return Ok(());
        }
        output::note(&format!(
            "\nThe first user is made; the password is shown only now:\n\n\
             curl -s {url}/crmapi/rest/v2/authentication/token -H 'Content-Type: application/json' \\\n  \
             -d '{{\"username\":\"{FIRST_USER}\",\"password\":\"{}\",\"organisation\":\"demo\"}}'\n",
            password.expose()
        ));
        return Ok(());
    }
    let file = data_dir.join(PASSWORD_FILE);
    // The password is handed over before the user is created: a user whose password nobody has would remain the first.
    write(&file, password.expose()).map_err(|e| Failed(format!("{}: {e}", file.display())))?;
    if !app::make_first_user(store, FIRST_USER, &password).await? {
        return Ok(std::fs::remove_file(&file)?);
    }
    let file = std::path::absolute(&file).unwrap_or(file);
    let file = file.display();
    tracing::warn!(user = FIRST_USER, %file, "the first user is made; its password is in the file: read it, and delete it");
    Ok(())
}

/// The user that the environment names, with its password, which may be in a file.
pub(super) fn named() -> Result<Option<(String, Secret)>, String> {
    let [user, password, file] = BOOTSTRAP;
    let secret = match (variable(password)?, variable(file)?) {
        (Some(_), Some(_)) => return Err(format!("{file} is set beside {password}: remove one of them")),
        (Some(text), None) => Some(Secret::new(text)),
        (None, Some(path)) => Some(read_secret_file(file, Path::new(&path)).map_err(|fault| fault.to_string())?),
        (None, None) => None,
    };
    match (variable(user)?, secret) {
        (None, None) => Ok(None),
        (Some(username), Some(secret)) if !username.is_empty() && !secret.expose().is_empty() => {
            match is_long_enough(secret.expose()) {
                true => Ok(Some((username, secret))),
                false => Err(format!("{password} must be of {SHORTEST_PASSWORD} characters at least")),
            }
        }
        _ => Err(format!("{user} and {password} (or {file}) go together, and must be texts that are not empty")),
    }
}

fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name}: its value is not UTF-8")),
    }
}

/// Creates a file that only its owner can read; a file left by an earlier start is replaced, never written into.
fn write(file: &Path, password: &str) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(format!("{password}\n").as_bytes())?;
    new.sync_all()
}
