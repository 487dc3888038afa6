//! Logging to standard error, as text or JSON. No field ever carries a password, token, PIN or body.
//!
//! A thread of its own writes the lines: requests neither wait for the terminal nor for each other. When whoever reads
//! them stops reading, lines are dropped and the gateway goes on.

use std::io::{BufWriter, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::{Log, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It is set up already.
    #[error("logging: {0}")]
    Init(#[from] TryInitError),
}

/// Keeps the writing thread; dropping it writes what waits.
pub use tracing_appender::non_blocking::WorkerGuard;

/// Sets up logging for the whole process, until the guard is dropped.
///
/// # Errors
/// A filter that cannot be read, or logging that is set up already.
pub fn start(config: &Log) -> Result<WorkerGuard, TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = EnvFilter::builder().parse(&config.filter)?;
    let (writer, guard) = tracing_appender::non_blocking(BufWriter::new(std::io::stderr()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal());
    match config.format {
        LogFormat::Text => builder.finish().try_init()?,
        LogFormat::Json => builder.json().finish().try_init()?,
    }
    Ok(guard)
}
