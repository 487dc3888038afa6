//! The catalogue of services, smartcards, set-top boxes and subscriptions: clients use CRM.COM's names (id, code,
//! serial number, alternative code), and the gateway finds the CA IDs.

use std::collections::HashSet;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::words::Word as _;
use crate::xml::find_forbidden;

/// Kind of an entry; the word is the same in the store, on the command line and as the name of a CSV file.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum EntryKind {
    /// A service (product); its name is the code, its CA ID the Conax product id.
    Services,
    /// A smartcard; its name is the serial number.
    Smartcards,
    /// A set-top box; its name is the serial number.
    Stbs,
    /// A subscription; its name is the number.
    Subscriptions,
}

impl EntryKind {
    /// CRM.COM's word for the name of such an entry, which is also the column of the CSV file.
    pub fn name_field(self) -> &'static str {
        match self {
            Self::Services => "code",
            Self::Smartcards | Self::Stbs => "serial_number",
            Self::Subscriptions => "number",
        }
    }
}

/// An entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Id in CRM.COM.
    pub id: String,
    /// Code, serial number or number.
    pub name: String,
    /// Alternative code.
    pub alternative_code: Option<String>,
    /// CA ID in Conax, which a service may lack.
    pub ca_id: Option<String>,
    /// Id of the subscription's provisioning distributor, for cards and boxes.
    pub distribution_id: Option<String>,
}

/// The distribution id of a card or box for which the catalogue has none: shaped like CRM.COM's ids, and the same on
/// every gateway. The id tells as much as the number, since numbers can be tried out: a place that must not show the
/// number must not show the id either (recordings have the id of the pseudonym).
pub fn own_distribution_id(kind: EntryKind, ca_id: &str) -> String {
    // Ids must never change, so they do not depend on the kind's name.
    let devices = match kind {
        EntryKind::Stbs => "set-top-boxes",
        other => other.as_str(),
    };
    let digest = Sha256::digest(format!("distribution of {devices}: {ca_id}"));
    let number = u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default());
    format!("{number:032X}")
}

/// The key by which a client names an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// By id.
    Id,
    /// By code, serial number or number.
    Name,
    /// By alternative code.
    AlternativeCode,
    /// By CA ID.
    CaId,
}

impl Key {
    /// The key for a sub-field of an identifier.
    pub fn of_field(field: &str) -> Self {
        match field {
            "id" => Self::Id,
            "alternative_code" => Self::AlternativeCode,
            _ => Self::Name,
        }
    }
}

impl Entry {
    /// The value of an entry under a key.
    pub fn value_of(&self, key: Key) -> Option<&str> {
        match key {
            Key::Id => Some(&self.id),
            Key::Name => Some(&self.name),
            Key::AlternativeCode => self.alternative_code.as_deref(),
            Key::CaId => self.ca_id.as_deref(),
        }
    }
}

/// A fault of a CSV file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is no CSV, or a column is missing or unknown.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A value is wrong.
    #[error("line {line}: {message}")]
    Value {
        /// Line, counted from 1.
        line: u64,
        /// The fault.
        message: String,
    },
}

/// A row of the CSV file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(alias = "code", alias = "serial_number", alias = "number")]
    name: String,
    #[serde(default)]
    alternative_code: Option<String>,
    #[serde(default)]
    ca_id: Option<String>,
    #[serde(default)]
    distribution_id: Option<String>,
}

/// Reads a CSV file with a heading line: all of it or nothing.
///
/// # Errors
/// The first faulty line.
pub fn read_csv(kind: EntryKind, input: impl std::io::Read) -> Result<Vec<Entry>, ImportError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let headers = reader.headers()?.clone();
    if !headers.iter().any(|h| h == kind.name_field()) {
        let message = format!("no column '{}', which {} need", kind.name_field(), kind.as_str());
        return Err(ImportError::Value { line: 1, message });
    }
    let mut entries = Vec::new();
    let mut ids = HashSet::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record.deserialize(Some(&headers))?;
        let wrong = |message: &str| ImportError::Value { line, message: message.to_owned() };
        if row.id.is_empty() || row.name.is_empty() {
            return Err(wrong(&format!("id and {} must not be empty", kind.name_field())));
        }
        if let Some(value) = record.iter().find(|value| find_forbidden(value).is_some()) {
            return Err(wrong(&format!("{value:?} has a character that XML 1.0 cannot carry")));
        }
        if !ids.insert(row.id.clone()) {
            return Err(wrong(&format!("the id {} is given twice", row.id)));
        }
        let filled = |value: Option<String>| value.filter(|v| !v.is_empty());
        let mut ca_id = filled(row.ca_id);
        match kind {
            EntryKind::Services if ca_id.as_ref().is_some_and(|id| !id.bytes().all(|b| b.is_ascii_digit())) => {
                return Err(wrong("the ca_id of a service is numeric"));
            }
            EntryKind::Smartcards | EntryKind::Stbs => ca_id = ca_id.or_else(|| Some(row.name.clone())),
            _ => {}
        }
        let (alternative_code, distribution_id) = (filled(row.alternative_code), filled(row.distribution_id));
        entries.push(Entry { id: row.id, name: row.name, alternative_code, ca_id, distribution_id });
    }
    Ok(entries)
}

/// The sample for the examples of CRM.COM's documents; `serve` loads it into an empty catalogue if Conax is the
/// built-in simulator.
pub const SAMPLE: [(EntryKind, &str); 3] = [
    (EntryKind::Services, include_str!("../fixtures/catalogue/services.csv")),
    (EntryKind::Smartcards, include_str!("../fixtures/catalogue/smartcards.csv")),
    (EntryKind::Subscriptions, include_str!("../fixtures/catalogue/subscriptions.csv")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_reads() {
        for (kind, text) in SAMPLE {
            assert!(!read_csv(kind, text.as_bytes()).unwrap().is_empty());
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, expected) in [
            ("id,serial_number\n1,2\n", "no column 'code'"),
            ("id,code,ca_id\n1,Silver,9\n2,Gold,x\n", "line 3: the ca_id"),
            ("id,code,colour\n1,Silver,red\n", "colour"),
            ("id,code\n1\n", "line: 2"),
            ("id,code\n,Silver\n", "line 2: id and code"),
            ("id,code\n1,Silver\n1,Gold\n", "line 3: the id 1 is given twice"),
            ("id,code\n1,Sil\u{1}ver\n", "line 2: \"Sil"),
        ] {
            let error = read_csv(EntryKind::Services, text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
