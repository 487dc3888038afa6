//! Writes XML: text and attributes are escaped, and a character that XML 1.0 cannot carry is refused.
//!
//! A carriage return is written as a reference, since readers turn a literal carriage return into a line feed. Blanks of an
//! envelope ([`super::BLANK`]) pass only through a writer that was made with blanks.

use std::io::Write as _;

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::blank::BLANK;
use super::chars::{find_forbidden, is_xml_char};
use super::tree::{Element, Node};

/// A value holds a character that no XML 1.0 document can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character U+{:04X} cannot be carried by XML 1.0", u32::from(*.0))]
pub struct InvalidChar(pub char);

/// Writes one document into memory.
pub struct XmlWriter {
    inner: Writer<Vec<u8>>,
    takes_blanks: bool,
}

/// The proof that writing into memory cannot fail.
const IN_MEMORY: &str = "writing to a Vec cannot fail";

impl XmlWriter {
    /// A document that opens with `<?xml version="1.0" encoding="UTF-8"?>`.
    pub fn new() -> Self {
        let mut inner = Writer::new(Vec::with_capacity(1024));
        inner.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).expect(IN_MEMORY);
        Self { inner, takes_blanks: false }
    }

    /// An envelope with blanks, which is no XML until the blanks are filled.
    pub fn with_blanks() -> Self {
        Self { takes_blanks: true, ..Self::new() }
    }

    fn check(&self, text: &str) -> Result<(), InvalidChar> {
        if find_forbidden(text).is_none() {
            return Ok(());
        }
        let is_bad = |c: &char| !(is_xml_char(*c) || (self.takes_blanks && BLANK.contains(c)));
        text.chars().find(is_bad).map_or(Ok(()), |c| Err(InvalidChar(c)))
    }

    /// A start tag with its attributes (namespace declarations among them).
    ///
    /// # Errors
    /// An attribute value that XML cannot carry.
    pub fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<(), InvalidChar> {
        let mut tag = BytesStart::new(name);
        for (key, value) in attributes {
            self.check(value)?;
            tag.push_attribute((*key, *value));
        }
        self.inner.write_event(Event::Start(tag)).expect(IN_MEMORY);
        Ok(())
    }

    /// The end tag of `name`.
    pub fn end(&mut self, name: &str) {
        self.inner.write_event(Event::End(BytesEnd::new(name))).expect(IN_MEMORY);
    }

    /// Character data.
    ///
    /// # Errors
    /// A character that XML cannot carry.
    pub fn text(&mut self, text: &str) -> Result<(), InvalidChar> {
        self.check(text)?;
        let mut parts = text.split('\r');
        if let Some(first) = parts.next() {
            self.escaped(first);
        }
        for part in parts {
            self.inner.get_mut().write_all(b"&#13;").expect(IN_MEMORY);
            self.escaped(part);
        }
        Ok(())
    }

    /// An element that holds character data only.
    ///
    /// # Errors
    /// A character that XML cannot carry.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> Result<(), InvalidChar> {
        self.start(name, attributes)?;
        self.text(text)?;
        self.end(name);
        Ok(())
    }

    /// An element of a tree, with the prefixes as read.
    ///
    /// # Errors
    /// A character that XML cannot carry.
    pub fn element(&mut self, element: &Element) -> Result<(), InvalidChar> {
        let qualified = |prefix: &str, local: &str| match prefix {
            "" => local.to_owned(),
            prefix => format!("{prefix}:{local}"),
        };
        let declared = element.declarations.iter().map(|(prefix, uri)| match &**prefix {
            "" => ("xmlns".to_owned(), &**uri),
            prefix => (format!("xmlns:{prefix}"), &**uri),
        });
        let attributes = element.attributes.iter().map(|a| (qualified(&a.prefix, &a.name.local), a.value.as_str()));
        let all: Vec<(String, &str)> = declared.chain(attributes).collect();
        let name = qualified(&element.prefix, &element.name.local);
        self.start(&name, &all.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>())?;
        for child in &element.children {
            match child {
                Node::Element(child) => self.element(child)?,
                Node::Text(text) | Node::CData(text) => self.text(text)?,
                Node::Comment(_) | Node::Instruction(..) => {}
            }
        }
        self.end(&name);
        Ok(())
    }

    /// Quotes need no escape outside attributes, and SOAP servers write none.
    fn escaped(&mut self, text: &str) {
        let text = BytesText::from_escaped(partial_escape(text));
        self.inner.write_event(Event::Text(text)).expect(IN_MEMORY);
    }

    /// The document's bytes, UTF-8.
    pub fn finish(self) -> Vec<u8> {
        self.inner.into_inner()
    }
}

impl Default for XmlWriter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let nasty = "a\r\nb\tc]]>&#0;<\"'>\u{85}\u{2028}é\u{10FFFF} ";
        let mut writer = XmlWriter::new();
        writer.start("r", &[("a", "<\"&'>")]).unwrap();
        writer.text(nasty).unwrap();
        writer.end("r");
        let root = parse(&String::from_utf8(writer.finish()).unwrap(), Limits::default()).unwrap();
        assert_eq!(root.text(), nasty);
        assert_eq!(root.attribute("", "a"), Some("<\"&'>"));
    }

    #[test]
    fn a_tree_is_written_as_it_was_read() {
        let text = "<p:a xmlns:p=\"urn:p\" xmlns=\"urn:d\" p:x=\"&lt;\"><b y=\"1\">t&amp;</b><c></c></p:a>";
        let root = parse(text, Limits::default()).unwrap();
        let mut writer = XmlWriter::new();
        writer.element(&root).unwrap();
        assert!(String::from_utf8(writer.finish()).unwrap().ends_with(text));
    }

    #[test]
    fn what_xml_cannot_carry_is_refused() {
        for bad in ['\0', '\u{1}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
            assert_eq!(XmlWriter::new().text(&bad.to_string()), Err(InvalidChar(bad)));
            assert_eq!(XmlWriter::new().start("a", &[("b", &bad.to_string())]), Err(InvalidChar(bad)));
        }
    }
}
