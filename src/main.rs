//! The binary: parses the command line, runs it, and exits with its code.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    conax_gateway::cli::run(conax_gateway::cli::Cli::parse())
}
