//! Locks that processes hold against each other: on an open file or folder, and gone with the process whatever ends it.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Result};

/// Holds a lock on a file or folder for as long as it stays open; nothing is written for that.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] in the words of `taken` if another process has it; else what the file system says.
pub fn hold(file: File, taken: &'static str) -> Result<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::WouldBlock, taken)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
