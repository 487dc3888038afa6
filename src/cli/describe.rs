//! `man` and `completions`: what the command line itself says of its commands, for other programs.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Failed, output};

/// The program's name, as it is called.
const NAME: &str = "conax-gateway";

/// Flags of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  conax-gateway completions bash")]
pub(super) struct CompletionsArgs {
    /// Shell to complete in.
    shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  conax-gateway man target/man")]
pub(super) struct ManArgs {
    /// Folder for a page of each command; without it the program's own page is printed.
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}

pub(super) fn man(args: &ManArgs) -> Result<(), Failed> {
    let command = Cli::command().name(NAME);
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| Failed(format!("{}: {error}", dir.display())))?;
            Ok(clap_mangen::generate_to(command, dir)?)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            output::line(String::from_utf8_lossy(&page).trim_end());
            Ok(())
        }
    }
}
