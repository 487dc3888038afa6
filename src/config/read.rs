//! Reads the layers of configuration and reports every fault with its place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{Config, Setting, settings};

/// Prefix of the environment variables that are settings.
const PREFIX: &str = "CONAX_GATEWAY_";

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// File and line, environment variable, or flag.
    pub place: String,
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
    pub environment: Vec<(String, String)>,
    /// Flags as (setting, text, name of the flag).
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// Reads and checks the whole configuration.
///
/// # Errors
/// Every fault there is.
pub fn load(inputs: &Inputs) -> Result<Config, Vec<ConfigFault>> {
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
    match config {
        Some(config) => {
            layers.check_pairs(&config);
            if layers.faults.is_empty() { Ok(config) } else { Err(layers.faults) }
        }
        None => Err(layers.faults),
    }
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
        self.faults.push(ConfigFault { place: place.into(), what: what.into() });
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
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        self.fault(place, format!("unknown setting {name}; did you mean {}?", nearest.map_or("", String::as_str)));
        false
    }

    fn read_environment(&mut self, environment: &[(String, String)]) {
        let known = settings();
        for (variable, text) in environment {
            if !variable.starts_with(PREFIX) {
                continue;
            }
            match known.iter().find(|s| s.environment() == *variable) {
                Some(s) => {
                    let given = Given { value: Raw::Text(text.clone()), place: variable.clone() };
                    self.values.insert(format!("{}.{}", s.section, s.key), given);
                }
                None if known
                    .iter()
                    .any(|s| variable.starts_with(&format!("{PREFIX}{}_", s.section.to_uppercase()))) =>
                {
                    self.fault(variable.clone(), "unknown setting in the environment");
                }
                // Others put variables of that prefix there too: Kubernetes, for a service of that name.
                None => {}
            }
        }
    }

    /// Reads one setting, its default where no layer gives it.
    pub(super) fn setting<T: Setting>(&mut self, section: &str, key: &str, default: &str) -> Option<T> {
        let name = format!("{section}.{key}");
        let (result, place) = match self.values.get(&name) {
            Some(given) => {
                let result = match &given.value {
                    Raw::Typed(value) => T::from_toml(value),
                    Raw::Text(text) => from_text(text),
                };
                (result, given.place.clone())
            }
            None => (from_text_value(default), "default".to_owned()),
        };
        match result {
            Ok(value) => Some(value),
            Err(expected) => {
                self.fault(place, format!("{name} must be {expected}"));
                None
            }
        }
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
        let from_file = load(&Inputs { file: Some(file), ..Inputs::default() }).unwrap();
        assert_eq!(format!("{from_file:?}"), format!("{:?}", load(&Inputs::default()).unwrap()));
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.toml");
        std::fs::write(
            &file,
            "[server]\nlisten = 'nowhere'\nlisten_port = 1\n\n[upstream]\nusername = 'u'\nmax_concurrency = 0\n",
        )
        .unwrap();
        let environment = vec![("CONAX_GATEWAY_LOG_COLOUR".to_owned(), "x".to_owned())];
        let faults = load(&Inputs { file: Some(file.clone()), environment, ..Inputs::default() }).unwrap_err();
        let all = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for expected in [
            "bad.toml:2: server.listen must be",
            "bad.toml:3: unknown setting server.listen_port; did you mean server.listen",
            "bad.toml:7: upstream.max_concurrency",
            "CONAX_GATEWAY_LOG_COLOUR: unknown",
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
        let environment = vec![
            ("CONAX_GATEWAY_UPSTREAM_MAX_CONCURRENCY".to_owned(), "2".to_owned()),
            ("CONAX_GATEWAY_PROCESSOR_MAX_ATTEMPTS".to_owned(), "2".to_owned()),
        ];
        let flags = vec![("upstream.max_concurrency", "3".to_owned(), "--x")];
        let config = load(&Inputs { file: Some(file), environment, flags }).unwrap();
        assert_eq!(
            (config.upstream.max_concurrency, config.processor.max_attempts, config.upstream.max_response_bytes),
            (3, 2, 1)
        );
    }

    #[test]
    fn secrets_print_as_stars() {
        let environment = vec![
            ("CONAX_GATEWAY_UPSTREAM_USERNAME".to_owned(), "u".to_owned()),
            ("CONAX_GATEWAY_UPSTREAM_PASSWORD".to_owned(), "12345".to_owned()),
        ];
        let config = load(&Inputs { environment, ..Inputs::default() }).unwrap();
        let printed = format!("{config:?}");
        assert!(printed.contains("***") && !printed.contains("12345"));
    }
}
