//! `contract check`: loads WSDL, XSD and bindings, and lists the bindings.

mod draft;
mod trial;

use serde_json::{Value, json};

use super::Failed;
use super::output::{self, ResultFlag};
use super::settings::{ConfigFlags, configuration, contracts_of};
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
    #[command(after_help = "Example:\n  conax-gateway contract check --json")]
    Check {
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        config: ConfigFlags,
    },
    /// Prints a bindings.toml to start from, guessed from the WSDLs alone.
    Draft(draft::DraftFlags),
    /// Prints the SOAP request that a call would be sent as, and reads an answer; nothing is sent.
    Try(trial::TryFlags),
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    match &args.action {
        Action::Check { result, config } => check(config, *result),
        Action::Draft(flags) => draft::run(flags),
        Action::Try(flags) => trial::run(flags),
    }
}

fn check(flags: &ConfigFlags, result: ResultFlag) -> Result<(), Failed> {
    let mut config = configuration(flags.clone(), Vec::new())?;
    // The files may be readable for the service alone.
    for fault in config.read_secrets().err().into_iter().flatten() {
        output::note(&format!("conax-gateway: warning: {fault}; the secret is not tried"));
    }
    let contracts = contracts_of(&config)?;
    let (mut words, mut operations) = (Vec::new(), Vec::new());
    for (config, contract) in &contracts {
        app::check_secrets(config, contract).map_err(|error| error.of_provider(config))?;
        if contracts.len() > 1 {
            words.push(format!("provider {}:", config.provider));
        }
        for operation in contract.operations() {
            words.push(in_words(operation, contract.base_path()));
            operations.push(as_json(operation, &config.provider, contract.base_path()));
        }
    }
    result.print_lines(words, &operations.into());
    Ok(())
}

fn as_json(operation: &Operation, provider: &str, base_path: &str) -> Value {
    let fields = |fields: &[BoundField]| -> Vec<Value> {
        let field = |field: &BoundField| {
            let kind = field.simple.as_ref().map(ToString::to_string);
            json!({"source": source_of(field), "path": field.path.to_string(), "type": kind, "is_mandatory": field.mandatory, "is_many": field.many})
        };
        fields.iter().map(field).collect()
    };
    json!({
        "provider": provider,
        "type": operation.request_type.as_str(),
        "operation": operation.name,
        "wsdl": operation.wsdl,
        "path": format!("{base_path}{}", operation.path),
        "soap": soap_version(operation.soap),
        "resend": resend_rule(&operation.resend),
        "batch": operation.batch,
        "request": fields(&operation.input_fields),
        "answer": fields(&operation.output_fields),
    })
}

fn soap_version(version: SoapVersion) -> &'static str {
    match version {
        SoapVersion::V11 => "1.1",
        SoapVersion::V12 => "1.2",
    }
}

fn resend_rule(resend: &Resend) -> String {
    match resend {
        Resend::Safe => "safe".to_owned(),
        Resend::Verify(query) => format!("verify by {query}"),
        Resend::Never => "never".to_owned(),
    }
}

fn source_of(field: &BoundField) -> String {
    match &field.source {
        ValueSource::Field(name) => name.clone(),
        ValueSource::Constant(text) | ValueSource::Fixed(text) => format!("\"{text}\""),
        ValueSource::Template(template) => format!("\"{template}\""),
        ValueSource::Piece(piece) => format!("<{}>", piece.name().local),
        ValueSource::Status => "(status)".to_owned(),
        ValueSource::Reference => "(reference)".to_owned(),
        ValueSource::Message => "(message)".to_owned(),
    }
}

fn in_words(operation: &Operation, base_path: &str) -> String {
    let Operation { request_type, wsdl, name, path, port, other_ports, soap, resend, .. } = operation;
    let (soap, resend) = (soap_version(*soap), resend_rule(resend));
    let mut words = format!("{request_type}: {name} ({wsdl}, {base_path}{path}, SOAP {soap}, resend {resend})");
    if !other_ports.is_empty() {
        words.push_str(&format!("\n  port {port} of {}; not {}", other_ports.len() + 1, other_ports.join(", ")));
    }
    if let Some(batch) = operation.batch {
        let of_whom = if operation.coalesces { ", of one request or several" } else { "" };
        words.push_str(&format!("\n  at most {batch} cards a call{of_whom}"));
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
    for name in &operation.declared_headers {
        if !operation.headers.iter().any(|piece| piece.name() == name) {
            words.push_str(&format!("\n  no header {name}, which the WSDL declares"));
        }
    }
    for (arrow, fields) in [("->", &operation.input_fields), ("<-", &operation.output_fields)] {
        for field in fields {
            let BoundField { path, simple, mandatory, many, .. } = field;
            let source = source_of(field);
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
