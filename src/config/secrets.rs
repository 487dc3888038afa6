//! The section `[secrets]`: whatever a contract's requests need and nobody may see, by names of the operator's own. A value
//! stands in the configuration, in the environment (`CONAX_GATEWAY_SECRETS_NAME`), or in the first line of a file that
//! `NAME_file` names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Value;

use super::read::Layers;
use super::setting::FileFault;
use crate::secret::Secret;

/// The section's name.
pub(super) const SECTION: &str = "secrets";
/// The end of the name of a secret, or of a secret setting, whose value stands in a file.
pub(super) const FILE: &str = "_file";

/// The secrets of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    sources: BTreeMap<String, Source>,
    values: BTreeMap<String, Secret>,
}

#[derive(Clone, Debug)]
enum Source {
    Value(Secret),
    File(PathBuf),
}

impl Secrets {
    /// Is there one of that name?
    pub fn has(&self, name: &str) -> bool {
        self.sources.contains_key(name)
    }

    /// Every value, by its name; nothing before [`Secrets::read_values`].
    pub fn values(&self) -> &BTreeMap<String, Secret> {
        &self.values
    }

    /// Reads the values that are in files. Returns each file that cannot be read, or has nothing in its first line.
    pub fn read_values(&mut self) -> Vec<FileFault> {
        let mut faults = Vec::new();
        for (name, source) in &self.sources {
            let value = match source {
                Source::Value(value) => Ok(value.clone()),
                Source::File(file) => first_line(file).map_err(|message| FileFault {
                    setting: SECTION,
                    message: format!("{name}{FILE}: {}: {message}", file.display()),
                }),
            };
            match value {
                Ok(value) => drop(self.values.insert(name.clone(), value)),
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }
}

/// The first line of a file, which is a secret.
///
/// # Errors
/// The reason for the lack of a secret.
pub(super) fn first_line(file: &std::path::Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let line = text.lines().next().filter(|line| !line.is_empty());
    line.map(Secret::new).ok_or_else(|| "its first line is empty, and should be the secret".to_owned())
}

impl Layers {
    /// Takes a key of a provider's section, in place of what a lower layer says of the same secret.
    pub(super) fn take_secret(&mut self, provider: &str, key: &str, value: &Value, location: &str) {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let name = key.strip_suffix(FILE).unwrap_or(key);
        let text = value.as_str().filter(|text| !text.is_empty());
        match text {
            _ if name.is_empty() || !name.chars().all(is_name) => {
                self.fault(location, format!("{SECTION}.{key}: a name has small letters, digits and '_'"));
            }
            None => self.fault(location, format!("{SECTION}.{key} must be a string that is not empty")),
            Some(_) if !self.secrets_of_layer.insert((provider.to_owned(), name.to_owned())) => {
                let message = format!("{SECTION}.{name} is there twice, with and without {FILE}: remove one of them");
                self.fault(location, message);
            }
            Some(text) => {
                let source = match key.ends_with(FILE) {
                    true => Source::File(text.into()),
                    false => Source::Value(Secret::new(text)),
                };
                self.secrets.entry(provider.to_owned()).or_default().sources.insert(name.to_owned(), source);
            }
        }
    }
}
