//! `config check | default`.

use super::settings::{ConfigFlags, loaded, settings_used};
use super::startup::{self, Checked};
use super::{Failed, output};
use crate::config::default_toml;

/// Flags of `config`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Checks everything that a start needs: the configuration, its files, folders and addresses, and its SOAP
    /// contract. Lists every fault, and changes nothing.
    Check(ConfigFlags),
    /// Prints the default configuration, with comments.
    Default,
}

pub(super) async fn run(args: &Args) -> Result<(), Failed> {
    match &args.action {
        Action::Default => {
            output::line(default_toml().trim_end());
            Ok(())
        }
        Action::Check(flags) => {
            let Checked { config, warnings, .. } = startup::check(loaded(flags.clone(), Vec::new())).await?;
            warnings.iter().for_each(|warning| output::note(&format!("conax-gateway: warning: {warning}")));
            output::note(&settings_used(&config));
            output::line("configuration and SOAP contract are good");
            Ok(())
        }
    }
}
