//! A piece of XML of the bindings: a header of the envelope, or the content of an open place. Texts and attributes of a
//! piece are templates.

use super::template::{Maps, Template};
use crate::xml::{Attribute, BLANK, Element, Limits, Name, Node, parse};

/// A parsed piece of XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    root: Element,
    /// The template of each attribute and text, in the order of [`Piece::render`].
    templates: Vec<Template>,
}

impl Piece {
    /// Parses a piece without values, in which braces have no meaning.
    ///
    /// # Errors
    /// The fault of the XML, as a sentence.
    pub(super) fn constant(text: &str) -> Result<Self, String> {
        Self::read(text, |text| Ok(Template::plain(text)))
    }

    /// Parses a piece with values.
    ///
    /// # Errors
    /// The fault of the XML or of a template, as a sentence.
    pub(super) fn parse(text: &str, maps: &Maps) -> Result<Self, String> {
        Self::read(text, |text| Template::parse(text, maps))
    }

    fn read(text: &str, read: impl Fn(&str) -> Result<Template, String>) -> Result<Self, String> {
        let root = parse(text.trim(), Limits::default()).map_err(|error| format!("it is not XML: {error}"))?;
        let mut templates = Vec::new();
        each_text(&root, &mut |_, text| {
            templates.push(read(text));
        });
        Ok(Self { root, templates: templates.into_iter().collect::<Result<_, _>>()? })
    }

    /// The name of the root element.
    pub fn name(&self) -> &Name {
        &self.root.name
    }

    /// The templates of attributes and texts.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter()
    }

    /// The names of the elements with a template that `is_meant` accepts, as text or in an attribute.
    pub fn names_of(&self, is_meant: impl Fn(&Template) -> bool) -> Vec<Name> {
        let (mut found, mut templates) = (Vec::new(), self.templates.iter());
        each_text(&self.root, &mut |name, _| {
            if templates.next().is_some_and(&is_meant) {
                found.push(name.clone());
            }
        });
        found
    }

    /// The piece with a blank ([`BLANK`]) in place of each template with values; templates that `is_there` denies are left
    /// out, as in [`Piece::render`].
    pub(super) fn outline(&self, is_there: impl Fn(&Template) -> bool) -> Option<Element> {
        let [open, close] = BLANK;
        let texts = self.templates.iter().enumerate().map(|(at, template)| match template.names().next() {
            None => template.render(|_| None).ok().flatten(),
            Some(_) => is_there(template).then(|| format!("{open}{at}{close}")),
        });
        rendered(&self.root, &mut texts.collect::<Vec<_>>().into_iter())
    }

    /// The template of a blank of the outline.
    pub(super) fn template_of(&self, blank: &str) -> Option<&Template> {
        let [open, close] = BLANK;
        let at = blank.strip_prefix(open)?.strip_suffix(close)?.parse::<usize>().ok()?;
        self.templates.get(at)
    }

    /// The piece with these values. An attribute without a value is left out, and so is an element whose text has none;
    /// `None` if the root is left out.
    ///
    /// # Errors
    /// The value that an operator cannot take, and the operator's requirement.
    pub fn render<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<Option<Element>, (String, String)> {
        let texts: Result<Vec<_>, _> = self.templates.iter().map(|template| template.render(&value)).collect();
        Ok(rendered(&self.root, &mut texts?.into_iter()))
    }
}

/// Goes through the attributes and texts of an element, each with the name of its element.
fn each_text(element: &Element, take: &mut impl FnMut(&Name, &str)) {
    for attribute in &element.attributes {
        take(&element.name, &attribute.value);
    }
    for child in &element.children {
        match child {
            Node::Element(child) => each_text(child, take),
            Node::Text(text) | Node::CData(text) => take(&element.name, text),
            Node::Comment(_) | Node::Instruction(..) => {}
        }
    }
}

fn rendered(element: &Element, texts: &mut impl Iterator<Item = Option<String>>) -> Option<Element> {
    let mut made = Element { attributes: Vec::new(), ..element.clone_head() };
    for attribute in &element.attributes {
        let value = texts.next().flatten();
        made.attributes.extend(value.map(|value| Attribute { value, ..attribute.clone() }));
    }
    let mut is_whole = true;
    for child in &element.children {
        match child {
            Node::Element(child) => made.children.extend(rendered(child, texts).map(Node::Element)),
            Node::Text(_) | Node::CData(_) => match texts.next().flatten() {
                Some(text) => made.children.push(Node::Text(text)),
                None => is_whole = false,
            },
            Node::Comment(_) | Node::Instruction(..) => {}
        }
    }
    is_whole.then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_is_left_out() {
        let text = "<a xmlns='urn:a' x='{one}' y='{two}'><b>{one}</b><c>{two}</c><d><e>{two|default:3}</e></d></a>";
        let piece = Piece::parse(text, &Maps::new()).unwrap();
        let made = piece.render(|name| (name == "one").then_some("1")).unwrap().unwrap();
        assert_eq!((made.attribute("", "x"), made.attribute("", "y")), (Some("1"), None));
        let names: Vec<&str> = made.elements().map(|child| &*child.name.local).collect();
        assert_eq!(names, ["b", "d"]);
        let one: Vec<String> = piece
            .names_of(|template| template.names().any(|name| name == "one"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(one, ["{urn:a}a", "{urn:a}b"]);
        assert!(Piece::parse("<a>{two}</a>", &Maps::new()).unwrap().render(|_| None).unwrap().is_none());
        assert_eq!(Piece::constant("<a>{two}</a>").unwrap().render(|_| None).unwrap().unwrap().text(), "{two}");
        assert!(Piece::constant("<a>").unwrap_err().starts_with("it is not XML"));
    }
}
