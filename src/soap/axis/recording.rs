//! An entry of the detail as Axis writes it out from its recording (`SAXOutputter`, `SerializationContext`), which is
//! the text that it then reads back to print it.
//!
//! Attributes come before declarations, an empty element is closed at once, non-ASCII characters become one reference
//! a UTF-16 unit (outside CDATA), also inside comments. So a character beyond U+FFFF cannot be read back.

use std::fmt::Write as _;
use std::sync::Arc;

use super::prefixes::{Preferred, Prefixes};
use crate::xml::{Element, Node};

/// One entry written out.
pub(super) struct Recording {
    /// The text, a document of its own.
    pub(super) text: String,
    /// The first UTF-16 unit that the reader will refuse, and the line where it stands.
    pub(super) surrogate: Option<(u16, usize)>,
}

impl Recording {
    pub(super) fn of(entry: &Element, preferred: Preferred) -> Self {
        let mut recording = Self { text: String::new(), surrogate: None };
        recording.element(entry, &mut Prefixes::new(preferred));
        recording
    }

    fn element(&mut self, element: &Element, prefixes: &mut Prefixes) {
        for (prefix, uri) in &element.declarations {
            prefixes.declare(prefix, uri);
        }
        let name = qualified(&prefixes.of_element(&element.name.namespace), &element.name.local);
        self.text.extend(["<", name.as_str()]);
        for attribute in &element.attributes {
            let uri = &attribute.name.namespace;
            let prefix = if uri.is_empty() { uri.clone() } else { prefixes.of_attribute(uri, &attribute.prefix) };
            self.attribute(&qualified(&prefix, &attribute.name.local), &attribute.value);
        }
        for (prefix, uri) in prefixes.open() {
            if &**prefix != "xml" {
                self.attribute(if prefix.is_empty() { "xmlns".to_owned() } else { qualified(&Arc::from("xmlns"), prefix) }.as_str(), uri);
            }
        }
        if element.children.is_empty() {
            self.text.push_str("/>");
        } else {
            self.text.push('>');
            element.children.iter().for_each(|child| self.node(child, prefixes));
            self.text.extend(["</", name.as_str(), ">"]);
        }
        prefixes.close();
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
                    let units = &mut [0; 2];
                    let units = &*c.encode_utf16(units);
                    if let ([high, _], true, None) = (units, is_read, self.surrogate) {
                        self.surrogate = Some((*high, 1 + line_ends(&self.text)));
                    }
                    for unit in units {
                        write!(self.text, "&#x{unit:X};").expect("writing to a String cannot fail");
                    }
                }
            }
        }
    }
}

fn qualified(prefix: &Arc<str>, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}

/// Line ends as an XML reader counts them: CR LF is one.
fn line_ends(text: &str) -> usize {
    text.matches(['\r', '\n']).count() - text.matches("\r\n").count()
}
