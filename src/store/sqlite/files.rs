//! The files of the database, by name and by inode.
//!
//! Rule: data written into a file that was removed or replaced is lost when the gateway stops. So a commit counts only
//! while each name still leads to the file that was opened.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::lock;
use crate::store::StoreError;

/// The suffixes of the files that SQLite keeps beside a database in WAL mode.
pub(super) const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// The files that were opened.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<(PathBuf, Identity)>);

/// The name of the database, or of a file beside it.
pub(super) fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The identity of a file: device and inode.
type Identity = (u64, u64);

impl Files {
    /// The files that the names of an open database lead to now.
    pub(super) fn of(database: &Path) -> Result<Self, StoreError> {
        let names = SUFFIXES.map(|suffix| with_suffix(database, suffix));
        let found = names.into_iter().map(|name| {
            let identity = identity(&name).map_err(|e| StoreError::Unavailable(format!("{}: {e}", name.display())))?;
            Ok((name, identity))
        });
        Ok(Self(found.collect::<Result<_, StoreError>>()?))
    }

    /// Makes sure that each name still leads to its file.
    ///
    /// # Errors
    /// The first name that leads to another file or none, with the remedy.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (name, opened) in &self.0 {
            let change = match identity(name) {
                Ok(found) if found == *opened => continue,
                Ok(_) => "was replaced".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "was removed".to_owned(),
                Err(error) => format!("cannot be seen: {error}"),
            };
            return Err(StoreError::Unavailable(format!(
                "{} {change} while the gateway has it open; nothing more is accepted: put the file back, or copy it from \
                 /proc/{}/fd before the gateway is stopped",
                name.display(),
                std::process::id(),
            )));
        }
        Ok(())
    }
}

fn identity(name: &Path) -> std::io::Result<Identity> {
    let found = std::fs::metadata(name)?;
    Ok((found.dev(), found.ino()))
}

/// Locks the data folder and the database in it against another gateway. The locks hold the inodes, so that a removed
/// file or another name (a link, a bind mount) does not let a second gateway in. To be dropped after every connection:
/// closing a file that SQLite has open, too, would release SQLite's own locks (fcntl(2)).
pub(super) fn lock(database: &Path) -> Result<[File; 2], StoreError> {
    let folder = database.parent().unwrap_or(Path::new("."));
    let held = |path: &Path| {
        let held = File::open(path).and_then(|file| lock::hold(file, "another conax-gateway is running here"));
        held.map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))
    };
    Ok([held(folder)?, held(database)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("d");
        let write = |name: &str| std::fs::write(folder.path().join(name), name).unwrap();
        write("d");
        write("d-wal");
        let message = |files: &Files| files.check().unwrap_err().to_string();
        assert!(Files::of(&database).unwrap_err().to_string().contains("d-shm"));
        write("d-shm");
        let files = Files::of(&database).unwrap();
        assert!(files.check().is_ok());
        let (wal, aside) = (folder.path().join("d-wal"), folder.path().join("aside"));
        std::fs::rename(&wal, &aside).unwrap();
        assert!(message(&files).contains("d-wal was removed"), "{}", message(&files));
        write("d-wal");
        assert!(message(&files).contains("d-wal was replaced"), "{}", message(&files));
        std::fs::rename(&aside, &wal).unwrap();
        assert!(files.check().is_ok(), "it is back");
    }

    #[test]
    fn another_name_is_no_other_database() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, link) = (one.path().join("d"), other.path().join("d"));
        std::fs::write(&file, "").unwrap();
        std::fs::hard_link(&file, &link).unwrap();
        let locks = lock(&file).unwrap();
        for name in [&file, &link] {
            let refused = lock(name).unwrap_err().to_string();
            assert!(refused.contains("another conax-gateway is running here"), "{refused}");
        }
        drop(locks);
        assert!(lock(&link).is_ok());
    }
}
