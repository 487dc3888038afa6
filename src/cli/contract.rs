//! `contract check`: loads WSDL, XSD and bindings, and lists what is bound to what.

use super::settings::{ConfigFlags, configuration};
use super::{Failed, output};
use crate::app;
use crate::contract::{BoundField, Operation, Resend, SoapVersion, ValueSource};

/// Flags of `contract`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Loads the contract; lists each request type with its operation and each field with its element.
    Check(ConfigFlags),
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let Action::Check(flags) = &args.action;
    let config = configuration(flags.clone(), Vec::new())?;
    let contract = app::load_contract(&config)?;
    output::lines(contract.operations().map(|operation| in_words(operation, contract.base_path())));
    Ok(())
}

fn in_words(operation: &Operation, base_path: &str) -> String {
    let Operation { request_type, wsdl, name, path, soap, resend, .. } = operation;
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
    for (arrow, fields) in [("->", &operation.input_fields), ("<-", &operation.output_fields)] {
        for BoundField { source, path, type_description, mandatory, many, .. } in fields {
            let source = match source {
                ValueSource::Field(name) => name.clone(),
                ValueSource::Constant(text) | ValueSource::Fixed(text) => format!("\"{text}\""),
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
            words.push_str(&format!("\n  {source}{mark} {arrow} {path}: {type_description}"));
        }
    }
    words
}
