//! `config check | default`.

use super::settings::{ConfigFlags, configuration};
use super::{Failed, output};
use crate::app;
use crate::config::{FileFault, Upstream, default_toml};
use crate::tls;
use crate::upstream::LiveTransport;

/// Flags of `config`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Checks the configuration, its certificates and its SOAP contract; lists every fault.
    Check(ConfigFlags),
    /// Prints the default configuration, with comments.
    Default,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    match &args.action {
        Action::Default => {
            output::line(default_toml().trim_end());
            Ok(())
        }
        Action::Check(flags) => {
            let config = configuration(flags.clone(), Vec::new())?;
            tls::install_provider();
            let faults: Vec<String> = [
                app::load_contract(&config).err().map(|e| e.to_string()),
                app::server_tls(&config).err().map(|e| e.to_string()),
                upstream(&config.upstream).err().map(|e| e.to_string()),
            ]
            .into_iter()
            .flatten()
            .collect();
            if faults.is_empty() {
                output::line("configuration and SOAP contract are good");
                Ok(())
            } else {
                Err(Failed(faults.join("\n")))
            }
        }
    }
}

/// The way to Conax, as `serve` would build it.
fn upstream(config: &Upstream) -> Result<LiveTransport, FileFault> {
    LiveTransport::new("http://localhost", config, &tls::client_config(config)?)
}
