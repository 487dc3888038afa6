//! Reads the layers of configuration and reports every fault with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::environment::{PREFIX, unknown_variable};
use super::{Config, Setting, settings};
use crate::words::did_you_mean;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// File and line, environment variable, or flag.
    pub place: String,
    /// The setting whose value is wrong; it has its default then. `None` for what is no setting.
    pub setting: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Where a configuration comes from.
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
    /// Every fault there is.
    pub faults: Vec<ConfigFault>,
}

impl Loaded {
    /// The configuration, if nothing is wrong with it.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn into_config(self) -> Result<Config, Vec<ConfigFault>> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.faults) }
    }
}

/// Reads the whole configuration.
pub fn load(inputs: &Inputs) -> Loaded {
    let mut layers = Layers { values: BTreeMap::new(), faults: Vec::new() };
    if let Some(file) = &inputs.file {
        layers.read_file(file);
    }
    layers.read_environment(&inputs.environment);
    for (setting, text, flag) in &inputs.flags {
        layers
            .values
            .insert((*setting).to_owned(), Given { value: Raw::Text(text.clone()), place: (*flag).to_owned() });
    }
    let config = Config::from_layers(&mut layers);
    layers.check_pairs(&config);
    Loaded { config, faults: layers.faults }
}

/// A value as its layer gave it.
enum Raw {
    Typed(Value),
    /// From the environment or a flag, where everything is text.
    Text(String),
}

struct Given {
    value: Raw,
    place: String,
}

/// The values given, the highest layer only, and the faults found on the way.
pub(super) struct Layers {
    values: BTreeMap<String, Given>,
    faults: Vec<ConfigFault>,
}

impl Layers {
    fn fault(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.faults.push(ConfigFault { place: place.into(), setting: None, what: what.into() });
    }

    fn read_file(&mut self, file: &Path) {
        let shown = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.fault(shown.to_string(), error.to_string()),
        };
        let line_of = |at: usize| 1 + text.bytes().take(at).filter(|b| *b == b'\n').count();
        let table = match DeTable::parse(&text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(span.start));
                return self.fault(format!("{shown}:{line}"), error.message().to_owned());
            }
        };
        for (section, content) in table {
            let place = format!("{shown}:{}", line_of(section.span().start));
            let section = section.into_inner();
            let sections: BTreeSet<_> = settings().iter().map(|setting| setting.section).collect();
            if !sections.contains(section.as_ref()) {
                let hint = did_you_mean(&section, sections);
                self.fault(place, format!("there is no section [{section}].{hint}"));
                continue;
            }
            let DeValue::Table(keys) = content.into_inner() else {
                self.fault(place, format!("'{section}' must be a section, as in [server]"));
                continue;
            };
            for (key, value) in keys {
                let place = format!("{shown}:{}", line_of(key.span().start));
                let name = format!("{section}.{}", key.into_inner());
                if !self.is_known(&name, &place) {
                    continue;
                }
                // The table was parsed: what it holds is a TOML value.
                match Value::deserialize(ValueDeserializer::from(value)) {
                    Ok(value) => drop(self.values.insert(name, Given { value: Raw::Typed(value), place })),
                    Err(error) => self.fault(place, format!("{name}: {error}")),
                }
            }
        }
    }

    fn is_known(&mut self, name: &str, place: &str) -> bool {
        let known: Vec<String> = settings().iter().map(|s| format!("{}.{}", s.section, s.key)).collect();
        if known.iter().any(|k| k == name) {
            return true;
        }
        let hint = did_you_mean(name, known.iter().map(String::as_str));
        self.fault(place, format!("unknown setting {name}.{hint}"));
        false
    }

    fn read_environment(&mut self, environment: &[(OsString, OsString)]) {
        let known = settings();
        for (name, value) in environment {
            let name = name.to_string_lossy();
            if !name.starts_with(PREFIX) {
                continue;
            }
            let setting = known.iter().find(|setting| setting.environment() == name);
            match (setting, value.to_str()) {
                (Some(setting), Some(text)) => {
                    let given = Given { value: Raw::Text(text.to_owned()), place: name.into_owned() };
                    self.values.insert(format!("{}.{}", setting.section, setting.key), given);
                }
                (Some(_), None) => self.fault(name, "its value is not UTF-8"),
                (None, text) => {
                    if let Some(what) = unknown_variable(&name, text.unwrap_or_default(), &known) {
                        self.fault(name, what);
                    }
                }
            }
        }
    }

    /// Reads one setting: its default where no layer gives it, or a wrong one.
    pub(super) fn setting<T: Setting>(&mut self, section: &str, key: &str, default: &str) -> T {
        let name = format!("{section}.{key}");
        if let Some(Given { value, place }) = self.values.get(&name) {
            let result = match value {
                Raw::Typed(value) => T::from_toml(value),
                Raw::Text(text) => from_text(text),
            };
            match result {
                Ok(value) => return value,
                Err(expected) => {
                    let what = format!("{name} must be {expected}");
                    self.faults.push(ConfigFault { place: place.clone(), setting: Some(name), what });
                }
            }
        }
        from_text_value(default).expect("every default is of its setting's type: the tests read them all")
    }

    /// Settings that make sense only together.
    fn check_pairs(&mut self, config: &Config) {
        let pairs = [
            (
                "server.tls_certificate",
                config.server.tls_certificate.is_some(),
                "server.tls_key",
                config.server.tls_key.is_some(),
            ),
            (
                "upstream.client_certificate",
                config.upstream.client_certificate.is_some(),
                "upstream.client_key",
                config.upstream.client_key.is_some(),
            ),
            (
                "upstream.username",
                config.upstream.username.is_some(),
                "upstream.password",
                config.upstream.password.is_some(),
            ),
        ];
        for (first, has_first, second, has_second) in pairs {
            if has_first != has_second {
                let (given, missing) = if has_first { (first, second) } else { (second, first) };
                let place = self.values.get(given).map_or_else(|| "default".to_owned(), |g| g.place.clone());
                self.fault(place, format!("{given} is set without {missing}"));
            }
        }
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
        let from_file = load(&Inputs { file: Some(file), ..Inputs::default() }).into_config().unwrap();
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

    #[test]
    fn secrets_print_as_stars() {
        let environment =
            variables(&[("CONAX_GATEWAY_UPSTREAM_USERNAME", "u"), ("CONAX_GATEWAY_UPSTREAM_PASSWORD", "12345")]);
        let config = load(&Inputs { environment, ..Inputs::default() }).into_config().unwrap();
        let printed = format!("{config:?}");
        assert!(printed.contains("***") && !printed.contains("12345"));
    }
}
