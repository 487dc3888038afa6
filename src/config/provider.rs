//! Further providers beside the first one: `[provider.NAME]` has the sections that a provider has to itself, of the very shape
//! of the first one's (`[provider.NAME.upstream]`); in the environment `CONAX_GATEWAY_PROVIDER_NAME_UPSTREAM_URL`.
//!
//! Rule: whoever works for one provider gets the whole configuration as that provider sees it, and need not know of others.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::environment::PREFIX;
use super::read::Layers;
use super::secrets::{SECTION as SECRETS, Secrets};
use super::{Config, ContractSection, SettingInfo, SimulatorSection, Upstream, settings};

/// The table of further providers.
pub(super) const TABLE: &str = "provider";
/// The name of the first provider, whose sections stand in no table.
pub const MAIN: &str = "main";
/// The sections that a provider has to itself, beside its secrets.
const SECTIONS: [&str; 3] = ["contract", "upstream", "simulator"];
/// Most characters of a name.
const LONGEST: usize = 32;

/// The sections of a further provider.
#[derive(Clone, Debug)]
pub struct ProviderSections {
    /// The SOAP contract.
    pub contract: ContractSection,
    /// The upstream of the provider's requests.
    pub upstream: Upstream,
    /// The provider's simulator.
    pub simulator: SimulatorSection,
    /// The secrets that the requests of the provider's contract need.
    pub secrets: Secrets,
}

/// The prefix of the names of a provider's settings.
pub(super) fn prefix(provider: &str) -> String {
    if provider == MAIN { String::new() } else { format!("{TABLE}.{provider}.") }
}

/// The settings that a provider has to itself.
fn own_settings() -> impl Iterator<Item = SettingInfo> {
    settings().into_iter().filter(|setting| SECTIONS.contains(&setting.section))
}

impl Config {
    /// The configuration as each provider sees it: the first one, then the others in the order of their names.
    pub fn of_providers(&self) -> Vec<Self> {
        let further = self.providers.iter().map(|(name, sections)| {
            let ProviderSections { contract, upstream, simulator, secrets } = sections.clone();
            Self { provider: name.clone(), contract, upstream, simulator, secrets, ..self.clone() }
        });
        std::iter::once(self.clone()).chain(further).collect()
    }

    /// The full name of a setting of this provider.
    pub fn setting_name(&self, setting: &str) -> String {
        format!("{}{setting}", prefix(&self.provider))
    }

    /// A fault of what this provider's settings name, with the provider's name if it is not the first.
    pub fn name_fault(&self, fault: &str) -> String {
        if self.provider == MAIN { fault.to_owned() } else { format!("{TABLE}.{}: {fault}", self.provider) }
    }
}

impl Layers {
    /// Reads the sections of the further providers.
    pub(super) fn read_sections_of_providers(&mut self) -> BTreeMap<String, ProviderSections> {
        let names: BTreeSet<String> = std::mem::take(&mut self.providers);
        let read = |name: String| {
            let section = |section: &str| format!("{}{section}", prefix(&name));
            let sections = ProviderSections {
                contract: ContractSection::from_layers(self, &section("contract")),
                upstream: Upstream::from_layers(self, &section("upstream")),
                simulator: SimulatorSection::from_layers(self, &section("simulator")),
                secrets: self.secrets.remove(&name).unwrap_or_default(),
            };
            (name, sections)
        };
        names.into_iter().map(read).collect()
    }

    /// Notes that there is a provider of that name; false, with the fault, if that can be none.
    fn take_provider(&mut self, name: &str, location: &str) -> bool {
        let mut letters = name.chars();
        let is_name = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.len() <= LONGEST;
        if !is_name {
            let message = format!("{TABLE}.{name}: a name has small letters and digits, {LONGEST} at most");
            self.fault(location, message);
        } else if name == MAIN {
            self.fault(
                location,
                format!("{TABLE}.{name}: that is the first provider, whose sections stand in no table"),
            );
        } else {
            self.providers.insert(name.to_owned());
        }
        is_name && name != MAIN
    }

    /// Reads the table of further providers.
    pub(super) fn read_providers(
        &mut self,
        content: DeValue<'_>,
        location: &str,
        location_of: &dyn Fn(usize) -> String,
    ) {
        let DeValue::Table(providers) = content else {
            return self
                .fault(location, format!("'{TABLE}' must be a table of providers, as in [{TABLE}.NAME.upstream]"));
        };
        for (name, sections) in providers {
            let location = location_of(name.span().start);
            let (name, sections) = (name.into_inner().into_owned(), sections.into_inner());
            let DeValue::Table(sections) = sections else {
                self.fault(location, format!("'{TABLE}.{name}' must have sections, as in [{TABLE}.{name}.upstream]"));
                continue;
            };
            if !self.take_provider(&name, &location) {
                continue;
            }
            for (section, content) in sections {
                let location = location_of(section.span().start);
                let section = section.into_inner();
                if section == SECRETS {
                    self.read_secrets_section(&name, content.into_inner(), &location, location_of);
                } else if SECTIONS.contains(&section.as_ref()) {
                    self.read_section((&prefix(&name), &section), content.into_inner(), &location, location_of);
                } else {
                    let known = SECTIONS.join(", ");
                    self.fault(
                        location,
                        format!("a provider has no section [{section}]: it has {known} and {SECRETS}"),
                    );
                }
            }
        }
    }

    /// Reads an environment variable of a further provider, by its name less what all variables begin with; false if it is
    /// none.
    pub(super) fn read_variable_of_provider(&mut self, name: &str, value: &str, variable: &str) -> bool {
        let table = format!("{}_", TABLE.to_uppercase());
        let Some((provider, rest)) = name.strip_prefix(&table).and_then(|rest| rest.split_once('_')) else {
            return false;
        };
        let provider = provider.to_lowercase();
        let secret = rest.strip_prefix(&format!("{}_", SECRETS.to_uppercase()));
        let setting = own_settings().find(|setting| setting.environment().strip_prefix(PREFIX) == Some(rest));
        if (secret.is_none() && setting.is_none()) || !self.take_provider(&provider, variable) {
            return secret.is_some() || setting.is_some();
        }
        match (secret, setting) {
            (Some(key), _) => self.take_secret(&provider, &key.to_lowercase(), &value.to_owned().into(), variable),
            (None, Some(setting)) => self.take_text(&prefix(&provider), &setting, value, variable),
            (None, None) => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, load};
    use super::*;

    fn loaded(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let faults =
            |faults: Vec<super::super::ConfigFault>| faults.iter().map(|f| format!("{f}\n")).collect::<String>();
        load(&Inputs { file: Some(file), environment, ..Inputs::default() }).into_config().map_err(faults)
    }

    #[test]
    fn each_provider_sees_its_own_sections_and_all_that_is_shared() {
        let text = "[upstream]\nmax_concurrency = 3\n[processor]\npoll_s = 7\n\
                    [provider.panaccess.contract]\ndir = 'p'\n[provider.panaccess.upstream]\nurl = 'http://one'\n\
                    [provider.panaccess.secrets]\nlogin = 'l'\n";
        let environment = [
            ("CONAX_GATEWAY_PROVIDER_PANACCESS_UPSTREAM_URL", "http://two"),
            ("CONAX_GATEWAY_PROVIDER_PANACCESS_SECRETS_PASSWORD", "p"),
            ("CONAX_GATEWAY_PROVIDER_OTHER_UPSTREAM_MAX_CONCURRENCY", "5"),
        ];
        let providers = loaded(text, &environment).unwrap().of_providers();
        let [main, other, panaccess] = providers.try_into().unwrap();
        assert_eq!([&main.provider, &other.provider, &panaccess.provider], [MAIN, "other", "panaccess"]);
        let slots = [&main, &other, &panaccess].map(|config| config.upstream.max_concurrency);
        assert_eq!(slots, [3, 5, 32], "a provider's default is that of its section, not the first provider's value");
        assert_eq!(panaccess.contract.dir.as_deref(), Some(std::path::Path::new("p")));
        assert!(format!("{:?}", panaccess.upstream.url).contains("http://two"));
        assert!(panaccess.secrets.has("login") && panaccess.secrets.has("password") && !main.secrets.has("login"));
        assert!([main, other, panaccess].iter().all(|config| config.processor.poll_s.as_secs() == 7));
    }

    #[test]
    fn what_no_provider_can_have_is_refused_with_its_place() {
        let text = "[provider.Big.upstream]\n[provider.main.upstream]\n[provider.a.server]\n[provider.a.upstream]\n\
                    max_concurency = 1\nusername = 'u'\nmax_response_bytes = 0\n[provider.b]\nc = 1\n";
        let environment = [("CONAX_GATEWAY_PROVIDER_A_UPSTREAM_ULR", "x")];
        let faults = loaded(text, &environment).unwrap_err();
        for expected in [
            "c.toml:1: provider.Big: a name has small letters and digits",
            "c.toml:2: provider.main: that is the first provider",
            "c.toml:3: a provider has no section [server]",
            "c.toml:5: unknown setting provider.a.upstream.max_concurency. Did you mean provider.a.upstream.max_concurrency?",
            "c.toml:6: provider.a.upstream.username is set without provider.a.upstream.password",
            "c.toml:7: provider.a.upstream.max_response_bytes must be",
            "c.toml:9: a provider has no section [c]",
            "CONAX_GATEWAY_PROVIDER_A_UPSTREAM_ULR: there is no setting of that name",
        ] {
            assert!(faults.contains(expected), "{expected} not in:\n{faults}");
        }
    }
}
