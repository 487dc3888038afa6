//! The format of `bindings.toml`. Nothing here is checked against a WSDL.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::finding::{Findings, Location, Reported};

/// The file's name in the contract's folder.
pub(super) const BINDINGS: &str = "bindings.toml";

/// A text and its place in the file.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bindings {
    /// Version of the format.
    pub(super) format: Spanned<u32>,
    /// The beginning of every address's path.
    pub(super) base_path: Text,
    /// How answers are read, where a request type does not say otherwise.
    #[serde(default)]
    pub(super) answer: AnswerBinding,
    /// Files by the address or namespace that documents import.
    #[serde(default)]
    pub(super) locations: BTreeMap<String, Text>,
    /// Pieces of XML in the header of every request, by names that the operator chooses.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Text>,
    /// Texts by text, for the values of requests.
    #[serde(default)]
    pub(super) maps: BTreeMap<String, BTreeMap<String, String>>,
    /// Operations by request type.
    #[serde(default)]
    pub(super) request: BTreeMap<Text, RequestBinding>,
}

/// `[answer]`, or `[request.TYPE.answer]`, whose keys replace those of `[answer]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerBinding {
    /// Path of the status code; empty for answers without a status.
    pub(super) status: Option<Text>,
    /// Path of the reference number.
    pub(super) reference: Option<Text>,
    /// Path of the message.
    pub(super) message: Option<Text>,
    /// Classes by status code.
    pub(super) status_codes: Option<BTreeMap<Text, Text>>,
    /// Classes by fault code.
    pub(super) fault_codes: Option<BTreeMap<Text, Text>>,
    /// Classes by fault string.
    pub(super) fault_strings: Option<BTreeMap<Text, Text>>,
    /// Classes by an element of the fault's detail.
    pub(super) fault_details: Option<BTreeMap<Text, Text>>,
    /// Types in place of the declared types, by path of the element.
    #[serde(default)]
    pub(super) types: BTreeMap<Text, Text>,
}

/// `[request.TYPE]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestBinding {
    /// The WSDL's file.
    pub(super) wsdl: Option<Text>,
    /// The operation's name in the WSDL.
    pub(super) operation: Option<Text>,
    /// The service that offers the operation.
    pub(super) service: Option<String>,
    /// The port, or in a WSDL without services the binding.
    pub(super) port: Option<String>,
    /// The address, in place of the WSDL's.
    pub(super) address: Option<String>,
    /// The resend rule for a request in doubt.
    pub(super) resend: Option<Text>,
    /// The query that reads the state back.
    pub(super) verify: Option<Text>,
    /// Cards that one call takes, at most.
    pub(super) batch: Option<Spanned<i64>>,
    /// May requests of the same content be sent in one call?
    pub(super) coalesce: Option<Spanned<bool>>,
    /// The rules for its answers.
    #[serde(default)]
    pub(super) answer: AnswerBinding,
    /// Mandatory parameters that the operation is not told.
    #[serde(default)]
    pub(super) omits: Vec<Text>,
    /// Paths in the request, by parameter.
    #[serde(default)]
    pub(super) fields: BTreeMap<Text, Text>,
    /// Texts in the request, by path.
    #[serde(default)]
    pub(super) constants: BTreeMap<Text, Text>,
    /// Templates, by path.
    #[serde(default)]
    pub(super) values: BTreeMap<Text, Text>,
    /// Headers in place of the headers of all requests, by the same names; an empty text for none.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Text>,
    /// Types in place of the declared types, by path of the request's element.
    #[serde(default)]
    pub(super) types: BTreeMap<Text, Text>,
    /// Paths in the answer, by result.
    #[serde(default)]
    pub(super) results: BTreeMap<Text, Text>,
}

/// The parsed bindings, with the places of texts in the file.
pub(super) struct BindingsFile {
    /// The parsed file.
    pub(super) bindings: Bindings,
    file: Arc<str>,
    /// Offsets at which lines end.
    line_ends: Vec<usize>,
}

impl BindingsFile {
    /// Reads the file's text.
    pub(super) fn parse(text: &str, findings: &Findings) -> Result<Self, Reported> {
        let file: Arc<str> = Arc::from(BINDINGS);
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        match toml::from_str::<Bindings>(text) {
            Ok(bindings) => Ok(Self { bindings, file, line_ends }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let location = Location { file, line: line_at(&line_ends, at) };
                Err(findings.report(&location, error.message()))
            }
        }
    }

    /// The place of a value in the file.
    pub(super) fn location<T>(&self, text: &Spanned<T>) -> Location {
        Location { file: self.file.clone(), line: line_at(&self.line_ends, text.span().start) }
    }
}

fn line_at(line_ends: &[usize], offset: usize) -> u32 {
    u32::try_from(line_ends.partition_point(|end| *end < offset)).unwrap_or(u32::MAX).saturating_add(1)
}
