//! `contract draft`: prints bindings to start from.

use std::path::{Path, PathBuf};

use crate::cli::{Failed, output, values};
use crate::contract::{DraftOrder, draft};
use crate::request::RequestType;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  conax-gateway contract draft wsdl/pairing.wsdl --type CREATE_PAIRING")]
pub(super) struct DraftFlags {
    /// WSDL files.
    #[arg(required = true, value_name = "WSDL")]
    wsdls: Vec<PathBuf>,
    /// Folder for the bindings; by default the folder of the first WSDL.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only this request type.
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, value_parser = values::bindable_type())]
    request_type: Option<RequestType>,
    /// Operation for that type; by default the operation with the most similar name.
    #[arg(long, value_name = "NAME", requires = "request_type")]
    operation: Option<String>,
}

pub(super) fn run(flags: &DraftFlags) -> Result<(), Failed> {
    let of_first = || flags.wsdls.first().and_then(|wsdl| wsdl.parent());
    let folder = flags.dir.as_deref().or_else(of_first).unwrap_or(Path::new(""));
    let name = |wsdl: &PathBuf| {
        let name = wsdl.strip_prefix(folder).ok()?.to_str()?;
        Some(name.to_owned())
    };
    let wsdls: Option<Vec<String>> = flags.wsdls.iter().map(name).collect();
    let wsdls = wsdls.ok_or_else(|| Failed(format!("the WSDLs are not all below {}", folder.display())))?;
    let DraftFlags { request_type, operation, .. } = flags;
    let order = DraftOrder { folder, wsdls: &wsdls, operation: operation.as_deref(), request_type: *request_type };
    let drafted = draft(&order)
        .map_err(|findings| Failed(findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    output::lines(drafted.lines());
    Ok(())
}
