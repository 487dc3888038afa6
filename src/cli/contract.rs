//! `contract check`: loads WSDL, XSD and bindings, and lists the bindings. `contract draft`: prints bindings to start
//! from.

use std::path::{Path, PathBuf};

use super::settings::{ConfigFlags, configuration};
use super::{Failed, output};
use crate::app;
use crate::contract::{BoundField, DraftOrder, Operation, Resend, SoapVersion, ValueSource, draft};
use crate::request::RequestType;

/// Flags of `contract`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Args)]
struct DraftFlags {
    /// WSDL files.
    #[arg(required = true, value_name = "WSDL")]
    wsdls: Vec<PathBuf>,
    /// Folder for the bindings; by default the folder of the first WSDL.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only this request type.
    #[arg(long = "type", value_name = "TYPE")]
    request_type: Option<RequestType>,
    /// Operation for that type; by default the operation with the most similar name.
    #[arg(long, value_name = "NAME", requires = "request_type")]
    operation: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Loads the contract; lists each request type with its operation and each field with its element.
    Check(ConfigFlags),
    /// Prints a bindings.toml to start from, guessed from the WSDLs alone.
    Draft(DraftFlags),
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let flags = match &args.action {
        Action::Check(flags) => flags,
        Action::Draft(flags) => return print_draft(flags),
    };
    let config = configuration(flags.clone(), Vec::new())?;
    let contract = app::load_contract(&config)?;
    output::lines(contract.operations().map(|operation| in_words(operation, contract.base_path())));
    Ok(())
}

fn print_draft(flags: &DraftFlags) -> Result<(), Failed> {
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

fn in_words(operation: &Operation, base_path: &str) -> String {
    let Operation { request_type, wsdl, name, path, port, other_ports, soap, resend, .. } = operation;
    let soap = match soap {
        SoapVersion::V11 => "1.1",
        SoapVersion::V12 => "1.2",
    };
    let resend = match resend {
        Resend::Safe => "safe".to_owned(),
        Resend::Verify(query) => format!("verify by {query}"),
        Resend::Never => "never".to_owned(),
    };
    let mut words = format!("{request_type}: {name} ({wsdl}, {base_path}{path}, SOAP {soap}, resend {resend})");
    if !other_ports.is_empty() {
        words.push_str(&format!("\n  port {port} of {}; not {}", other_ports.len() + 1, other_ports.join(", ")));
    }
    if operation.is_answer_void() {
        words.push_str("\n  (no answer but a fault)");
    }
    for (arrow, fields) in [("->", &operation.input_fields), ("<-", &operation.output_fields)] {
        for BoundField { source, path, simple, mandatory, many, .. } in fields {
            let source = match source {
                ValueSource::Field(name) => name.clone(),
                ValueSource::Constant(text) | ValueSource::Fixed(text) => format!("\"{text}\""),
                ValueSource::Template(template) => format!("\"{template}\""),
                ValueSource::Status => "(status)".to_owned(),
                ValueSource::Reference => "(reference)".to_owned(),
                ValueSource::Message => "(message)".to_owned(),
            };
            let mark = match (mandatory, many) {
                (true, true) => "+",
                (true, false) => "",
                (false, true) => "*",
                (false, false) => "?",
            };
            let description = simple.as_ref().map_or_else(|| "XML".to_owned(), ToString::to_string);
            words.push_str(&format!("\n  {source}{mark} {arrow} {path}: {description}"));
        }
    }
    words
}
