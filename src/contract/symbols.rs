//! The declarations of a WSDL and its imports, by name. Each WSDL has its own symbols, since two WSDLs may declare the same
//! name differently.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::document::{Document, Documents, WSDL_NS, reference_attribute};
use super::finding::{Findings, Reported};
use super::node::{Node, SchemaDefaults};
use crate::xml::{Name, XSD_NS};

/// The symbol space of a name (XML Schema part 1, 2.5): the same name may stand in several, for different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(super) enum SymbolSpace {
    Element,
    Type,
    Attribute,
    Group,
    #[strum(serialize = "attribute group")]
    AttributeGroup,
    Message,
    #[strum(serialize = "port type")]
    PortType,
    Binding,
}

impl SymbolSpace {
    /// The space of an element's declaration, if the declaration can be referred to.
    fn of_declaration(name: &Name) -> Option<Self> {
        Some(match (&*name.namespace, &*name.local) {
            (XSD_NS, "element") => Self::Element,
            (XSD_NS, "complexType" | "simpleType") => Self::Type,
            (XSD_NS, "attribute") => Self::Attribute,
            (XSD_NS, "group") => Self::Group,
            (XSD_NS, "attributeGroup") => Self::AttributeGroup,
            (WSDL_NS, "message") => Self::Message,
            (WSDL_NS, "portType") => Self::PortType,
            (WSDL_NS, "binding") => Self::Binding,
            _ => return None,
        })
    }
}

/// Most steps of derivation.
const MOST_DERIVATIONS: usize = 100;

/// The symbols of a WSDL.
pub(super) struct Symbols<'a> {
    documents: &'a Documents,
    declared: HashMap<(SymbolSpace, Name), Vec<Node<'a>>>,
    /// The services; the WSDL's own come before imported services.
    pub(super) services: Vec<Node<'a>>,
    /// Heads of substitution groups, with their members.
    heads: HashMap<Name, Vec<Name>>,
    /// Missing documents: the namespace, and the reason.
    gaps: Vec<(String, String)>,
    visited: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl<'a> Symbols<'a> {
    /// Collects the declarations of a WSDL and its imports.
    pub(super) fn collect(documents: &'a Documents, wsdl: &'a Document, findings: &Findings) -> Result<Self, Reported> {
        let mut symbols = Self {
            documents,
            declared: HashMap::new(),
            services: Vec::new(),
            heads: HashMap::new(),
            gaps: Vec::new(),
            visited: BTreeSet::new(),
        };
        let root = Node::root(&wsdl.root, &wsdl.file);
        if !wsdl.root.name.is(WSDL_NS, "definitions") {
            return Err(root.report(findings, format!("'{}' is not the root of a WSDL 1.1", wsdl.root.name)));
        }
        symbols.visit(wsdl, None);
        Ok(symbols)
    }

    /// The declaration of a name; reports a name that is not declared, or declared twice.
    pub(super) fn find_declaration(
        &self,
        space: SymbolSpace,
        name: &Name,
        from: &Node<'_>,
        findings: &Findings,
    ) -> Result<Node<'a>, Reported> {
        match self.declared.get(&(space, name.clone())).map(Vec::as_slice) {
            Some([node]) if node.is_schema("redefine") || node.is_schema("override") => Err(node.refuse(findings)),
            Some([node]) => Ok(node.clone()),
            Some([first, second, ..]) => {
                let message = format!("{space} '{name}' is declared twice: here and at {}", first.location());
                Err(second.report(findings, message))
            }
            _ => {
                let mut message = format!("{space} '{name}' is not declared");
                for (_, why) in self.gaps.iter().filter(|(namespace, _)| **namespace == *name.namespace) {
                    message.push_str(&format!("; {why}"));
                }
                Err(from.report(findings, message))
            }
        }
    }

    /// The element of that name, if a schema declares it.
    pub(super) fn find_element(&self, name: &Name) -> Option<Node<'a>> {
        self.declared.get(&(SymbolSpace::Element, name.clone()))?.first().cloned()
    }

    /// The local names of the elements that the schemas declare in a namespace.
    pub(super) fn elements_in(&self, namespace: &str) -> Vec<&str> {
        let names = self.declared.keys().filter(|(space, _)| *space == SymbolSpace::Element);
        let mut locals: Vec<&str> = names.filter(|(_, n)| *n.namespace == *namespace).map(|(_, n)| &*n.local).collect();
        locals.sort_unstable();
        locals
    }

    /// All declarations of a space, in the order of the files.
    pub(super) fn all(&self, space: SymbolSpace) -> Vec<&Node<'a>> {
        let declared = self.declared.iter().filter(|((of, _), _)| *of == space);
        let mut all: Vec<_> = declared.flat_map(|(_, nodes)| nodes).collect();
        all.sort_by_key(|node| node.location());
        all
    }

    /// The members of an element's substitution group, direct or not.
    pub(super) fn substitutes(&self, head: &Name) -> Vec<Name> {
        let mut found: Vec<Name> = Vec::new();
        let mut waiting = vec![head.clone()];
        while let Some(head) = waiting.pop() {
            for name in self.heads.get(&head).into_iter().flatten() {
                if !found.contains(name) {
                    found.push(name.clone());
                    waiting.push(name.clone());
                }
            }
        }
        found
    }

    /// The type that a person means: `Local`, `{namespace}Local`, or `xs:local`.
    ///
    /// # Errors
    /// No type has the name, or several have.
    pub(super) fn type_named(&self, written: &str) -> Result<Name, String> {
        if let Some(local) = written.strip_prefix("xs:") {
            return Ok(Name::new(XSD_NS, local));
        }
        let types = self.declared.keys().filter(|(space, _)| *space == SymbolSpace::Type).map(|(_, name)| name);
        let found: Vec<&Name> = types.filter(|name| &*name.local == written || name.to_string() == written).collect();
        match found.as_slice() {
            [] => Err(format!("type '{written}' is not declared")),
            [name] => Ok((*name).clone()),
            [first, ..] => Err(format!("'{written}' is the name of several types: write '{first}', or another")),
        }
    }

    /// The types derived from `base`, directly or not, without abstract types.
    pub(super) fn derived_types(&self, base: &Name) -> Vec<&Name> {
        let types = self.declared.iter().filter(|((space, name), _)| *space == SymbolSpace::Type && name != base);
        let mut found: Vec<&Name> = types
            .filter(|((_, name), nodes)| nodes.iter().any(|node| !node.flag("abstract")) && self.is_derived(name, base))
            .map(|((_, name), _)| name)
            .collect();
        found.sort();
        found
    }

    /// Is a type `base`, or derived from `base`? Every type is derived from `xs:anyType`.
    pub(super) fn is_derived(&self, name: &Name, base: &Name) -> bool {
        let mut name = name.clone();
        for _ in 0..MOST_DERIVATIONS {
            if name == *base || base.is(XSD_NS, "anyType") {
                return true;
            }
            let Some([node]) = self.declared.get(&(SymbolSpace::Type, name)).map(Vec::as_slice) else { return false };
            let Some(Ok(parent)) = node.base() else { return false };
            name = parent;
        }
        false
    }

    fn visit(&mut self, document: &'a Document, including: Option<&Arc<str>>) {
        let root = &document.root;
        let own: Arc<str> = Arc::from(root.attribute("", "targetNamespace").unwrap_or_default());
        let target = including.filter(|_| own.is_empty()).unwrap_or(&own);
        if self.visited.insert((document.file.clone(), target.clone())) {
            let node = Node::root(root, &document.file);
            if root.name.is(WSDL_NS, "definitions") {
                self.visit_definitions(&node, &own);
            } else if root.name.is(XSD_NS, "schema") {
                self.visit_schema(node, target.clone());
            } else {
                let location = node.location();
                self.gaps.push((target.to_string(), format!("{location} is neither a WSDL 1.1 nor a schema")));
            }
        }
    }

    fn visit_definitions(&mut self, definitions: &Node<'a>, target: &Arc<str>) {
        for child in definitions.children() {
            if child.element.name.is(WSDL_NS, "import") {
                self.follow(&child, None);
            } else if child.element.name.is(WSDL_NS, "types") {
                for schema in child.children().filter(|schema| schema.is_schema("schema")) {
                    let target = Arc::from(schema.raw_attribute("targetNamespace").unwrap_or_default());
                    self.visit_schema(schema, target);
                }
            } else if child.element.name.is(WSDL_NS, "service") {
                self.services.push(child);
            } else {
                self.declare(child, target);
            }
        }
    }

    fn visit_schema(&mut self, schema: Node<'a>, target: Arc<str>) {
        let defaults = SchemaDefaults {
            qualified_elements: schema.attribute("elementFormDefault") == Some("qualified"),
            qualified_attributes: schema.attribute("attributeFormDefault") == Some("qualified"),
            chameleon: schema.raw_attribute("targetNamespace").is_none() && !target.is_empty(),
            target: target.clone(),
        };
        for child in schema.with_schema(defaults).children() {
            match child.keyword() {
                "import" => self.follow(&child, None),
                "include" => self.follow(&child, Some(&target)),
                "redefine" | "override" => {
                    for redefined in child.children() {
                        if let (Some(space), Some(name)) =
                            (SymbolSpace::of_declaration(&redefined.element.name), redefined.attribute("name"))
                        {
                            self.declared.insert((space, Name::new(target.clone(), name)), vec![child.clone()]);
                        }
                    }
                    self.gaps.push((
                        target.to_string(),
                        format!("xs:{} at {} is not supported", child.local(), child.location()),
                    ));
                }
                _ => self.declare(child, &target),
            }
        }
    }

    fn declare(&mut self, node: Node<'a>, target: &Arc<str>) {
        let (Some(space), Some(local)) = (SymbolSpace::of_declaration(&node.element.name), node.attribute("name"))
        else {
            return;
        };
        if space == SymbolSpace::Element
            && let Some(Ok(head)) = node.name("substitutionGroup", &Findings::default())
        {
            self.heads.entry(head).or_default().push(Name::new(target.clone(), local));
        }
        self.declared.entry((space, Name::new(target.clone(), local))).or_default().push(node);
    }

    /// Goes on with the document that an import or include names; without a location, the namespace is found elsewhere.
    fn follow(&mut self, node: &Node<'a>, including: Option<&Arc<str>>) {
        let Some(located) = self.documents.locate(&node.location().file, node.element) else {
            let namespace = node.raw_attribute("namespace").unwrap_or_default().to_owned();
            let why = format!("imported at {} without a location: [locations] can name its file", node.location());
            return self.gaps.push((namespace, why));
        };
        let document = located.and_then(|file| {
            self.documents.document(&file).map_err(|unread| match unread.line {
                Some(line) => format!("is not well-formed: line {line}: {}", unread.message),
                None => unread.message,
            })
        });
        match document {
            Ok(document) => self.visit(document, including),
            Err(why) => {
                let namespace = including.map_or(node.raw_attribute("namespace").unwrap_or_default(), |target| target);
                let written = reference_attribute(node.element).and_then(|attribute| node.raw_attribute(attribute));
                let why = format!("'{}', named at {}, {why}", written.unwrap_or_default(), node.location());
                self.gaps.push((namespace.to_owned(), why));
            }
        }
    }
}
