//! Logging to standard error, as text or JSON. No field ever carries a password, token, PIN or body.
//!
//! A separate thread writes the lines, so that requests wait neither for the terminal nor for each other. When the
//! reader of standard error stops reading, lines are dropped and the gateway goes on.

mod lines;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogFormat};
use lines::Lines;

pub use lines::LogGuard;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The writing thread cannot be started.
    #[error("logging: {0}")]
    Thread(std::io::Error),
    /// Logging is already set up.
    #[error("logging: {0}")]
    Init(#[from] TryInitError),
}

/// Sets up logging for the whole process, until the guard is dropped.
///
/// # Errors
/// Logging is already set up, or the thread cannot be started.
pub fn start(config: &Log) -> Result<LogGuard, TelemetryError> {
    let filter = config.filter.0.clone();
    let (lines, guard) = Lines::start().map_err(TelemetryError::Thread)?;
    // Without colours every escape sequence in a line came from outside, and `lines` makes it visible.
    let layer = tracing_subscriber::fmt::layer().with_writer(move || lines.clone()).with_ansi(false);
    match config.format {
        LogFormat::Text => tracing_subscriber::registry().with(filter).with(layer).try_init()?,
        LogFormat::Json => tracing_subscriber::registry().with(filter).with(layer.json()).try_init()?,
    }
    Ok(guard)
}
