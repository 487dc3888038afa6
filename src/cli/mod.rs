//! The command line: a file for each subcommand, each with a `run`. Results go to standard output, everything else to
//! standard error.

mod allocator;
mod backup;
mod catalogue;
mod certificates;
mod config;
mod contract;
mod describe;
mod exchanges;
mod first_user;
mod fixtures;
mod health;
mod key;
mod output;
mod reload;
mod requests;
mod serve;
mod service;
mod settings;
mod simulator;
mod startup;
mod store;
mod user;
mod values;
mod version;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::StartError;
use crate::store::StoreError;

/// Provisioning gateway between CRM.COM's JSON methods and Conax's SOAP services.
///
/// Without a command the gateway runs: embedded SQLite in ./data, 127.0.0.1:8080, the built-in Conax simulator.
#[derive(Debug, Parser)]
#[command(name = "conax-gateway", version = env!("BUILD_VERSION"), args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway (the default).
    Serve(serve::Args),
    /// Runs the Conax simulator alone, on its own socket.
    Simulator(simulator::Args),
    /// Checks a configuration and its SOAP contract, or prints the default.
    Config(config::Args),
    /// Checks the SOAP contract and lists what it binds.
    Contract(contract::Args),
    /// Users: add, passwd, list, remove.
    User(user::Args),
    /// API keys: add, list, remove.
    Key(key::Args),
    /// Catalogue: import, list.
    Catalogue(catalogue::Args),
    /// Recorded traffic: check, redact, diff, import, export.
    Fixtures(fixtures::Args),
    /// Provisioning requests: list, tail, show, diff, again, retry, cancel, settle.
    Requests(requests::Args),
    /// Raw SOAP traffic: list, show, export, tail.
    Exchanges(exchanges::Args),
    /// Copies the database into a new file, while the gateway runs or not.
    #[command(after_help = "Example:\n  conax-gateway backup /var/backups/conax-gateway.sqlite3")]
    Backup(backup::Args),
    /// Puts such a copy in the place of the database, while no gateway runs; what was there is kept beside it.
    #[command(after_help = "Example:\n  conax-gateway restore /var/backups/conax-gateway.sqlite3")]
    Restore(backup::Args),
    /// The store: migrate, copy.
    Store(store::Args),
    /// Asks the running gateway whether it is alive: exit code 0 if it is.
    #[command(after_help = "Example:\n  conax-gateway health --json")]
    Health(health::Args),
    /// Prints the version, and the commit that it was built from.
    #[command(after_help = "Example:\n  conax-gateway version --json")]
    Version(version::Args),
    /// Prints the completions of a shell.
    Completions(describe::CompletionsArgs),
    /// Prints the manual page, or writes a page of each command.
    Man(describe::ManArgs),
}

/// The faults of a failed command, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(String);

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command line. Exit code 0: done; 1: failed; 2: wrong usage (clap's).
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap's message quotes the arguments, so it is made printable.
        Err(error) if error.use_stderr() => {
            output::note(error.render().to_string().trim_end());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
        // clap reports help and version as errors.
        Err(error) => error.exit(),
    };
    if matches!(cli.command, None | Some(Command::Serve(_))) {
        allocator::configure();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failed(&format!("cannot start: {error}")),
    };
    let result = runtime.block_on(async {
        match cli.command.unwrap_or(Command::Serve(cli.serve)) {
            Command::Serve(args) => serve::run(args).await,
            Command::Simulator(args) => simulator::run(args).await,
            Command::Config(args) => config::run(&args).await,
            Command::Contract(args) => contract::run(&args),
            Command::User(args) => user::run(args).await,
            Command::Key(args) => key::run(args).await,
            Command::Catalogue(args) => catalogue::run(args).await,
            Command::Fixtures(args) => fixtures::run(args).await,
            Command::Requests(args) => requests::run(args).await,
            Command::Exchanges(args) => exchanges::run(args).await,
            Command::Backup(args) => backup::backup(args).await,
            Command::Restore(args) => backup::restore(args).await,
            Command::Store(args) => store::run(args).await,
            Command::Health(args) => health::run(args).await,
            Command::Version(args) => {
                version::run(&args);
                Ok(())
            }
            Command::Completions(args) => describe::completions(&args),
            Command::Man(args) => describe::man(&args),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(message)) => output::failed(&message),
    }
}

/// The runtime leaves a core to the store's writer: with a worker on every core the writer, and with the writer every request,
/// would have to wait. A single worker needs no scheduler that moves tasks between threads.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut builder = match cores {
        0..=2 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(cores.saturating_sub(1).max(1)).enable_all().build()
}
