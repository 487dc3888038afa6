//! Reads the configuration file: every line that is no TOML, and every name that is no setting, each with what to write
//! instead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize as _;
use toml::Value;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::provider::MAIN;
use super::read::{ConfigFault, Given, Layers, Raw};
use super::secrets::SECTION;
use super::{provider, settings};
use crate::words::{closest, did_you_mean};

/// Lines that are no TOML, of which one is told.
const MOST_BROKEN: usize = 100;

impl Layers {
    pub(super) fn read_file(&mut self, file: &Path) {
        let shown = file.display();
        let text = match std::fs::read(file).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return self.fault(shown.to_string(), "it is not UTF-8: save it in that encoding"),
            Err(error) => return self.fault(shown.to_string(), error.to_string()),
        };
        let Repaired { text, broken, is_whole } = repair(text);
        for (line, Broken { message, setting }) in broken {
            self.faults.push(ConfigFault { location: format!("{shown}:{line}"), setting, message });
        }
        let table = match DeTable::parse(&text) {
            Ok(table) if is_whole => table,
            _ => return,
        };
        let location_of = |at| format!("{shown}:{}", line_of(&text, at));
        for (section, content) in table.into_inner() {
            let location = location_of(section.span().start);
            let (section, content) = (section.into_inner(), content.into_inner());
            match section.as_ref() {
                SECTION => self.read_secrets_section(MAIN, content, &location, &location_of),
                provider::TABLE => self.read_providers(content, &location, &location_of),
                section => self.read_section(("", section), content, &location, &location_of),
            }
        }
    }

    /// Reads a section; the names of its settings begin with `prefix`.
    pub(super) fn read_section(
        &mut self,
        (prefix, section): (&str, &str),
        content: DeValue<'_>,
        location: &str,
        location_of: &dyn Fn(usize) -> String,
    ) {
        if !settings().iter().any(|setting| setting.section == section) {
            return self.fault(location, no_section(section, &content));
        }
        let DeValue::Table(keys) = content else {
            return self.fault(location, format!("'{prefix}{section}' must be a section, as in [server]"));
        };
        for (key, value) in keys {
            let location = location_of(key.span().start);
            let name = format!("{section}.{}", key.into_inner());
            if !self.is_known(prefix, &name, &location) {
                continue;
            }
            let name = format!("{prefix}{name}");
            // The table was parsed: what it holds is a TOML value.
            match Value::deserialize(ValueDeserializer::from(value)) {
                Ok(value) => drop(self.values.insert(name, Given { value: Raw::Typed(value), location })),
                Err(error) => self.fault(location, format!("{name}: {error}")),
            }
        }
    }

    pub(super) fn read_secrets_section(
        &mut self,
        provider: &str,
        content: DeValue<'_>,
        location: &str,
        location_of: &dyn Fn(usize) -> String,
    ) {
        let DeValue::Table(keys) = content else {
            return self.fault(location, format!("'{SECTION}' must be a section: [{SECTION}]"));
        };
        for (key, value) in keys {
            let location = location_of(key.span().start);
            match Value::deserialize(ValueDeserializer::from(value)) {
                Ok(value) => self.take_secret(provider, &key.into_inner(), &value, &location),
                // The value may be in its words.
                Err(_) => self.fault(location, format!("{SECTION}: this is no TOML value")),
            }
        }
    }

    fn is_known(&mut self, prefix: &str, name: &str, location: &str) -> bool {
        let known: Vec<String> = settings().iter().map(|s| format!("{}.{}", s.section, s.key)).collect();
        if known.iter().any(|k| k == name) {
            return true;
        }
        let hint = closest(name, known.iter().map(String::as_str));
        let hint = hint.map(|name| format!(" Did you mean {prefix}{name}?")).unwrap_or_default();
        self.fault(location, format!("unknown setting {prefix}{name}.{hint}"));
        false
    }
}

/// A line that is no TOML.
struct Broken {
    message: String,
    /// The setting that it was to give.
    setting: Option<String>,
}

/// A text without its lines that are no TOML.
struct Repaired {
    text: String,
    broken: BTreeMap<usize, Broken>,
    /// Has the file no other fault?
    is_whole: bool,
}

/// Takes out every line that gives a setting and is no TOML. What else is wrong may concern all that follows: with that it
/// ends.
fn repair(mut text: String) -> Repaired {
    let mut broken = BTreeMap::new();
    for _ in 0..MOST_BROKEN {
        let Some(error) = DeTable::parse(&text).err() else { return Repaired { text, broken, is_whole: true } };
        let at = error.span().map_or(0, |span| span.start);
        let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |before| before + 1);
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let setting = setting_of(line, text.get(..start).unwrap_or_default());
        let (number, length, is_setting) = (line_of(&text, start), line.len(), setting.is_some());
        broken.insert(number, Broken { message: what_is_wrong(line, &error), setting });
        if !is_setting {
            break;
        }
        text.replace_range(start..start + length, "");
    }
    Repaired { text, broken, is_whole: false }
}

/// The setting that a line is to give, below what stands before it.
fn setting_of(line: &str, before: &str) -> Option<String> {
    let key = line.split(['=', ':']).next().filter(|key| key.len() < line.len())?.trim();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let section = before.lines().rev().find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    is_key.then(|| section.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}")))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn no_section(name: &str, content: &DeValue<'_>) -> String {
    let known = settings();
    let of_key = known.iter().find(|setting| setting.key == name && !matches!(content, DeValue::Table(_)));
    match of_key {
        Some(setting) => format!("{name} stands outside of every section: write [{}] above it", setting.section),
        None => {
            let sections: BTreeSet<_> =
                known.iter().map(|setting| setting.section).chain([SECTION, provider::TABLE]).collect();
            format!("there is no section [{name}].{}", did_you_mean(name, sections))
        }
    }
}

/// The fault of a line, and its remedy. The value may be a secret, and is not repeated.
fn what_is_wrong(line: &str, error: &Error) -> String {
    let line = line.trim();
    let is_toml = |text: &str| DeTable::parse(text).is_ok();
    if let Some((key, value)) = line.split_once('=') {
        let (key, value) = (key.trim(), value.trim());
        let quoted = format!("{key} = \"{value}\"");
        if !value.is_empty() && !value.starts_with(['"', '\'', '[', '{']) && is_toml(&quoted) {
            return format!("text must be in quotes: {key} = \"…\"");
        }
        let closed = format!("{line}\"");
        if value.starts_with('"') && is_toml(&closed) {
            return format!("a quote is missing: {key} = \"…\"");
        }
        let literal = format!("{key} = '{}'", value.trim_matches('"'));
        if value.starts_with('"') && value.contains('\\') && is_toml(&literal) {
            return format!("a backslash is special between double quotes: {key} = '…'");
        }
    }
    match line.split_once(':') {
        Some((key, value)) if !line.contains('=') && is_toml(&format!("{key} = 0")) => match value.trim() {
            "" => format!("this is no TOML: a section is written [{key}]"),
            _ => format!("this is no TOML: a setting is written {key} = \"…\""),
        },
        _ if error.message() == "duplicate key" => {
            let key = line.split('=').next().unwrap_or_default().trim();
            format!("{key} is there twice: remove one of them")
        }
        _ => error.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, load};

    #[test]
    fn each_line_that_is_wrong_comes_with_what_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let text = "listen = 1\n[server]\nlisten = 127.0.0.1:80\ntls_key = ~/key.pem\ntls_certificate = \"x\"\n\
                    max_connections: 3\nhttp_status = \"rest\n[store]\ndata_dir = \"C:\\Users\"\nqueue = 0\n\
                    [log]\nformat = json\nfilter = \"info\"\nfilter = \"warn\"\n";
        std::fs::write(&file, text).unwrap();
        let faults = load(&Inputs { file: Some(file), ..Inputs::default() }).into_config().unwrap_err();
        let told = faults.iter().map(|fault| fault.to_string().split_once("c.toml:").unwrap().1.to_owned());
        let mut told: Vec<String> = told.collect();
        told.sort_by_key(|fault| fault.split(':').next().unwrap().parse::<usize>().unwrap());
        let expected = [
            "1: listen stands outside of every section: write [server] above it",
            "3: text must be in quotes: listen = \"…\"",
            "4: text must be in quotes: tls_key = \"…\"",
            "6: this is no TOML: a setting is written max_connections = \"…\"",
            "7: a quote is missing: http_status = \"…\"",
            "9: a backslash is special between double quotes: data_dir = '…'",
            "10: store.queue must be",
            "12: text must be in quotes: format = \"…\"",
            "14: filter is there twice: remove one of them",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{expected} not in {told}");
        }
    }
}
