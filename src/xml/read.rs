//! Reads a document, already decoded to text, into a tree, and refuses whatever XML 1.0 with namespaces refuses.
//!
//! Beyond well-formedness: no DTD at all (so no entities to expand), bounded depth and bounded attributes.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::Element;
use super::builder::Builder;
use super::chars::find_forbidden;

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
    if let Some((at, bad)) = find_forbidden(text) {
        let line = 1 + text[..at].bytes().filter(|b| *b == b'\n').count() as u32;
        return Err(XmlError { line, message: format!("character U+{:04X} is not allowed in XML", u32::from(bad)) });
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder::new(text, limits);
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
        builder.take_event(event, start)?;
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
