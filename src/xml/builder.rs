//! Builds the tree of a document from the events of its reading, within the limits.
//!
//! Rule: whatever quick-xml lets through and XML 1.0 with namespaces forbids is refused here.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;

use super::chars::{find_forbidden, is_ncname, is_xml_char, is_xml_space};
use super::namespaces::{Scope, check_namespace};
use super::read::{Limits, XmlError};
use super::tag::{attributes, check_declaration};
use super::{Attribute, Element, Name, Node};

/// State of a reading.
pub(super) struct Builder<'t> {
    limits: Limits,
    text: &'t str,
    /// Bytes whose line ends are already in `line`.
    counted: usize,
    line: u32,
    open: Vec<Element>,
    scope: Scope,
    root: Option<Element>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str, limits: Limits) -> Self {
        Self { limits, text, counted: 0, line: 1, open: Vec::new(), scope: Scope::default(), root: None, nodes: 0 }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> XmlError {
        XmlError { line: self.line, message: message.into() }
    }

    /// Counts the lines up to a position in bytes.
    pub(super) fn advance_to(&mut self, position: usize) {
        if let Some(passed) = self.text.as_bytes().get(self.counted..position) {
            self.line += passed.iter().filter(|b| **b == b'\n').count() as u32;
            self.counted = position;
        }
    }

    /// Takes an event, which begins at byte `start`.
    pub(super) fn take_event(&mut self, event: Event<'_>, start: usize) -> Result<(), XmlError> {
        match event {
            Event::Start(tag) => {
                let element = self.open_element(&tag)?;
                self.open.push(element);
            }
            Event::Empty(tag) => {
                let element = self.open_element(&tag)?;
                self.open.push(element);
                self.close_element()?;
            }
            Event::End(_) => self.close_element()?,
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err(self.error("']]>' in character data"));
                }
                self.push_text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                let resolved = self.resolve(&reference)?;
                if self.open.is_empty() {
                    return Err(self.error("a reference outside the root element"));
                }
                self.push_text(resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::CData(data) => {
                let node = Node::CData(data.xml10_content().into_owned());
                self.push(node, "a CDATA section")?;
            }
            Event::Comment(comment) => {
                if !self.open.is_empty() {
                    self.push(Node::Comment(comment.xml10_content().into_owned()), "a comment")?;
                }
            }
            Event::PI(instruction) => {
                let target = instruction.target();
                if !is_ncname(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(self.error(format!("processing instruction named '{target}'")));
                }
                if !self.open.is_empty() {
                    let data = instruction.content().trim_start_matches(is_xml_space).to_owned();
                    self.push(Node::Instruction(target.to_owned(), data), "an instruction")?;
                }
            }
            Event::Decl(_) if start != 0 => return Err(self.error("XML declaration not at the start")),
            Event::Decl(declaration) => {
                let content = declaration.strip_prefix("xml").unwrap_or_default();
                check_declaration(content).map_err(|message| self.error(message))?;
            }
            Event::Eof => {}
            Event::DocType(_) => return Err(self.error("a DTD (DOCTYPE) is not accepted")),
        }
        Ok(())
    }

    fn resolve(&self, reference: &quick_xml::events::BytesRef<'_>) -> Result<char, XmlError> {
        let character = match &**reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            name => match reference.resolve_char_ref() {
                Ok(Some(c)) => c,
                _ => return Err(self.error(format!("reference '&{name};' is not defined"))),
            },
        };
        if is_xml_char(character) {
            Ok(character)
        } else {
            Err(self.error(format!("character U+{:04X} is not allowed in XML", u32::from(character))))
        }
    }

    fn push_text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(parent) => match parent.children.last_mut() {
                Some(Node::Text(before)) => before.push_str(text),
                _ if text.is_empty() => {}
                _ => parent.children.push(Node::Text(text.to_owned())),
            },
            None if text.chars().all(is_xml_space) => {}
            None => return Err(self.error("text outside the root element")),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), XmlError> {
        self.nodes += 1;
        match self.nodes > self.limits.nodes {
            true => Err(self.error(format!("more than {} elements, attributes and the like", self.limits.nodes))),
            false => Ok(()),
        }
    }

    fn push(&mut self, node: Node, subject: &str) -> Result<(), XmlError> {
        self.count()?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => return Err(self.error(format!("{subject} outside the root element"))),
        }
        Ok(())
    }

    fn open_element(&mut self, tag: &BytesStart<'_>) -> Result<Element, XmlError> {
        if self.root.is_some() {
            return Err(self.error("a second root element"));
        }
        let depth = self.open.len() + 1;
        self.count()?;
        if depth > self.limits.depth {
            return Err(self.error(format!("elements nested deeper than {}", self.limits.depth)));
        }
        let mut declarations: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        let mut written: Vec<(String, String)> = Vec::new();
        let after_name = tag.get(tag.name().0.len()..).unwrap_or_default();
        for attribute in attributes(after_name) {
            let (name, value) = attribute.map_err(|message| self.error(message))?;
            if declarations.len() + written.len() == self.limits.attributes {
                return Err(self.error(format!("more than {} attributes", self.limits.attributes)));
            }
            self.count()?;
            let value = self.attribute_value(name, value)?;
            let declared = name.strip_prefix("xmlns").filter(|rest| rest.is_empty() || rest.starts_with(':'));
            match declared {
                Some(rest) => {
                    let prefix = rest.strip_prefix(':');
                    check_namespace(prefix, &value).map_err(|message| self.error(message))?;
                    declarations.push((Arc::from(prefix.unwrap_or_default()), Arc::from(value.as_str())));
                }
                None => written.push((name.to_owned(), value)),
            }
        }
        for (prefix, uri) in &declarations {
            let declared = self.scope.declare(depth, prefix, uri, self.limits.declarations);
            declared.map_err(|message| self.error(message))?;
        }
        let (name, prefix) = self.expand(tag.name().0, true)?;
        let mut attributes: Vec<Attribute> = Vec::with_capacity(written.len());
        for (raw, value) in written {
            let (name, prefix) = self.expand(&raw, false)?;
            if attributes.iter().any(|a| a.name == name) {
                return Err(self.error(format!("attribute '{raw}' given twice")));
            }
            attributes.push(Attribute { name, prefix, value });
        }
        Ok(Element { name, prefix, attributes, declarations, children: Vec::new(), line: self.line })
    }

    fn expand(&self, raw: &str, is_element: bool) -> Result<(Name, Arc<str>), XmlError> {
        self.scope.expand(raw, is_element).map_err(|message| self.error(message))
    }

    fn attribute_value(&self, name: &str, raw: &str) -> Result<String, XmlError> {
        if raw.contains('<') {
            return Err(self.error("'<' in an attribute value"));
        }
        let attribute = quick_xml::events::attributes::Attribute { key: QName(name), value: Cow::Borrowed(raw) };
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|e| self.error(e.to_string()))?;
        match find_forbidden(&value) {
            Some((_, bad)) => Err(self.error(format!("character U+{:04X} is not allowed in XML", u32::from(bad)))),
            None => Ok(value.into_owned()),
        }
    }

    fn close_element(&mut self) -> Result<(), XmlError> {
        let Some(mut element) = self.open.pop() else { return Err(self.error("an end tag without its start tag")) };
        // Most elements have fewer children than a vector's first capacity.
        element.children.shrink_to_fit();
        self.scope.leave(self.open.len() + 1);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    /// The root, when the text has ended.
    pub(super) fn finish(self) -> Result<Element, XmlError> {
        match (self.open.last(), &self.root) {
            (Some(open), _) => Err(self.error(format!("the document ends inside element '{}'", open.name.local))),
            (None, None) => Err(self.error("no root element")),
            (None, Some(_)) => self.root.ok_or(XmlError { line: 1, message: String::new() }),
        }
    }
}
