//! Logging to standard error, as text or JSON. No field ever carries a password, token, PIN or body.
//!
//! A thread of its own writes the lines: requests neither wait for the terminal nor for each other. When whoever reads
//! them stops reading, lines are dropped and the gateway goes on.

mod lines;

use std::io::IsTerminal as _;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogFormat};
use lines::Lines;

pub use lines::LogGuard;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The thread that writes it cannot be started.
    #[error("logging: {0}")]
    Thread(std::io::Error),
    /// It is set up already.
    #[error("logging: {0}")]
    Init(#[from] TryInitError),
}

/// Sets up logging for the whole process, until the guard is dropped.
///
/// # Errors
/// A filter that cannot be read, or logging that is set up already.
pub fn start(config: &Log) -> Result<LogGuard, TelemetryError> {
    let filter: Targets = config.filter.parse()?;
    let (lines, guard) = Lines::start().map_err(TelemetryError::Thread)?;
    let layer =
        tracing_subscriber::fmt::layer().with_writer(move || lines.clone()).with_ansi(std::io::stderr().is_terminal());
    match config.format {
        LogFormat::Text => tracing_subscriber::registry().with(filter).with(layer).try_init()?,
        LogFormat::Json => tracing_subscriber::registry().with(filter).with(layer.json()).try_init()?,
    }
    Ok(guard)
}
