//! The first user of an empty store: named by environment variables, or made with a password of our own.
//!
//! Rule: that password reaches nothing that is kept by others. It is shown on a terminal; where standard error is none, and
//! so perhaps a journal, it is in a file that only the owner of the data folder reads, and the log names the file.

use std::env::VarError;
use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{Failed, output};
use crate::app;
use crate::config::BOOTSTRAP;
use crate::request::random_hex;
use crate::secret::Secret;
use crate::store::AccountStore;

/// The user that is made when none is named.
const FIRST_USER: &str = "admin";
/// File in the data folder with the password of that user.
const PASSWORD_FILE: &str = "first-password";

/// Makes the first user where there is none, and says how to sign in as it.
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
        app::make_first_user(store, FIRST_USER, &password).await?;
        output::note(&format!(
            "\nThe first user is made; the password is shown only now:\n\n\
             curl -s {url}/crmapi/rest/v2/authentication/token -H 'Content-Type: application/json' \\\n  \
             -d '{{\"username\":\"{FIRST_USER}\",\"password\":\"{}\",\"organisation\":\"demo\"}}'\n",
            password.expose()
        ));
        return Ok(());
    }
    let file = data_dir.join(PASSWORD_FILE);
    // Before the user is made: a user whose password nobody has would stay the first one.
    write(&file, password.expose()).map_err(|e| Failed(format!("{}: {e}", file.display())))?;
    app::make_first_user(store, FIRST_USER, &password).await?;
    let file = std::path::absolute(&file).unwrap_or(file);
    let file = file.display();
    tracing::warn!(user = FIRST_USER, %file, "the first user is made; its password is in the file: read it, and delete it");
    Ok(())
}

/// The user that the environment names, with its password.
pub(super) fn named() -> Result<Option<(String, Secret)>, String> {
    let [user, password] = BOOTSTRAP;
    match (std::env::var(user), std::env::var(password)) {
        (Ok(username), Ok(password)) if !username.is_empty() && !password.is_empty() => {
            Ok(Some((username, Secret::new(password))))
        }
        (Err(VarError::NotPresent), Err(VarError::NotPresent)) => Ok(None),
        _ => Err(format!("{user} and {password} go together, and must be texts that are not empty")),
    }
}

/// A new file that only its owner reads; one that a start before left behind is replaced, never written into.
fn write(file: &Path, password: &str) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(format!("{password}\n").as_bytes())?;
    new.sync_all()
}
