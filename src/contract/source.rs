//! The source of a contract's files: the files embedded in the program, or a folder. Nothing outside the folder is read,
//! whatever a file refers to.

use std::path::PathBuf;

use encoding_rs::{Encoding, UTF_8};
use include_dir::{Dir, include_dir};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/wsdl");

/// The source of a contract's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContractSource {
    /// The reconstruction that comes with the program.
    Embedded,
    /// A folder with the operator's own files.
    Folder(PathBuf),
}

impl ContractSource {
    /// The text of a file, decoded.
    ///
    /// # Errors
    /// The reason why the file cannot be read, as a clause.
    pub(super) fn read_file(&self, name: &str) -> Result<String, String> {
        match self {
            Self::Embedded => match EMBEDDED.get_file(name) {
                Some(file) => decode(file.contents()),
                None => Err("there is no such file".to_owned()),
            },
            Self::Folder(folder) => {
                let bytes = std::fs::read(folder.join(name)).map_err(|e| format!("cannot be read: {e}"))?;
                decode(&bytes)
            }
        }
    }
}

/// Decodes by byte order mark, else by XML declaration, else as UTF-8. The text that comes out says UTF-8, as which it
/// will be served.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let declared = declared_encoding(bytes);
    let encoding = match declared {
        Some(label) => Encoding::for_label(label.as_bytes()).ok_or(format!("encoding '{label}' is not supported"))?,
        None => UTF_8,
    };
    let (text, used, malformed) = encoding.decode(bytes);
    if malformed {
        return Err(format!("is not valid {}", used.name()));
    }
    Ok(match declared {
        Some(label) if encoding != UTF_8 => text.replacen(label, "UTF-8", 1),
        _ => text.into_owned(),
    })
}

/// The encoding named by an XML declaration in ASCII.
fn declared_encoding(bytes: &[u8]) -> Option<&str> {
    let declaration = bytes.strip_prefix(b"<?xml")?.get(..100.min(bytes.len() - 5))?;
    let end = declaration.iter().position(|b| *b == b'>')?;
    let text = std::str::from_utf8(declaration.get(..end)?).ok()?;
    let value = text.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next()?;
    value.get(1..)?.split_once(quote).map(|(label, _)| label)
}

/// The file that a document means by a location, relative to the contract's folder.
///
/// # Errors
/// The reason why such a file is not read, as a clause.
pub(super) fn resolve(document: &str, location: &str) -> Result<String, String> {
    if location.contains(':') {
        return Err("is an absolute address: [locations] has to name the file that stands for it".to_owned());
    }
    let mut path: Vec<&str> = document.split('/').collect();
    path.pop();
    let outside = || "is outside the contract's folder: [locations] can name the file that stands for it".to_owned();
    if location.starts_with(['/', '\\']) {
        return Err(outside());
    }
    for step in location.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                path.pop().ok_or_else(outside)?;
            }
            step => path.push(step),
        }
    }
    Ok(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_by_mark_declaration_or_default() {
        let utf16: Vec<u8> = "\u{FEFF}<é/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16).unwrap(), "<é/>");
        assert_eq!(decode("<é/>".as_bytes()).unwrap(), "<é/>");
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><\xE9/>";
        assert_eq!(decode(latin).unwrap(), "<?xml version='1.0' encoding='UTF-8'?><é/>");
        assert!(decode(b"<\xE9/>").unwrap_err().contains("UTF-8"));
        assert!(decode(b"<?xml version='1.0' encoding='x-none'?><a/>").unwrap_err().contains("x-none"));
        assert!(decode(b"<?xml").is_ok());
    }

    #[test]
    fn resolves_inside_the_folder_only() {
        assert_eq!(resolve("a/b.wsdl", "../c/./d.xsd").unwrap(), "c/d.xsd");
        assert_eq!(resolve("b.wsdl", "d.xsd").unwrap(), "d.xsd");
        for bad in ["../d.xsd", "a/../../d.xsd", "/etc/passwd", "http://example.com/d.xsd", "C:\\d.xsd", "\\\\host\\d"]
        {
            assert!(resolve("b.wsdl", bad).is_err(), "{bad}");
        }
    }
}
