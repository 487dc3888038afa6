//! Tells if a folder can be written into, without writing.

use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{Access, access};

/// Makes sure that files can be made in a folder, or the folder itself in the nearest one above it that exists.
///
/// # Errors
/// Why not, and what to do.
pub(crate) fn check_writable(folder: &Path) -> Result<(), String> {
    let mut nearest = folder;
    let found = loop {
        match std::fs::metadata(nearest) {
            Err(error) if error.kind() == ErrorKind::NotFound && nearest.is_symlink() => {
                return Err(format!("{} is a link that leads nowhere: name another folder", nearest.display()));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                nearest = nearest.parent().unwrap_or(Path::new("/"));
                if nearest.as_os_str().is_empty() {
                    nearest = Path::new(".");
                }
            }
            found => break found,
        }
    };
    let shown = nearest.display();
    match found {
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(format!("a part of {shown} is a file and no folder: name another folder"))
        }
        Err(error) => Err(format!("{shown}: {error}")),
        Ok(found) if !found.is_dir() => Err(format!("{shown} is a file and no folder: name another folder")),
        Ok(_) => access(nearest, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
            format!("{shown} cannot be written into ({error}): give its owner the right, or name another folder")
        }),
    }
}
