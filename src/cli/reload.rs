//! SIGHUP: the configuration is read anew, and taken into use where nothing is wrong with it.

use std::sync::Arc;

use super::certificates::Certificates;
use super::service;
use super::settings::{ConfigFlags, loaded};
use crate::app::StartError;
use crate::reload::Reloadable;
use crate::telemetry::Telemetry;

/// The parts of the process that take a new configuration.
pub(super) struct Reloader {
    /// The command line's choice of the configuration.
    pub(super) config: ConfigFlags,
    pub(super) flags: Vec<(&'static str, String, &'static str)>,
    pub(super) telemetry: Telemetry,
    pub(super) reloadable: Reloadable,
    pub(super) certificates: Arc<Certificates>,
}

impl Reloader {
    /// Reads it anew; files are read by blocking calls.
    pub(super) fn reload(&self) {
        service::reloading();
        match self.replace() {
            Ok(()) => {
                tracing::info!("the configuration is loaded anew; what else it changes takes effect with a restart")
            }
            Err(StartError(faults)) => {
                for fault in faults {
                    tracing::error!(fault, "the configuration is not loaded anew: all stays as it was");
                }
            }
        }
        service::ready();
    }

    fn replace(&self) -> Result<(), StartError> {
        let mut config = loaded(self.config.clone(), self.flags.clone()).into_config()?;
        config.read_secrets()?;
        let shown = self.reloadable.replace(&config, |new| self.certificates.check_replacement(new))?;
        self.certificates.set(shown);
        self.telemetry.set_filter(&config.log.filter);
        Ok(())
    }
}
