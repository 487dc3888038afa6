//! The text of a drafted `bindings.toml`.

use std::fmt::Write as _;

use super::super::finding::Finding;
use super::super::plan::Namespaces;
use super::super::simple::SimpleType;
use super::super::wsdl::WsdlOperation;
use super::guess;
use super::leaves::{Leaf, LeafKind, leaves};
use crate::request::{Field, RequestType};

/// Texts to be tried for mandatory elements.
const SAMPLES: [&str; 14] = [
    "1",
    "0",
    "true",
    "a",
    "2026-01-31T09:00:00",
    "2026-01-31",
    "09:00:00",
    "AAAA",
    "00",
    "P1D",
    "2026",
    "http://localhost/",
    "01450253313",
    "A",
];

/// The hint at an element that is named like a secret.
const SECRET: &str = "; if this is a secret: among the values, as \"{secret.NAME}\"";
/// Characters of a line of names.
const WIDTH: usize = 110;

/// The beginning of a draft; lists the operations that are offered, if any are given.
pub(super) fn head(offered: &[&str]) -> String {
    let mut text =
        "# A draft: every line is a guess by names. `contract check` says what is still missing.\n".to_owned();
    let mut line = "# Operations offered:".to_owned();
    for (at, name) in offered.iter().enumerate() {
        let comma = if at + 1 < offered.len() { "," } else { "" };
        if line.len() + name.len() > WIDTH {
            writeln!(text, "{line}").expect("writing to a String cannot fail");
            line = "#  ".to_owned();
        }
        write!(line, " {name}{comma}").expect("writing to a String cannot fail");
    }
    if !offered.is_empty() {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    }
    text.push_str("format = 1\n# The part of every address that upstream.url stands for.\nbase_path = \"\"\n");
    text
}

/// The comment in place of a section that cannot be drafted.
pub(super) fn refused(request_type: RequestType, name: &str, findings: &[Finding]) -> String {
    let reasons = findings.iter().map(|finding| format!("#   {finding}\n")).collect::<String>();
    format!("\n# {request_type}: operation '{name}' cannot be used:\n{reasons}")
}

/// The section of a request type.
pub(super) fn section(
    request_type: RequestType,
    (wsdl, name): (&str, &str),
    address: Option<&str>,
    operation: &mut WsdlOperation,
) -> String {
    let mut lines = vec![String::new(), format!("[request.{request_type}]")];
    lines.push(format!("wsdl = {}", quoted(wsdl)));
    lines.push(format!("operation = {}", quoted(name)));
    if !operation.other_ports.is_empty() {
        lines.push(format!("# port {} is taken; others: {}", operation.port, operation.other_ports.join(", ")));
    }
    if let Some(address) = address {
        lines.push(format!("address = {} # the WSDL has no service: where is it?", quoted(address)));
    }
    lines.push("resend = \"never\" # or safe, or verify".to_owned());
    for name in &operation.declared_headers {
        let piece = format!("<{} xmlns='{}'>…</{}>", name.local, name.namespace, name.local);
        lines.push(format!("# the WSDL declares a header: headers.{} = {}", name.local, quoted(&piece)));
    }
    input(request_type, operation, &mut lines);
    output(request_type, operation, &mut lines);
    lines.join("\n") + "\n"
}

fn input(request_type: RequestType, operation: &WsdlOperation, lines: &mut Vec<String>) {
    let leaves = leaves(&operation.input);
    let (mut taken, mut fields, mut omitted): (Vec<&str>, Vec<String>, Vec<&str>) =
        (Vec::new(), Vec::new(), Vec::new());
    let wanted: Vec<Field> = request_type.fields().filter(|field| field.mandatory).collect();
    for field in &wanted {
        match guess::parameter(field.name, &leaves, &taken) {
            Some((leaf, is_named)) => {
                let doubt = if is_named { "" } else { " # its name says nothing" };
                fields.push(format!("{} = {}{doubt}", field.name, quoted(&leaf.path)));
                taken.push(&leaf.path);
            }
            None => omitted.push(field.name),
        }
    }
    if !omitted.is_empty() {
        let omitted: Vec<String> = omitted.into_iter().map(quoted).collect();
        lines.push(format!("omits = [{}] # the request has no place for it", omitted.join(", ")));
    }
    if !fields.is_empty() {
        lines.push(format!("[request.{request_type}.fields]"));
        lines.extend(fields);
    }
    let uncovered: Vec<&Leaf<'_>> =
        leaves.iter().filter(|leaf| leaf.is_needed(&taken) && !taken.contains(&leaf.path.as_str())).collect();
    let (mut constants, mut values) = (Vec::new(), Vec::new());
    for leaf in uncovered {
        match (&leaf.kind, wanted.first()) {
            (LeafKind::Open(namespaces), _) => {
                constants.push(format!(
                    "{} = {} # mandatory: which XML?",
                    quoted(&leaf.path),
                    quoted(&piece(namespaces))
                ));
            }
            (LeafKind::Value(simple), first) => match (sample(simple), first) {
                (Some(sample), _) => {
                    let hint = if guess::is_secret(leaf.name) { SECRET } else { "" };
                    constants.push(format!("{} = {} # mandatory: {simple}{hint}", quoted(&leaf.path), quoted(&sample)));
                }
                (None, Some(first)) => {
                    let value = quoted(&format!("{{{}}}", first.name));
                    values.push(format!("{} = {value} # mandatory: {simple}", quoted(&leaf.path)));
                }
                (None, None) => lines.push(format!("# mandatory: {} ({simple})", leaf.path)),
            },
        }
    }
    for (table, entries) in [("constants", constants), ("values", values)] {
        if !entries.is_empty() {
            lines.push(format!("[request.{request_type}.{table}]"));
            lines.extend(entries.into_iter().map(|entry| entry.replace('\n', " ")));
        }
    }
}

fn output(request_type: RequestType, operation: &WsdlOperation, lines: &mut Vec<String>) {
    let Some(output) = operation.output.as_ref().filter(|output| !output.is_void()) else {
        lines.push("# An answer without a fault means completed.".to_owned());
        return;
    };
    let leaves = leaves(output);
    let status = guess::status(&leaves);
    let codes = status.map_or_else(|| vec![("", "completed")], guess::status_codes);
    lines.push(format!("[request.{request_type}.answer]"));
    lines.push(format!("status = {}", quoted(status.map_or("", |leaf| leaf.path.as_str()))));
    lines.push(format!("[request.{request_type}.answer.status_codes]"));
    lines.extend(codes.into_iter().map(|(code, class)| format!("{} = {}", quoted(code), quoted(class))));
    let results = request_type.results().iter().map(|field| match guess::result(field.name, &leaves) {
        Some(leaf) => format!("{} = {}", field.name, quoted(&leaf.path)),
        None => format!("# {} = \"\" # no name is like it", field.name),
    });
    let results: Vec<String> = results.collect();
    if !results.is_empty() {
        lines.push(format!("[request.{request_type}.results]"));
        lines.extend(results);
    }
}

/// A text that a type takes.
fn sample(simple: &SimpleType) -> Option<String> {
    let enumerated = simple.enumerated().iter().cloned();
    let repeated = (1..=64).map(|length| "1".repeat(length));
    let tried = SAMPLES.iter().map(|sample| (*sample).to_owned()).chain(repeated);
    enumerated.chain(tried).find(|sample| simple.check(sample).is_ok())
}

/// A piece of XML that may stand in an open place.
fn piece(namespaces: &Namespaces) -> String {
    match namespaces {
        Namespaces::Any => "<any/>".to_owned(),
        Namespaces::Other(_) => "<any xmlns='urn:any'/>".to_owned(),
        Namespaces::Listed(listed) => format!("<any xmlns='{}'/>", listed.first().map_or("", |namespace| namespace)),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
