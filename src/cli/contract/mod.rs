//! `contract check`: loads WSDL, XSD and bindings, and lists the bindings.

mod draft;
mod trial;

use super::settings::{ConfigFlags, configuration};
use super::{Failed, output};
use crate::app;
use crate::contract::{BoundField, Operation, Resend, SoapVersion, Template, ValueSource};

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
    /// Prints a bindings.toml to start from, guessed from the WSDLs alone.
    Draft(draft::DraftFlags),
    /// Prints the SOAP request that a call would be sent as, and reads an answer; nothing is sent.
    Try(trial::TryFlags),
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    match &args.action {
        Action::Check(flags) => check(flags),
        Action::Draft(flags) => draft::run(flags),
        Action::Try(flags) => trial::run(flags),
    }
}

fn check(flags: &ConfigFlags) -> Result<(), Failed> {
    let config = configuration(flags.clone(), Vec::new())?;
    let contract = app::load_contract(&config)?;
    app::check_secrets(&config, &contract)?;
    output::lines(contract.operations().map(|operation| in_words(operation, contract.base_path())));
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
    for piece in &operation.headers {
        let values: Vec<&str> = piece.templates().flat_map(Template::names).collect();
        words.push_str(&format!("\n  header {}", piece.name()));
        if !values.is_empty() {
            words.push_str(&format!(": {}", values.join(", ")));
        }
    }
    for (arrow, fields) in [("->", &operation.input_fields), ("<-", &operation.output_fields)] {
        for BoundField { source, path, simple, mandatory, many, .. } in fields {
            let source = match source {
                ValueSource::Field(name) => name.clone(),
                ValueSource::Constant(text) | ValueSource::Fixed(text) => format!("\"{text}\""),
                ValueSource::Template(template) => format!("\"{template}\""),
                ValueSource::Piece(piece) => format!("<{}>", piece.name().local),
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
