//! The configuration: one documented struct a section, read from a TOML file and the environment.
//!
//! Precedence: flag, environment (`CONAX_GATEWAY_SERVER_LISTEN` is `server.listen`), file, default. Unknown keys are
//! refused, every fault is reported at once with its location, and secrets print as `***`.

mod check;
mod environment;
mod file;
mod find;
mod provider;
mod read;
mod secrets;
mod sections;
mod setting;
mod target;

use std::path::Path;

use crate::secret::Secret;

pub use environment::BOOTSTRAP;
pub use find::{candidates, find_file, is_switched_off, user_folder};
pub use provider::{MAIN, ProviderSections};
pub use read::{ConfigFault, Inputs, Loaded, load};
pub use secrets::Secrets;
pub use sections::{
    Auth, CatalogueSection, Config, ContractSection, FixturesSection, Log, MetricsSection, Otlp, PassThrough,
    Processor, Server, SimulatorSection, StoreSection, Upstream,
};
pub use setting::{
    CardRange, FileFault, HttpStatusMode, LogFilter, LogFormat, MetricsListen, Setting, SettingInfo, SimulatorBehavior,
};
pub use target::{BaseUrl, StoreUrl, UpstreamSource, UpstreamTarget};

impl Config {
    /// Takes the secrets that are in files of their own. Only who needs them does that: the files may be readable for the
    /// service alone. The store's is read by whoever opens the store.
    ///
    /// # Errors
    /// Every file that cannot be read, or has nothing in it.
    pub fn read_secrets(&mut self) -> Result<(), Vec<FileFault>> {
        let mut faults = read_secrets_of(&mut self.secrets, &mut self.upstream);
        for (name, sections) in &mut self.providers {
            let found = read_secrets_of(&mut sections.secrets, &mut sections.upstream);
            let named = |fault: FileFault| FileFault { message: format!("(of {name}) {}", fault.message), ..fault };
            faults.extend(found.into_iter().map(named));
        }
        let Otlp { authorization_file, authorization, .. } = &mut self.otlp;
        faults.extend(read_into(authorization, "otlp.authorization_file", authorization_file.as_deref()));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

impl StoreSection {
    /// The password of the user of PostgreSQL, wherever it is.
    ///
    /// # Errors
    /// A file that cannot be read, or has nothing in it.
    pub fn password(&self) -> Result<Option<Secret>, FileFault> {
        match &self.password_file {
            Some(file) => read_secret_file("store.password_file", file).map(Some),
            None => Ok(self.password.clone()),
        }
    }
}

fn read_secrets_of(secrets: &mut Secrets, upstream: &mut Upstream) -> Vec<FileFault> {
    let mut faults = secrets.read_values();
    let Upstream { password, password_file, .. } = upstream;
    faults.extend(read_into(password, "upstream.password_file", password_file.as_deref()));
    faults
}

fn read_into(secret: &mut Option<Secret>, setting: &'static str, file: Option<&Path>) -> Option<FileFault> {
    match read_secret_file(setting, file?) {
        Ok(read) => *secret = Some(read),
        Err(fault) => return Some(fault),
    }
    None
}

/// The secret in the first line of the file that a setting names.
///
/// # Errors
/// The file cannot be read, or has nothing in its first line.
pub fn read_secret_file(setting: &'static str, file: &Path) -> Result<Secret, FileFault> {
    let fault = |message: String| FileFault { setting, message: format!("{}: {message}", file.display()) };
    secrets::first_line(file).map_err(fault)
}

/// Every setting, in the order of the sections.
pub fn settings() -> Vec<SettingInfo> {
    Config::settings()
}

/// The whole configuration at its defaults, as commented TOML; `config default` prints it.
pub fn default_toml() -> String {
    let mut out = String::from(
        "# conax-gateway configuration. Every line shows a default; remove the '#' to change it.\n\
         # The environment wins over this file: server.listen is CONAX_GATEWAY_SERVER_LISTEN, and so on.\n",
    );
    let mut section = "";
    for setting in settings() {
        if setting.section != section {
            section = setting.section;
            out.push_str(&format!("\n[{section}]\n"));
        }
        out.push_str(&format!("# {}\n#{} = {}\n", setting.doc, setting.key, setting.default));
    }
    out.push_str(
        "\n[secrets]\n\
         # What a contract's requests need and nobody may see, by names of your own that bindings.toml uses as {secret.NAME}:\n\
         #   cas_password = \"…\"\n\
         #   cas_password_file = \"/run/secrets/cas\"  (the first line of that file)\n\
         \n\
         # A further provider beside the first one, with a contract, an upstream and limits of its own: the sections contract,\n\
         # upstream, simulator and secrets once more, below a name.\n\
         #   [provider.panaccess.contract]\n\
         #   dir = \"/etc/conax-gateway/panaccess\"\n\
         #   [provider.panaccess.upstream]\n\
         #   url = \"https://cas.example.net\"\n",
    );
    out
}
