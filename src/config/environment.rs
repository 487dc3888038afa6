//! Environment variables with the prefix of the settings that are no setting: a mistake, unless something else put them
//! there.

use std::sync::LazyLock;

use regex::Regex;

use super::SettingInfo;
use super::find::VARIABLE;
use crate::words::closest;

/// Prefix of the environment variables that are settings.
pub(super) const PREFIX: &str = "CONAX_GATEWAY_";
/// Further variables that are read: the first user's name, password, and file with that password.
pub const BOOTSTRAP: [&str; 3] =
    ["CONAX_GATEWAY_BOOTSTRAP_USER", "CONAX_GATEWAY_BOOTSTRAP_PASSWORD", "CONAX_GATEWAY_BOOTSTRAP_PASSWORD_FILE"];

/// Kubernetes and Docker name every service in the environment of the others: one called conax-gateway, or
/// conax-gateway-db, has our prefix. The URL tells a service's PORT from a mistyped setting.
static SERVICE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^[A-Z0-9_]*_(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=\d|PORT=(tcp|udp|sctp)://|PORT_\d+_(TCP|UDP|SCTP)(=|_(PROTO|PORT|ADDR)=))",
    )
    .expect("the pattern is a regular expression: a test uses it")
});

/// The fault of a variable that has the prefix and is no setting; `None` if another program's.
pub(super) fn unknown_variable(name: &str, value: &str, known: &[SettingInfo]) -> Option<String> {
    if BOOTSTRAP.contains(&name) || name == VARIABLE || SERVICE.is_match(&format!("{name}={value}")) {
        return None;
    }
    // The prefix is the same in all of them, and would make any two close.
    let known: Vec<String> = known.iter().map(SettingInfo::environment).collect();
    let names = known
        .iter()
        .map(String::as_str)
        .chain(BOOTSTRAP)
        .chain([VARIABLE])
        .filter_map(|name| name.strip_prefix(PREFIX));
    let hint = closest(name.strip_prefix(PREFIX)?, names);
    let hint = hint.map(|name| format!(" Did you mean {PREFIX}{name}?")).unwrap_or_default();
    Some(format!("there is no setting of that name.{hint}"))
}

#[cfg(test)]
mod tests {
    use super::super::settings;
    use super::*;

    #[test]
    fn a_mistyped_variable_is_named_and_a_service_is_left_alone() {
        let said = |name: &str, value: &str| unknown_variable(&format!("{PREFIX}{name}"), value, &settings());
        for (name, meant) in [
            ("SREVER_LISTEN", "SERVER_LISTEN"),
            ("UPSTEAM_URL", "UPSTREAM_URL"),
            ("BOOTSTRAP_PASWORD", "BOOTSTRAP_PASSWORD"),
            ("CONFG", "CONFIG"),
        ] {
            let said = said(name, "1").unwrap();
            assert!(said.ends_with(&format!(" Did you mean {PREFIX}{meant}?")), "{said}");
        }
        assert_eq!(said("QQQ", "1").unwrap(), "there is no setting of that name.");
        assert!(said("SERVER_PORT", "8080").is_some() && said("PORT", "8080").is_some());
        for (name, value) in [
            ("BOOTSTRAP_USER", "u"),
            ("CONFIG", "/etc/x.toml"),
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"),
            ("PORT", "tcp://10.0.0.1:8080"),
            ("PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("DB_SERVICE_HOST", "10.0.0.2"),
            ("SERVER_PORT", "tcp://10.0.0.1:8080"),
        ] {
            assert_eq!(said(name, value), None, "{name}={value}");
        }
    }
}
