//! Reads a document, already decoded to text, into a tree, and refuses whatever XML 1.0 with namespaces refuses.
//!
//! Beyond well-formedness: no DTD at all (so no entities to expand), bounded depth and bounded attributes.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;
use quick_xml::reader::Reader;

use super::chars::{is_ncname, is_xml_char, is_xml_space};
use super::namespaces::{Scope, check_namespace};
use super::tag::{attributes, check_declaration};
use super::{Attribute, Element, Name, Node};

/// The limits within which a document is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of elements, the root being 1.
    pub depth: usize,
    /// Attributes and namespace declarations of one element.
    pub attributes: usize,
    /// Namespace declarations in force at one place.
    pub declarations: usize,
    /// Elements, attributes, declarations, comments, instructions and CDATA sections in all: each takes far more memory
    /// than bytes of the document.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, attributes: 256, declarations: 1024, nodes: 100_000 }
    }
}

/// The reason for which a document was refused, and the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct XmlError {
    /// Line, counted from 1.
    pub line: u32,
    /// The fault, as a sentence.
    pub message: String,
}

/// Reads one whole document.
///
/// # Errors
/// The first fault of well-formedness, of namespaces, or of the limits.
pub fn parse(text: &str, limits: Limits) -> Result<Element, XmlError> {
    // quick-xml would skip a second mark.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.starts_with('\u{FEFF}') {
        return Err(XmlError { line: 1, message: "text outside the root element".to_owned() });
    }
    if let Some((at, bad)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        let line = 1 + text[..at].bytes().filter(|b| *b == b'\n').count() as u32;
        return Err(XmlError { line, message: format!("character U+{:04X} is not allowed in XML", u32::from(bad)) });
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder =
        Builder { limits, text, counted: 0, line: 1, open: Vec::new(), scope: Scope::default(), root: None, nodes: 0 };
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        builder.advance_to(start);
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                builder.advance_to(usize::try_from(reader.error_position()).unwrap_or(usize::MAX));
                return Err(builder.error(error.to_string()));
            }
        };
        if let Event::Eof = event {
            return builder.finish();
        }
        builder.take(event, start)?;
    }
}

/// State of one reading.
struct Builder<'t> {
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

impl Builder<'_> {
    fn error(&self, message: impl Into<String>) -> XmlError {
        XmlError { line: self.line, message: message.into() }
    }

    fn advance_to(&mut self, position: usize) {
        if let Some(passed) = self.text.as_bytes().get(self.counted..position) {
            self.line += passed.iter().filter(|b| **b == b'\n').count() as u32;
            self.counted = position;
        }
    }

    fn take(&mut self, event: Event<'_>, start: usize) -> Result<(), XmlError> {
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
        match value.chars().find(|c| !is_xml_char(*c)) {
            Some(bad) => Err(self.error(format!("character U+{:04X} is not allowed in XML", u32::from(bad)))),
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

    fn finish(self) -> Result<Element, XmlError> {
        match (self.open.last(), &self.root) {
            (Some(open), _) => Err(self.error(format!("the document ends inside element '{}'", open.name.local))),
            (None, None) => Err(self.error("no root element")),
            (None, Some(_)) => self.root.ok_or(XmlError { line: 1, message: String::new() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Element, XmlError> {
        parse(text, Limits::default())
    }

    #[test]
    fn resolves_names_and_references() {
        let root =
            read("<a:r xmlns:a='urn:a' xmlns='urn:d' x='&lt;&#65;'><b>1 &amp; 2<![CDATA[<3>]]></b></a:r>").unwrap();
        assert!(root.name.is("urn:a", "r"));
        assert_eq!(root.attribute("", "x"), Some("<A"));
        let b = root.child("urn:d", "b").unwrap();
        assert_eq!(b.text(), "1 & 2<3>");
        assert_eq!(b.children.len(), 2);
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        let deep = "<a>".repeat(65) + &"</a>".repeat(65);
        let wide = format!("<a>{}</a>", "<b/>".repeat(100_000));
        let commented = format!("<a>{}</a>", "<!---->".repeat(100_000));
        let attributed = format!("<a>{}</a>", "<b c='' d='' e=''/>".repeat(25_000));
        let many = format!("<a {}/>", (0..300).map(|i| format!("b{i}='' ")).collect::<String>());
        for (bad, why) in [
            ("", "no root"),
            ("<a><b></b>", "inside element 'a'"),
            ("<a/><b/>", "second root"),
            ("<a/>x", "outside the root"),
            ("x<a/>", "outside the root"),
            ("<p:a/>", "prefix 'p'"),
            ("<a p:b=''/>", "prefix 'p'"),
            ("<a b='1' b='2'/>", "twice"),
            ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", "twice"),
            ("<a><!-- x -- y --></a>", "--"),
            ("<a>\u{1}</a>", "U+0001"),
            ("<a>&#1;</a>", "U+0001"),
            ("<a>&#0;</a>", ""),
            ("<a b='&#1;'/>", "U+0001"),
            ("<a>&nbsp;</a>", "nbsp"),
            ("<a>]]></a>", "]]>"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DTD"),
            ("<a b='<'/>", "'<'"),
            ("<1a/>", "not a name"),
            ("\u{FEFF}\u{FEFF}<a/>", "outside the root"),
            ("<a xmlns:p=''/>", "declared as"),
            ("<a xmlns:='u'/>", "declared as"),
            ("<a b=''c=''/>", "white space"),
            ("<a xmlns:xml='urn:x'/>", "declared as"),
            ("<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>", "declared as"),
            ("<a xmlns='http://www.w3.org/XML/1998/namespace'/>", "declared as"),
            ("<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>", "declared as"),
            ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", "declared as"),
            ("<a><?p:q?></a>", "instruction"),
            ("<a><?XmL x?></a>", "instruction"),
            ("<?xml version='2.0'?><a/>", "version"),
            ("<a b='&amp'/>", ""),
            ("<a>&amp</a>", ""),
            ("<a>&#+65;</a>", "defined"),
            ("<a><!-- x ---></a>", ""),
            ("<a></a b=''>", ""),
            (" <?xml version='1.0'?><a/>", "not at the start"),
            ("<a></b>", ""),
            (&deep, "deeper"),
            (&many, "attributes"),
            (&wide, "elements"),
            (&commented, "elements"),
            (&attributed, "elements"),
        ] {
            let error = read(bad).expect_err(bad);
            assert!(error.message.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn names_the_line() {
        assert_eq!(read("<a>\n<b>\n</a>").unwrap_err().line, 3);
        assert_eq!(read("<a>\n\n<p:b/></a>").unwrap_err().line, 3);
    }
}
