//! An element of a WSDL or schema in its context: the file, the prefixes in force, and the defaults of its schema.

use std::rc::Rc;
use std::sync::Arc;

use super::finding::{Findings, Location, Reported};
use crate::xml::{Element, Name, XML_NS, XSD_NS, trim_xml_space};

/// The defaults of a schema.
#[derive(Default)]
pub(super) struct SchemaDefaults {
    /// Namespace of the declarations.
    pub(super) target: Arc<str>,
    /// Are local elements in that namespace?
    pub(super) qualified_elements: bool,
    /// Are local attributes in that namespace?
    pub(super) qualified_attributes: bool,
    /// Did the schema, which has no namespace, take the including schema's? Then names without a prefix do, too.
    pub(super) chameleon: bool,
}

/// An element in its context.
#[derive(Clone)]
pub(super) struct Node<'a> {
    /// The element.
    pub(super) element: &'a Element,
    /// The schema's defaults; empty in a WSDL.
    pub(super) schema: Rc<SchemaDefaults>,
    file: &'a Arc<str>,
    prefixes: Rc<Vec<&'a (Arc<str>, Arc<str>)>>,
}

impl<'a> Node<'a> {
    /// The root of a file.
    pub(super) fn root(element: &'a Element, file: &'a Arc<str>) -> Self {
        let prefixes = Rc::new(element.declarations.iter().collect());
        Self { element, schema: Rc::default(), file, prefixes }
    }

    /// The element as the root of a schema.
    pub(super) fn with_schema(mut self, schema: SchemaDefaults) -> Self {
        self.schema = Rc::new(schema);
        self
    }

    /// Local name.
    pub(super) fn local(&self) -> &'a str {
        &self.element.name.local
    }

    /// Local name if it is an element of XML Schema, else empty.
    pub(super) fn keyword(&self) -> &'a str {
        if &*self.element.name.namespace == XSD_NS { self.local() } else { "" }
    }

    /// Is its name in that namespace?
    pub(super) fn is_in(&self, namespace: &str) -> bool {
        &*self.element.name.namespace == namespace
    }

    /// Is this the XML Schema element of that name?
    pub(super) fn is_schema(&self, local: &str) -> bool {
        self.element.name.is(XSD_NS, local)
    }

    /// Children, less annotations.
    pub(super) fn children(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let parent = self.clone();
        self.element.elements().filter(|e| !e.name.is(XSD_NS, "annotation")).map(move |element| {
            let mut child = Node { element, ..parent.clone() };
            if !element.declarations.is_empty() {
                Rc::make_mut(&mut child.prefixes).extend(&element.declarations);
            }
            child
        })
    }

    /// The first child of that name.
    pub(super) fn child(&self, namespace: &str, local: &str) -> Option<Node<'a>> {
        self.children().find(|child| child.element.name.is(namespace, local))
    }

    /// File and line of the element.
    pub(super) fn location(&self) -> Location {
        Location { file: self.file.clone(), line: self.element.line }
    }

    /// An attribute without prefix, as written.
    pub(super) fn raw_attribute(&self, local: &str) -> Option<&'a str> {
        self.element.attribute("", local)
    }

    /// An attribute without prefix, white space around it removed.
    pub(super) fn attribute(&self, local: &str) -> Option<&'a str> {
        self.raw_attribute(local).map(trim_xml_space)
    }

    /// An attribute that must be there.
    pub(super) fn required(&self, local: &str, findings: &Findings) -> Result<&'a str, Reported> {
        self.attribute(local).ok_or_else(|| self.report(findings, format!("'{}' has no '{local}'", self.local())))
    }

    /// An attribute that holds true or false; false when absent.
    pub(super) fn flag(&self, local: &str) -> bool {
        matches!(self.attribute(local), Some("true" | "1"))
    }

    /// An attribute that holds a qualified name.
    pub(super) fn name(&self, local: &str, findings: &Findings) -> Option<Result<Name, Reported>> {
        Some(self.resolve(self.attribute(local)?, findings))
    }

    /// An attribute that holds a list of qualified names.
    pub(super) fn names(&self, local: &str, findings: &Findings) -> Vec<Result<Name, Reported>> {
        let names = self.attribute(local).unwrap_or_default().split_whitespace();
        names.map(|name| self.resolve(name, findings)).collect()
    }

    /// A qualified name that stands somewhere in this element.
    pub(super) fn qualified(&self, qualified: &str, findings: &Findings) -> Result<Name, Reported> {
        self.resolve(qualified.trim(), findings)
    }

    /// Resolves a qualified name by the prefixes in force.
    fn resolve(&self, qualified: &str, findings: &Findings) -> Result<Name, Reported> {
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        let bound = self.prefixes.iter().rev().find(|(p, _)| &**p == prefix);
        let namespace = match bound {
            Some((_, namespace)) => namespace.clone(),
            None if prefix.is_empty() => Arc::from(""),
            None if prefix == "xml" => Arc::from(XML_NS),
            None => return Err(self.report(findings, format!("prefix '{prefix}' of '{qualified}' is not declared"))),
        };
        let is_adopted = self.schema.chameleon && namespace.is_empty();
        Ok(Name::new(if is_adopted { self.schema.target.clone() } else { namespace }, local))
    }

    /// The type that a definition of a type extends or restricts.
    pub(super) fn base(&self) -> Option<Result<Name, Reported>> {
        let is_content = |child: &Self| child.is_schema("complexContent") || child.is_schema("simpleContent");
        let content = self.children().find(is_content).unwrap_or_else(|| self.clone());
        content.children().find_map(|child| child.name("base", &Findings::default()))
    }

    /// Reports a fault of this element.
    pub(super) fn report(&self, findings: &Findings, message: impl Into<String>) -> Reported {
        findings.report(&self.location(), message)
    }

    /// Reports that this element is not supported, by its name.
    pub(super) fn refuse(&self, findings: &Findings) -> Reported {
        let name = &self.element.name;
        let name = if &*name.namespace == XSD_NS { format!("xs:{}", name.local) } else { name.to_string() };
        self.report(findings, format!("{name} is not supported here"))
    }
}
