//! The key of the pseudonyms: a file of its own, made once, outside of every folder that is given away.

use std::fs::DirBuilder;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use tempfile::NamedTempFile;

use crate::config::user_folder;
use crate::writable::check_writable;

/// The key's file below the user's configuration, if no setting names a file.
const FILE: &str = "conax-gateway/redaction.key";
/// Bytes of a key; the file, readable by its owner only, has them in hexadecimal.
const BYTES: usize = 32;

/// The fault that left the gateway without a key.
#[derive(Debug, thiserror::Error)]
#[error("fixtures.key_file {}: {message}", file.display())]
pub struct KeyFault {
    file: PathBuf,
    message: String,
}

/// Reads the key from the named file, else from the user's configuration folder, else from `data_dir`; makes a key if
/// there is none.
///
/// # Errors
/// The file cannot be read or made, or holds no key.
pub fn load_key(file: Option<&Path>, data_dir: &Path) -> Result<[u8; BYTES], KeyFault> {
    let file = key_path(file, data_dir);
    read_or_make_key(&file).map_err(|message| KeyFault { file, message })
}

/// The key that [`load_key`] reads, if there is one.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub fn find_key(file: Option<&Path>, data_dir: &Path) -> Result<Option<[u8; BYTES]>, KeyFault> {
    let file = key_path(file, data_dir);
    if !file.exists() {
        return Ok(None);
    }
    read_key(&file).map(Some).map_err(|message| KeyFault { file, message })
}

/// Makes sure that [`load_key`] would find a key or could make one.
///
/// # Errors
/// As [`load_key`].
pub fn check_key(file: Option<&Path>, data_dir: &Path) -> Result<(), KeyFault> {
    if find_key(file, data_dir)?.is_some() {
        return Ok(());
    }
    let file = key_path(file, data_dir);
    check_writable(file.parent().unwrap_or(Path::new("."))).map_err(|message| KeyFault { file, message })
}

fn key_path(file: Option<&Path>, data_dir: &Path) -> PathBuf {
    match file {
        Some(file) => file.to_owned(),
        None => user_folder().unwrap_or_else(|| data_dir.to_owned()).join(FILE),
    }
}

fn read_or_make_key(file: &Path) -> Result<[u8; BYTES], String> {
    let words = |e: std::io::Error| e.to_string();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !file.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(words)?;
        let key: [u8; BYTES] = rand::rng().random();
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        // The file appears whole or not at all, and never replaces a key that another process has just made.
        let mut new = NamedTempFile::new_in(folder).map_err(words)?;
        new.write_all(format!("{hex}\n").as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(words)?;
        match new.persist_noclobber(file) {
            Err(fault) if fault.error.kind() != ErrorKind::AlreadyExists => return Err(fault.error.to_string()),
            Ok(_) | Err(_) => {}
        }
    }
    read_key(file)
}

fn read_key(file: &Path) -> Result<[u8; BYTES], String> {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    parse(text.trim()).ok_or_else(|| format!("does not hold {} hexadecimal digits", 2 * BYTES))
}

fn parse(hex: &str) -> Option<[u8; BYTES]> {
    let mut key = [0; BYTES];
    let digits = Some(hex).filter(|hex| hex.len() == 2 * BYTES && hex.is_ascii())?;
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}
