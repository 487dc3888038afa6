//! The format of `bindings.toml`, as it is written: nothing here is checked against a WSDL.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::finding::{Findings, Location, Reported};

/// The file's name in the contract's folder.
pub(super) const BINDINGS: &str = "bindings.toml";

/// A text and where it stands.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bindings {
    /// Version of this format.
    pub(super) format: Spanned<u32>,
    /// What every address's path begins with.
    pub(super) base_path: Text,
    /// How answers are read.
    pub(super) answer: AnswerBinding,
    /// Operations by request type.
    #[serde(default)]
    pub(super) request: BTreeMap<Text, RequestBinding>,
}

/// `[answer]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerBinding {
    /// Path of the status code.
    pub(super) status: Text,
    /// Path of the reference number.
    pub(super) reference: Option<Text>,
    /// Path of the message.
    pub(super) message: Option<Text>,
    /// Verdicts by status code.
    #[serde(default)]
    pub(super) status_codes: BTreeMap<String, Text>,
    /// Verdicts by the local part of a fault code.
    #[serde(default)]
    pub(super) fault_codes: BTreeMap<String, Text>,
}

/// `[request.TYPE]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestBinding {
    /// The WSDL's file.
    pub(super) wsdl: Option<Text>,
    /// The operation's name in it.
    pub(super) operation: Option<Text>,
    /// What may be done in doubt.
    pub(super) resend: Option<Text>,
    /// The query that reads the state back.
    pub(super) verify: Option<Text>,
    /// Paths in the request, by parameter.
    #[serde(default)]
    pub(super) fields: BTreeMap<Text, Text>,
    /// Texts in the request, by path.
    #[serde(default)]
    pub(super) constants: BTreeMap<Text, Text>,
    /// Paths in the answer, by result.
    #[serde(default)]
    pub(super) results: BTreeMap<Text, Text>,
}

/// The bindings, and where in the file things stand.
pub(super) struct BindingsFile {
    /// What it says.
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

    /// Where something stands.
    pub(super) fn location<T>(&self, text: &Spanned<T>) -> Location {
        Location { file: self.file.clone(), line: line_at(&self.line_ends, text.span().start) }
    }
}

fn line_at(line_ends: &[usize], offset: usize) -> u32 {
    u32::try_from(line_ends.partition_point(|end| *end < offset)).unwrap_or(u32::MAX).saturating_add(1)
}
