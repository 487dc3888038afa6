//! The flags that several commands share, and the configuration that they select.

use std::path::PathBuf;
use std::sync::Arc;

use super::Failed;
use crate::app::{self, StartError};
use crate::config::{Config, Inputs, Loaded, MAIN, candidates, find_file, is_switched_off, load};
use crate::contract::Contract;
use crate::store::{self, Store};

/// The flag that names the configuration file.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ConfigFlags {
    /// Configuration file (TOML). Without it: $CONAX_GATEWAY_CONFIG, ./conax-gateway.toml,
    /// ~/.config/conax-gateway/gateway.toml, /etc/conax-gateway/gateway.toml; the first that there is.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// The flags that select the configuration of one provider.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ProviderFlags {
    #[command(flatten)]
    pub(super) config: ConfigFlags,
    /// The provider, where the configuration has several.
    #[arg(long, value_name = "NAME", default_value = MAIN)]
    pub(super) provider: String,
}

impl ProviderFlags {
    /// The configuration as the provider sees it.
    pub(super) fn load(self, flags: Vec<(&'static str, String, &'static str)>) -> Result<Config, Failed> {
        let configs = configuration(self.config, flags)?.of_providers();
        let names: Vec<_> = configs.iter().map(|config| config.provider.clone()).collect();
        let found = configs.into_iter().find(|config| config.provider == self.provider);
        let unknown = || Failed(format!("there is no provider {}: there is {}", self.provider, names.join(", ")));
        found.ok_or_else(unknown)
    }
}

/// The flags that select the store.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct StoreFlags {
    #[command(flatten)]
    pub(super) config: ConfigFlags,
    /// Folder of the database.
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<String>,
}

impl StoreFlags {
    /// The configuration with these flags.
    pub(super) fn load(self) -> Result<Config, Failed> {
        let flags = self.data_dir.map(|dir| ("store.data_dir", dir, "--data-dir"));
        configuration(self.config, flags.into_iter().collect())
    }
}

/// Opens a store that must exist: a mistyped folder must not look like an empty store.
pub(super) async fn open_existing(config: &Config) -> Result<Arc<dyn Store>, Failed> {
    store::open_existing(&config.store).await?.ok_or_else(|| {
        Failed(format!(
            "{}: there is no database. {}; name the folder with --data-dir, or the file with --config",
            store::location(&config.store),
            settings_used(config)
        ))
    })
}

/// The source of the settings, as a sentence.
pub(super) fn settings_used(config: &Config) -> String {
    match &config.file {
        Some(file) => {
            format!("The settings are those of {}", std::path::absolute(file).unwrap_or(file.clone()).display())
        }
        None if is_switched_off() => "The settings are the defaults, since CONAX_GATEWAY_CONFIG is empty".to_owned(),
        None => {
            let places: Vec<_> = candidates().iter().map(|file| file.display().to_string()).collect();
            format!("The settings are the defaults, since there is no configuration file ({})", places.join(", "))
        }
    }
}

/// Reads the configuration; `flags` are (setting, text, flag).
pub(super) fn configuration(
    file: ConfigFlags,
    flags: Vec<(&'static str, String, &'static str)>,
) -> Result<Config, Failed> {
    Ok(loaded(file, flags).into_config().map_err(StartError::from)?)
}

/// The contract of each provider, with the configuration as that one sees it.
pub(super) fn contracts_of(config: &Config) -> Result<Vec<(Config, Arc<Contract>)>, Failed> {
    let load = |config: Config| {
        let contract = app::load_contract(&config).map_err(|error| error.of_provider(&config))?;
        Ok((config, contract))
    };
    let contracts = config.of_providers().into_iter().map(load).collect::<Result<Vec<_>, StartError>>()?;
    app::check_contracts(&contracts.iter().map(|(config, contract)| (config, contract)).collect::<Vec<_>>())?;
    Ok(contracts)
}

/// Reads the configuration together with its faults.
pub(super) fn loaded(file: ConfigFlags, flags: Vec<(&'static str, String, &'static str)>) -> Loaded {
    load(&Inputs { file: find_file(file.config), environment: std::env::vars_os().collect(), flags })
}

/// The configuration with the secrets from files, which have to be masked where Conax repeats them.
pub(super) fn with_secrets(mut config: Config) -> Result<Config, Failed> {
    config.read_secrets().map_err(StartError::from)?;
    Ok(config)
}
