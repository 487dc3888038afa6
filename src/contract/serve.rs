//! Serves the contract's own files with links that lead back here, so that a client can read them over HTTP.
//!
//! Only the values of the links change; every other byte is as in the file, comments included.

use std::sync::LazyLock;

use quick_xml::escape::escape;
use regex::Regex;

use super::document::{Document, Documents, reference_attribute};
use super::port::is_address;
use super::request::path_below;
use crate::xml::Element;

/// The targets of links.
pub(super) struct Links<'a> {
    /// The files of the contract.
    pub(super) documents: &'a Documents,
    /// The beginning of the addresses in the files.
    pub(super) base_path: &'a str,
    /// The replacement of the base path.
    pub(super) base_url: &'a str,
    /// The service that was asked, after the base path.
    pub(super) service_path: &'a str,
}

/// A new value of an attribute.
struct Edit {
    attribute: &'static str,
    value: String,
}

/// The text of a document with the links changed.
pub(super) fn rewrite(document: &Document, links: &Links<'_>) -> String {
    // The text is well-formed, so the search finds exactly the start tags, in the order of the elements.
    static TAGS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"(?s)<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<[^\s/>!?]+(?<attributes>(?:[^>"']|"[^"]*"|'[^']*')*)>"#,
        )
        .expect("a valid expression")
    });
    static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?<name>[^\s=]+)\s*=\s*(?:"(?<value>[^"]*)"|'(?<single>[^']*)')"#).expect("a valid expression")
    });
    let mut edits = Vec::new();
    collect(&document.root, document, links, &mut edits);
    let mut edits = edits.into_iter();
    let (mut text, mut done) = (String::with_capacity(document.text.len()), 0);
    for attributes in TAGS.captures_iter(&document.text).filter_map(|tag| tag.name("attributes")) {
        let Some(Some(edit)) = edits.next() else { continue };
        let mut named = ATTRIBUTE.captures_iter(attributes.as_str());
        let found = named.find(|attribute| attribute.name("name").is_some_and(|name| name.as_str() == edit.attribute));
        if let Some(value) = found.and_then(|attribute| attribute.name("value").or(attribute.name("single"))) {
            let (start, end) = (attributes.start() + value.start(), attributes.start() + value.end());
            text.push_str(document.text.get(done..start).unwrap_or_default());
            text.push_str(&escape(&edit.value));
            done = end;
        }
    }
    text.push_str(document.text.get(done..).unwrap_or_default());
    text
}

/// The edits, a place for every element in document order.
fn collect(element: &Element, document: &Document, links: &Links<'_>, edits: &mut Vec<Option<Edit>>) {
    let edit = if is_address(element) {
        let address = element.attribute("", "location").and_then(|address| links.service(address));
        address.map(|value| Edit { attribute: "location", value })
    } else {
        reference_attribute(element).and_then(|attribute| {
            let file = links.documents.locate(&document.file, element)?.ok()?;
            Some(Edit { attribute, value: links.file(&file) })
        })
    };
    edits.push(edit);
    element.elements().for_each(|child| collect(child, document, links, edits));
}

impl Links<'_> {
    /// The new address of a service of the contract.
    fn service(&self, address: &str) -> Option<String> {
        Some(format!("{}{}", self.base_url, path_below(self.base_path, address)?))
    }

    fn file(&self, file: &str) -> String {
        let mut link = format!("{}{}?xsd=", self.base_url, self.service_path);
        for byte in file.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                link.push(char::from(byte));
            } else {
                link.push_str(&format!("%{byte:02X}"));
            }
        }
        link
    }
}
