//! An entry of the detail as Axis writes it out from its recording (`SAXOutputter`, `SerializationContext`), which is
//! the text that it then reads back to print it.
//!
//! Attributes come before declarations, an empty element is closed at once, non-ASCII characters become one reference
//! a UTF-16 unit (outside CDATA), also inside comments. So a character beyond U+FFFF cannot be read back.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::prefixes::{Preferred, Prefixes};
use crate::xml::{Attribute, Element, Node};

/// One entry written out.
pub(super) struct Recording {
    /// The text, a document of its own.
    pub(super) text: String,
    /// The first thing in it that the reader will refuse, as it says it, with its line.
    pub(super) fatal: Option<String>,
}

impl Recording {
    pub(super) fn of(entry: &Element, preferred: Preferred) -> Self {
        let mut recording = Self { text: String::new(), fatal: None };
        recording.element(entry, &mut Prefixes::new(preferred));
        recording
    }

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
        for (prefix, uri) in prefixes.open() {
            match &**prefix {
                "" => self.attribute("xmlns", uri),
                "xml" => {}
                prefix => self.attribute(&qualified("xmlns", prefix), uri),
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

    /// A prefix that Axis chose may have replaced one that it chose before, and two attributes are one now.
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

    fn refuse(&mut self, what: &str) {
        if self.fatal.is_none() {
            // CR LF is one line end.
            let line = 1 + self.text.matches(['\r', '\n']).count() - self.text.matches("\r\n").count();
            self.fatal = Some(format!("Line={line}: {what}"));
        }
    }

    fn node(&mut self, node: &Node, prefixes: &mut Prefixes) {
        match node {
            Node::Element(element) => self.element(element, prefixes),
            Node::Text(text) => self.encoded(text, true),
            Node::CData(text) => self.text.extend(["<![CDATA[", text.as_str(), "]]>"]),
            Node::Comment(text) => {
                self.text.push_str("<!--");
                self.encoded(text, false);
                self.text.push_str("-->");
            }
            // Axis refuses a message that has one.
            Node::Instruction(..) => {}
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.text.extend([" ", name, "=\""]);
        self.encoded(value, true);
        self.text.push('"');
    }

    /// `UTF8Encoder.writeEncoded`; `is_read` where a reference will be taken for one.
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
                    if let ([high, _], true, None) = (units, is_read, &self.fatal) {
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

/// A name as written: with its prefix, if it has one.
pub(super) fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}
