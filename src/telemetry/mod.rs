//! Logging to standard error, as text or JSON. No field ever carries a password, token, PIN or body.
//!
//! A separate thread writes the lines, so that requests wait neither for the terminal nor for each other. When the
//! reader of standard error stops reading, lines are dropped and the gateway goes on.

mod lines;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogFilter, LogFormat};
use lines::{Lines, LogGuard};

/// The failure to set up logging.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The writing thread cannot be started.
    #[error("logging: {0}")]
    Thread(std::io::Error),
    /// Logging is already set up.
    #[error("logging: {0}")]
    Init(#[from] TryInitError),
}

/// Logging that is set up; dropping it writes what waits.
pub struct Telemetry {
    filter: reload::Handle<Targets, Registry>,
    _guard: LogGuard,
}

impl Telemetry {
    /// From now on other lines are written.
    pub fn set_filter(&self, filter: &LogFilter) {
        // A reload fails only when logging has ended, and `_guard` keeps logging alive.
        if let Err(error) = self.filter.reload(filter.0.clone()) {
            tracing::warn!(%error, "log.filter stays as it was");
        }
    }
}

/// Sets up logging for the whole process, until the guard is dropped.
///
/// # Errors
/// Logging is already set up, or the thread cannot be started.
pub fn start(config: &Log) -> Result<Telemetry, TelemetryError> {
    let filter = config.filter.0.clone();
    let (lines, guard) = Lines::start().map_err(TelemetryError::Thread)?;
    // Without colours every escape sequence in a line came from outside, and `lines` makes it visible.
    let (filter, handle) = reload::Layer::new(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(move || lines.clone()).with_ansi(false);
    match config.format {
        LogFormat::Text => tracing_subscriber::registry().with(filter).with(layer).try_init()?,
        LogFormat::Json => {
            tracing_subscriber::registry().with(filter).with(layer.json().with_span_list(false)).try_init()?
        }
    }
    Ok(Telemetry { filter: handle, _guard: guard })
}
