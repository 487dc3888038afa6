//! Checks what the type of a setting cannot: values that cannot be meant, and settings that depend on or exclude each other.
//!
//! Rule: no file is opened and nothing is asked; what a setting names is looked at by whoever needs that.

use super::provider::{MAIN, prefix};
use super::read::{Layers, Raw};
use super::secrets::FILE;
use super::{Config, ConfigFault, Upstream, settings};

/// The greatest number of connections to the store of one kind: each is a file or a process of the server.
const MOST_CONNECTIONS: usize = 1000;

impl Layers {
    /// Checks values that are of their setting's type, and still cannot be meant.
    pub(super) fn check_values(&mut self, config: &Config) {
        let Config { store, fixtures, .. } = config;
        let is_name = |name: &String| {
            let local = name.strip_prefix('{').map_or(Some(name.as_str()), |rest| Some(rest.split_once('}')?.1));
            local.is_some_and(|local| !local.is_empty() && !local.contains(|c: char| "{}<>&/: ".contains(c)))
        };
        let names = "names of elements, local or as {namespace}local";
        let connections = &*format!("at most {MOST_CONNECTIONS}");
        let values = [
            ("store.readers", store.readers <= MOST_CONNECTIONS, connections),
            ("store.writers", store.writers <= MOST_CONNECTIONS, connections),
            ("fixtures.redact", fixtures.redact.iter().all(is_name), names),
            ("fixtures.volatile", fixtures.volatile.iter().all(is_name), names),
        ];
        for (setting, _, expected) in values.into_iter().filter(|(_, is_good, _)| !is_good) {
            self.refuse(setting, expected);
        }
        let of_providers = config.providers.iter().map(|(name, sections)| (prefix(name), &sections.upstream));
        for (prefix, upstream) in of_providers.chain([(prefix(MAIN), &config.upstream)]) {
            // RFC 7617, 2
            if upstream.username.as_deref().is_some_and(|name| name.contains(|c: char| c == ':' || c.is_control())) {
                self.refuse(&format!("{prefix}upstream.username"), "without ':' and control characters");
            }
        }
    }

    fn refuse(&mut self, setting: &str, expected: &str) {
        let location = self.place_of(setting).unwrap_or_default();
        let message = format!("{setting} must be {expected}");
        self.faults.push(ConfigFault { location, setting: Some(setting.to_owned()), message });
    }

    /// Checks settings that depend on or exclude each other.
    pub(super) fn check_pairs(&mut self, config: &Config) {
        let Config { server, upstream, otlp, .. } = config;
        let tls = [("tls_certificate", server.tls_certificate.is_some()), ("tls_key", server.tls_key.is_some())];
        self.check_pair("server.", tls);
        self.check_upstream(&prefix(MAIN), upstream);
        for (name, sections) in &config.providers {
            self.check_upstream(&prefix(name), &sections.upstream);
        }
        let prefixes: Vec<_> = config.providers.keys().map(String::as_str).chain([MAIN]).map(prefix).collect();
        for setting in settings().into_iter().filter(|setting| setting.is_secret) {
            for secret in prefixes.iter().map(|prefix| format!("{prefix}{}.{}", setting.section, setting.key)) {
                let file = format!("{secret}{FILE}");
                if self.is_given(&secret) && self.is_given(&file) {
                    let location = self.place_of(&file).unwrap_or_default();
                    self.fault(location, format!("{file} is set beside {secret}: remove one of them"));
                }
            }
        }
        let has_url =
            otlp.url.is_some() || self.faults.iter().any(|fault| fault.setting.as_deref() == Some("otlp.url"));
        let given = ["otlp.authorization", "otlp.authorization_file"].into_iter().find(|name| self.is_given(name));
        if let Some(given) = given.filter(|_| !has_url) {
            let location = self.place_of(given).unwrap_or_default();
            self.fault(location, format!("{given} is set without otlp.url"));
        }
    }

    /// Has a setting a value, and not the empty text that stands for none?
    fn is_given(&self, setting: &str) -> bool {
        self.values.get(setting).is_some_and(|given| match &given.value {
            Raw::Typed(value) => value.as_str() != Some(""),
            Raw::Text(text) => !text.is_empty(),
        })
    }

    fn check_upstream(&mut self, prefix: &str, upstream: &Upstream) {
        let section = format!("{prefix}upstream.");
        let has_password = upstream.password.is_some() || upstream.password_file.is_some();
        let certificate = ("client_certificate", upstream.client_certificate.is_some());
        self.check_pair(&section, [certificate, ("client_key", upstream.client_key.is_some())]);
        self.check_pair(&section, [("username", upstream.username.is_some()), ("password", has_password)]);
    }

    /// Checks that two settings of a section are both there, or neither.
    fn check_pair(&mut self, section: &str, [first, second]: [(&str, bool); 2]) {
        if first.1 == second.1 {
            return;
        }
        let (given, missing) = if first.1 { (first.0, second.0) } else { (second.0, first.0) };
        let (given, missing) = (format!("{section}{given}"), format!("{section}{missing}"));
        if self.faults.iter().all(|fault| fault.setting.as_ref() != Some(&missing)) {
            let location = self.place_of(&given).or_else(|| self.place_of(&format!("{section}password_file")));
            self.fault(location.unwrap_or_default(), format!("{given} is set without {missing}"));
        }
    }
}
