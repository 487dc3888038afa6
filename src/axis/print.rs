//! An entry of the detail as Axis prints it after reading it back (`DOM2Writer`, `XMLUtils.getInnerXMLString`).
//!
//! Reading back folds a carriage return into a line feed, and line ends in attributes into spaces. Printing sorts the
//! attributes, declarations among them, by their names as written, because the DOM keeps them so.

use super::dump::encode;
use super::recording::{fatal, qualified};
use crate::xml::{Element, Limits, Node, parse};

/// Reads a recorded entry back.
///
/// # Errors
/// The text is no XML document, as Axis's exception; the recording has already found what Axis would find.
pub(super) fn read_back(recorded: &str) -> Result<Element, String> {
    let limits = Limits { depth: usize::MAX, attributes: usize::MAX, declarations: usize::MAX, nodes: usize::MAX };
    parse(recorded, limits).map_err(|error| fatal(error.line, &error.message))
}

/// The content of the element, or `null` if it is empty.
pub(super) fn inner(entry: &Element) -> String {
    if entry.children.is_empty() {
        return "null".to_owned();
    }
    let mut out = String::new();
    entry.children.iter().for_each(|child| node(child, &mut out));
    out
}

fn node(node: &Node, out: &mut String) {
    match node {
        Node::Element(child) => element(child, out),
        Node::Text(text) => out.push_str(&escaped(text)),
        Node::CData(text) => out.extend(["<![CDATA[", text.as_str(), "]]>"]),
        Node::Comment(text) => out.extend(["<!--", text.as_str(), "-->"]),
        // A recording has no processing instructions.
        Node::Instruction(..) => {}
    }
}

fn element(element: &Element, out: &mut String) {
    let name = qualified(&element.prefix, &element.name.local);
    out.extend(["<", name.as_str()]);
    let declarations = element.declarations.iter().map(|(prefix, uri)| match &**prefix {
        "" => ("xmlns".to_owned(), &**uri),
        prefix => (qualified("xmlns", prefix), &**uri),
    });
    let attributes = element.attributes.iter().map(|a| (qualified(&a.prefix, &a.name.local), a.value.as_str()));
    let mut all: Vec<_> = attributes.chain(declarations).collect();
    all.sort();
    for (name, value) in all {
        out.extend([" ", name.as_str(), "=\"", &escaped(value), "\""]);
    }
    if element.children.is_empty() {
        out.push_str("/>");
    } else {
        out.push('>');
        element.children.iter().for_each(|child| node(child, out));
        out.extend(["</", name.as_str(), ">"]);
    }
}

/// Text that was read from XML has only characters that can be escaped.
fn escaped(text: &str) -> String {
    encode(text).unwrap_or_default()
}
