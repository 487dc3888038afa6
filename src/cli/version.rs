//! `version`: which program this is.

use serde_json::json;

use super::output::ResultFlag;

/// Flags of `version`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    result: ResultFlag,
}

pub(super) fn run(args: &Args) {
    let whole = env!("BUILD_VERSION");
    let commit = whole.split_once(" (").map(|(_, rest)| rest.trim_end_matches(')'));
    let value = json!({"version": env!("CARGO_PKG_VERSION"), "commit": commit});
    args.result.print(&format!("conax-gateway {whole}"), &value);
}
