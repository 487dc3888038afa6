//! The configuration file, if no flag or variable names it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The variable that names the file. Empty, there is none.
pub(super) const VARIABLE: &str = "CONAX_GATEWAY_CONFIG";
/// The file's name in the folder where the program is started.
const HERE: &str = "conax-gateway.toml";
/// The file below a user's folder of configurations.
const BELOW: &str = "conax-gateway/gateway.toml";
/// The machine's folder of configurations.
const SYSTEM: &str = "/etc";

/// The file that counts: the one that is named, by flag or variable; else the first that there is, here, among the user's
/// configurations, or among the machine's.
pub fn find_file(flag: Option<PathBuf>) -> Option<PathBuf> {
    match (flag, std::env::var_os(VARIABLE)) {
        (Some(named), _) => Some(named),
        (None, Some(named)) => Some(PathBuf::from(named)).filter(|named| !named.as_os_str().is_empty()),
        (None, None) => candidates().into_iter().find(|file| is_there(file)),
    }
}

/// Is there such a file? One that cannot be examined counts as found: reading reports the reason. But a command that root
/// starts as another user has root's folder and home, which are closed to that user and hold nothing for the command.
fn is_there(file: &Path) -> bool {
    match file.try_exists() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => file.starts_with(SYSTEM),
        found => found.unwrap_or(true),
    }
}

/// Does the variable say that there is no file?
pub fn is_switched_off() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|named| named.is_empty())
}

/// The places that are looked at, in this order.
pub fn candidates() -> Vec<PathBuf> {
    let below = |folder: PathBuf| folder.join(BELOW);
    [Some(PathBuf::from(HERE)), user_folder().map(below), Some(below(PathBuf::from(SYSTEM)))]
        .into_iter()
        .flatten()
        .collect()
}

/// The folder of the user's configurations, by the XDG Base Directory Specification.
pub fn user_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(is_absolute).map(PathBuf::from);
    folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))
}

fn is_absolute(folder: &OsString) -> bool {
    Path::new(folder).is_absolute()
}
