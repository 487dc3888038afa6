//! `config check | default`.

use serde_json::json;

use super::output::ResultFlag;
use super::settings::{ConfigFlags, loaded, settings_used};
use super::startup::{self, Checked};
use super::{Failed, certificates, output};
use crate::clock::{Clock as _, SystemClock};
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
    #[command(after_help = "Example:\n  conax-gateway config check --config /etc/conax-gateway/gateway.toml")]
    Check {
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        config: ConfigFlags,
    },
    /// Prints the default configuration, with comments.
    #[command(after_help = "Example:\n  conax-gateway config default")]
    Default,
}

pub(super) async fn run(args: &Args) -> Result<(), Failed> {
    match &args.action {
        Action::Default => {
            output::line(default_toml().trim_end());
            Ok(())
        }
        Action::Check { result, config: flags } => {
            let Checked { config, certificates, mut warnings, .. } =
                startup::check(loaded(flags.clone(), Vec::new())).await?;
            warnings.extend(certificates::warnings(&certificates, SystemClock.now()));
            warnings.iter().for_each(|warning| output::note(&format!("conax-gateway: warning: {warning}")));
            output::note(&settings_used(&config));
            let file = config.file.as_ref().map(|file| file.display().to_string());
            result.print(
                "configuration and SOAP contract are good",
                &json!({"is_good": true, "file": file, "warnings": warnings}),
            );
            Ok(())
        }
    }
}
