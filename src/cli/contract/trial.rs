//! `contract try`: the SOAP request that values make, and what an answer from a file says; nothing is sent.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::api::render::render;
use crate::cli::settings::{ConfigFlags, configuration, contracts_of};
use crate::cli::{Failed, output, values};
use crate::clock::{Clock as _, SystemClock};
use crate::contract::{Contract, Operation};
use crate::processor::{ClassifiedAnswer, classify_answer};
use crate::request::{Envelope, Fields, Rendered, RequestType};
use crate::upstream::{Call, HttpAnswer};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  conax-gateway contract try CREATE_PAIRING values.json --answer answer.xml")]
pub(super) struct TryFlags {
    /// The request type.
    #[arg(value_name = "TYPE", ignore_case = true, value_parser = values::bindable_type())]
    request_type: RequestType,
    /// JSON: for each parameter, by its name in the bindings, a value or an array of values.
    #[arg(value_name = "FILE.json")]
    values: PathBuf,
    /// An answer to read.
    #[arg(long, value_name = "FILE.xml")]
    answer: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
}

pub(super) fn run(flags: &TryFlags) -> Result<(), Failed> {
    let config = configuration(flags.config.clone(), Vec::new())?;
    let contracts = contracts_of(&config)?;
    let request_type = flags.request_type;
    let bound = contracts.iter().find_map(|(_, contract)| Some((contract, contract.operation(request_type)?)));
    let (contract, operation) =
        bound.ok_or_else(|| Failed(format!("the contract has no operation for {request_type}")))?;
    let fields = read_fields(&flags.values)?;
    let rendered = render(contract, request_type, &fields, SystemClock.now());
    let envelopes = match rendered.map_err(|error| Failed(error.to_string()))? {
        Rendered::Whole(envelope) => vec![envelope],
        Rendered::Parts(parts) => parts.into_iter().map(|part| part.envelope).collect(),
    };
    for (index, envelope) in envelopes.iter().enumerate() {
        if index > 0 {
            output::line("");
        }
        print_call(contract, operation, envelope);
    }
    if let Some(file) = &flags.answer {
        output::lines(std::iter::once(String::new()).chain(told(operation, read_file(file)?)));
    }
    Ok(())
}

fn print_call(contract: &Contract, operation: &Operation, envelope: &Envelope) {
    let call = Call::new(operation, &envelope.redacted, None);
    output::line(&format!("POST {}{}", contract.base_path(), call.path));
    output::line(&format!("Content-Type: {}", call.content_type));
    if let Some(action) = &call.soap_action {
        output::line(&format!("SOAPAction: {action}"));
    }
    output::line(&format!("\n{}", envelope.redacted));
}

fn read_file(file: &Path) -> Result<Vec<u8>, Failed> {
    std::fs::read(file).map_err(|error| Failed(format!("{}: {error}", file.display())))
}

/// The values in a file.
fn read_fields(file: &Path) -> Result<Fields, Failed> {
    let fault = |reason: String| Failed(format!("{}: {reason}", file.display()));
    let values: Map<String, Value> =
        serde_json::from_slice(&read_file(file)?).map_err(|error| fault(error.to_string()))?;
    let mut fields = Fields::new();
    for (name, value) in &values {
        let several = match value {
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in several {
            match value {
                Value::String(text) => fields.push(name, text),
                Value::Number(number) => fields.push(name, number.to_string()),
                Value::Null => fields.push_option(name, None),
                _ => return Err(fault(format!("'{name}' is neither a text nor a number, nor an array of those"))),
            }
        }
    }
    Ok(fields)
}

/// Prints the classification of an answer.
fn told(operation: &Operation, body: Vec<u8>) -> Vec<String> {
    let (status, reason) = (200, "OK".to_owned());
    let answer = HttpAnswer { status, reason, content_type: None, body, retry_after: None, recorded: None };
    let ClassifiedAnswer { classification, reference, failure, result, .. } = classify_answer(operation, answer);
    let mut lines = vec![format!("{classification:?}")];
    lines.extend(reference.map(|reference| format!("reference: {reference}")));
    if let Some(failure) = failure {
        lines.push(format!("error_code: {}", failure.code));
        lines.extend(failure.description.map(|text| format!("error_description: {text}")));
    }
    lines.extend(result.map(|result| format!("result: {result}")));
    lines
}
