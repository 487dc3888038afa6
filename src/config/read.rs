//! Reads the layers of configuration and reports every fault with its location.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use toml::Value;

use super::environment::{PREFIX, unknown_variable};
use super::provider::MAIN;
use super::secrets::{SECTION, Secrets};
use super::{Config, Setting, SettingInfo, settings};

/// A fault of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// File and line, environment variable, or flag.
    pub location: String,
    /// The setting whose value is wrong, and which has its default then; `None` if the fault is no setting's.
    pub setting: Option<String>,
    /// The fault, as a sentence.
    pub message: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

/// The sources of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Configuration file.
    pub file: Option<PathBuf>,
    /// Environment variables, name and value.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags as (setting, text, name of the flag).
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// A configuration as it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; a setting at fault has its default.
    pub config: Config,
    /// All faults.
    pub faults: Vec<ConfigFault>,
}

impl Loaded {
    /// The configuration, if it has no fault.
    ///
    /// # Errors
    /// All faults.
    pub fn into_config(self) -> Result<Config, Vec<ConfigFault>> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.faults) }
    }
}

/// Reads the whole configuration.
pub fn load(inputs: &Inputs) -> Loaded {
    let mut layers = Layers::default();
    if let Some(file) = &inputs.file {
        layers.read_file(file);
    }
    layers.secrets_of_layer.clear();
    layers.read_environment(&inputs.environment);
    for (setting, text, flag) in &inputs.flags {
        layers
            .values
            .insert((*setting).to_owned(), Given { value: Raw::Text(text.clone()), location: (*flag).to_owned() });
    }
    let mut config = Config::from_layers(&mut layers);
    config.file.clone_from(&inputs.file);
    layers.check_values(&config);
    layers.check_pairs(&config);
    Loaded { config, faults: layers.faults }
}

/// A value as its layer gave it.
pub(super) enum Raw {
    Typed(Value),
    /// From the environment or a flag, where everything is text.
    Text(String),
}

pub(super) struct Given {
    pub(super) value: Raw,
    pub(super) location: String,
}

/// The values given, the highest layer only, and the faults found on the way.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) values: BTreeMap<String, Given>,
    /// Of each provider.
    pub(super) secrets: BTreeMap<String, Secrets>,
    /// The names of the further providers.
    pub(super) providers: BTreeSet<String>,
    /// The secrets, by provider and name, that the layer gives which is being read.
    pub(super) secrets_of_layer: BTreeSet<(String, String)>,
    pub(super) faults: Vec<ConfigFault>,
}

impl Layers {
    pub(super) fn fault(&mut self, location: impl Into<String>, message: impl Into<String>) {
        self.faults.push(ConfigFault { location: location.into(), setting: None, message: message.into() });
    }

    fn read_environment(&mut self, environment: &[(OsString, OsString)]) {
        let known = settings();
        for (name, value) in environment {
            let name = name.to_string_lossy();
            if !name.starts_with(PREFIX) {
                continue;
            }
            let rest = name.strip_prefix(PREFIX).unwrap_or_default();
            if let Some(key) = rest.strip_prefix(&format!("{}_", SECTION.to_uppercase())) {
                match value.to_str() {
                    Some(text) => {
                        self.take_secret(MAIN, &key.to_lowercase(), &Value::String(text.to_owned()), &name);
                    }
                    None => self.fault(name, "its value is not UTF-8"),
                }
                continue;
            }
            if value.to_str().is_some_and(|text| self.read_variable_of_provider(rest, text, &name)) {
                continue;
            }
            let setting = known.iter().find(|setting| setting.environment() == name);
            match (setting, value.to_str()) {
                (Some(setting), Some(text)) => self.take_text("", setting, text, &name),
                (Some(_), None) => self.fault(name, "its value is not UTF-8"),
                (None, text) => {
                    if let Some(message) = unknown_variable(&name, text.unwrap_or_default(), &known) {
                        self.fault(name, message);
                    }
                }
            }
        }
    }

    /// Takes the value that a variable gives a setting.
    pub(super) fn take_text(&mut self, prefix: &str, setting: &SettingInfo, text: &str, variable: &str) {
        let given = Given { value: Raw::Text(text.to_owned()), location: variable.to_owned() };
        self.values.insert(format!("{prefix}{}.{}", setting.section, setting.key), given);
    }

    /// Reads one setting: its default where no layer gives it, or a wrong one.
    pub(super) fn setting<T: Setting>(&mut self, section: &str, key: &str, default: &str) -> T {
        let name = format!("{section}.{key}");
        if let Some(Given { value, location }) = self.values.get(&name) {
            let result = match value {
                Raw::Typed(value) => T::from_toml(value),
                Raw::Text(text) => from_text(text),
            };
            match result {
                Ok(value) => return value,
                Err(expected) => {
                    let message = format!("{name} must be {expected}");
                    self.faults.push(ConfigFault { location: location.clone(), setting: Some(name), message });
                }
            }
        }
        from_text_value(default).expect("every default is of its setting's type: the tests read them all")
    }

    /// The location of a setting: file and line, variable, or flag.
    pub(super) fn place_of(&self, setting: &str) -> Option<String> {
        self.values.get(setting).map(|given| given.location.clone())
    }
}

/// A text is the value itself where the setting takes text, else TOML.
fn from_text<T: Setting>(text: &str) -> Result<T, String> {
    T::from_toml(&Value::String(text.to_owned()))
        .or_else(|expected| from_text_value(text).map_err(|_: String| expected))
}

fn from_text_value<T: Setting>(text: &str) -> Result<T, String> {
    let table: toml::Table = format!("value = {text}").parse().map_err(|_| "a TOML value".to_owned())?;
    table.get("value").map_or_else(|| Err("a TOML value".to_owned()), T::from_toml)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_commented_default_is_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("default.toml");
        let uncommented: String = super::super::default_toml()
            .lines()
            .map(|l| match l.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{l}\n"),
            })
            .collect();
        std::fs::write(&file, uncommented).unwrap();
        let mut from_file = load(&Inputs { file: Some(file), ..Inputs::default() }).into_config().unwrap();
        from_file.file = None;
        assert_eq!(format!("{from_file:?}"), format!("{:?}", load(&Inputs::default()).into_config().unwrap()));
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.toml");
        std::fs::write(
            &file,
            "[server]\nlisten = 'nowhere'\nLisen = 1\n\n[upstream]\nusername = 'u'\nmax_concurrency = 0\n\
             [srever]\n[log]\nfilter = 'loud'\n",
        )
        .unwrap();
        let environment = variables(&[("CONAX_GATEWAY_LOG_COLOUR", "x")]);
        let faults =
            load(&Inputs { file: Some(file.clone()), environment, ..Inputs::default() }).into_config().unwrap_err();
        let all = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for expected in [
            "bad.toml:2: server.listen must be",
            "bad.toml:3: unknown setting server.Lisen. Did you mean server.listen?",
            "bad.toml:6: upstream.username is set without upstream.password",
            "bad.toml:7: upstream.max_concurrency",
            "bad.toml:8: there is no section [srever]. Did you mean server?",
            "bad.toml:10: log.filter must be",
            "CONAX_GATEWAY_LOG_COLOUR: there is no setting of that name",
        ] {
            assert!(all.contains(expected), "{expected} not in:\n{all}");
        }
    }

    #[test]
    fn flag_wins_over_environment_over_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(
            &file,
            "[processor]\nmax_attempts = 1\n[upstream]\nmax_concurrency = 1\nmax_response_bytes = 1\n",
        )
        .unwrap();
        let environment = variables(&[
            ("CONAX_GATEWAY_UPSTREAM_MAX_CONCURRENCY", "2"),
            ("CONAX_GATEWAY_PROCESSOR_MAX_ATTEMPTS", "2"),
        ]);
        let flags = vec![("upstream.max_concurrency", "3".to_owned(), "--x")];
        let config = load(&Inputs { file: Some(file), environment, flags }).into_config().unwrap();
        assert_eq!(
            (config.upstream.max_concurrency, config.processor.max_attempts, config.upstream.max_response_bytes),
            (3, 2, 1)
        );
    }

    /// The rule, so that a new secret keeps it, too.
    #[test]
    fn every_secret_may_be_in_a_file_and_in_one_place_only() {
        let secrets: Vec<_> = settings().into_iter().filter(|setting| setting.is_secret).collect();
        assert!(secrets.len() >= 3);
        for secret in secrets {
            let (name, file) = (secret.environment(), format!("{}_FILE", secret.environment()));
            let given = [(name.as_str(), "x"), (file.as_str(), "/nope")];
            let faults = load(&Inputs { environment: variables(&given), ..Inputs::default() }).faults;
            let is_named = faults.iter().any(|f| f.location == file && f.message.ends_with("remove one of them"));
            assert!(is_named, "{name}: {faults:?}");
        }
    }

    #[test]
    fn secrets_print_as_stars() {
        let environment =
            variables(&[("CONAX_GATEWAY_UPSTREAM_USERNAME", "u"), ("CONAX_GATEWAY_UPSTREAM_PASSWORD", "12345")]);
        let config = load(&Inputs { environment, ..Inputs::default() }).into_config().unwrap();
        let printed = format!("{config:?}");
        assert!(printed.contains("***") && !printed.contains("12345"));
    }
}
