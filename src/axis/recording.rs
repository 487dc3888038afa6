//! An entry of the detail as Axis writes it out from its recording (`SAXOutputter`, `SerializationContext`); Axis then
//! reads this text back to print it.
//!
//! Attributes come before declarations, an empty element is closed at once, non-ASCII characters become one reference
//! a UTF-16 unit (outside CDATA), also inside comments. So a character beyond U+FFFF cannot be read back.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::prefixes::{Preferred, Prefixes};
use crate::xml::{Attribute, Element, Node};

/// An entry that is being written out.
struct Recording {
    text: String,
    /// The first exception that Axis meets in the entry.
    exception: Option<String>,
    /// Most bytes of the text.
    limit: usize,
}

/// Writes out an entry, as a document of its own.
///
/// # Errors
/// Axis's exception when reading the document back, or when the text exceeds `limit`: short names in long namespaces
/// can make the text many times as long as the message.
pub(super) fn record(entry: &Element, preferred: Preferred, limit: usize) -> Result<String, String> {
    let mut recording = Recording { text: String::new(), exception: None, limit };
    recording.element(entry, &mut Prefixes::new(preferred));
    recording.exception.map_or(Ok(recording.text), Err)
}

impl Recording {
    fn element(&mut self, element: &Element, prefixes: &mut Prefixes) {
        for (prefix, uri) in &element.declarations {
            prefixes.declare(prefix, uri);
        }
        let name = qualified(&prefixes.of_element(&element.name.namespace), &element.name.local);
        self.text.extend(["<", name.as_str()]);
        let mut written = Vec::with_capacity(element.attributes.len());
        for Attribute { name, prefix, value } in &element.attributes {
            let uri = &name.namespace;
            let prefix = if uri.is_empty() { uri.clone() } else { prefixes.of_attribute(uri, prefix) };
            self.attribute(&qualified(&prefix, &name.local), value);
            written.push((prefix, &name.local));
        }
        for mapping in prefixes.open() {
            match &*mapping.prefix {
                "" => self.attribute("xmlns", &mapping.uri),
                "xml" => {}
                prefix => self.attribute(&qualified("xmlns", prefix), &mapping.uri),
            }
        }
        self.text.push_str(if element.children.is_empty() { "/>" } else { ">" });
        self.check_unique(&name, &written, prefixes);
        if !element.children.is_empty() {
            element.children.iter().for_each(|child| self.node(child, prefixes));
            self.text.extend(["</", name.as_str(), ">"]);
        }
        prefixes.close();
    }

    /// A prefix chosen by Axis may have replaced an earlier choice, so that two attributes now have the same name.
    fn check_unique(&mut self, element: &str, attributes: &[(Arc<str>, &Arc<str>)], prefixes: &Prefixes) {
        let mut seen = HashSet::new();
        for (prefix, local) in attributes {
            if let Some(uri) = prefixes.uri_of(prefix).filter(|_| !prefix.is_empty())
                && !seen.insert((uri, local))
            {
                let twice = format!("was already specified for element \"{element}\".");
                self.refuse(&format!("Attribute \"{local}\" bound to namespace \"{uri}\" {twice}"));
            }
        }
    }

    fn refuse(&mut self, message: &str) {
        if self.exception.is_none() {
            // CR LF counts as a single line end.
            let line = 1 + self.text.matches(['\r', '\n']).count() - self.text.matches("\r\n").count();
            self.exception = Some(fatal(line, message));
        }
    }

    fn is_full(&mut self) -> bool {
        let is_full = self.text.len() > self.limit;
        if is_full && self.exception.is_none() {
            self.exception = Some("java.lang.OutOfMemoryError: Java heap space".to_owned());
        }
        is_full
    }

    fn node(&mut self, node: &Node, prefixes: &mut Prefixes) {
        match node {
            _ if self.is_full() => {}
            Node::Element(element) => self.element(element, prefixes),
            Node::Text(text) => self.encoded(text, true),
            Node::CData(text) => self.text.extend(["<![CDATA[", text.as_str(), "]]>"]),
            Node::Comment(text) => {
                self.text.push_str("<!--");
                self.encoded(text, false);
                self.text.push_str("-->");
            }
            // Axis refuses a message with a processing instruction.
            Node::Instruction(..) => {}
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        if self.is_full() {
            return;
        }
        self.text.extend([" ", name, "=\""]);
        self.encoded(value, true);
        self.text.push('"');
    }

    /// `UTF8Encoder.writeEncoded`; `is_read` if the XML reader will resolve the references.
    fn encoded(&mut self, text: &str, is_read: bool) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '"' => self.text.push_str("&quot;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                ..='\u{7F}' => self.text.push(c),
                _ => {
                    let mut units = [0; 2];
                    let units = &*c.encode_utf16(&mut units);
                    if let ([high, _], true, None) = (units, is_read, &self.exception) {
                        self.refuse(&format!("Character reference \"&#x{high:X}\" is an invalid XML character."));
                    }
                    for unit in units {
                        write!(self.text, "&#x{unit:X};").expect("writing to a String cannot fail");
                    }
                }
            }
        }
    }
}

/// Axis's text for an error of its XML reader.
pub(super) fn fatal(line: impl std::fmt::Display, message: &str) -> String {
    format!("org.xml.sax.SAXException: Fatal Error: URI=null Line={line}: {message}")
}

/// A qualified name: with the prefix, if there is one.
pub(super) fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}
