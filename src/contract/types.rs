//! Compiles simple types: restrictions, lists, unions, and references to any of them.

use std::sync::Arc;

use super::builtin::built_in;
use super::compile::Compiler;
use super::facet::FacetSet;
use super::finding::Reported;
use super::node::Node;
use super::simple::SimpleType;
use super::symbols::SymbolSpace;
use crate::xml::{Name, SOAP_ENC_NS, XSD_NS};

impl<'a> Compiler<'a, '_> {
    /// The type of an `xs:attribute`; without a declared type, any text.
    pub(super) fn attribute_type(&mut self, node: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        match (node.name("type", &self.findings), node.children().next()) {
            (Some(name), _) => self.named_simple_type(&name?, node),
            (None, Some(inline)) => self.simple_type(&inline),
            (None, None) => Ok(any_simple_type()),
        }
    }

    /// A simple type by name.
    pub(super) fn named_simple_type(&mut self, name: &Name, from: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        if let Some(simple) = self.simple.get(name) {
            return Ok(simple.clone());
        }
        // The encoding's namespace repeats the simple types of XML Schema (SOAP 1.1, 5.2).
        let simple = if matches!(&*name.namespace, XSD_NS | SOAP_ENC_NS) {
            let refuse = || from.report(&self.findings, format!("type xs:{} is not supported here", name.local));
            let local = if &*name.local == "base64" { "base64Binary" } else { &*name.local };
            built_in(local).ok_or_else(refuse)?
        } else {
            self.within(SymbolSpace::Type, name, from, |compiler, node| compiler.simple_type(&node))?
        };
        self.simple.insert(name.clone(), simple.clone());
        Ok(simple)
    }

    /// `xs:simpleType`.
    pub(super) fn simple_type(&mut self, node: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        self.deeper(node, |compiler| compiler.simple_definition(node))
    }

    fn simple_definition(&mut self, node: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        match node.children().next().filter(|_| node.is_schema("simpleType")) {
            Some(restriction) if restriction.is_schema("restriction") => {
                let base = self.simple_base(&restriction, "base")?;
                self.restricted(base, &restriction)
            }
            Some(list) if list.is_schema("list") => {
                let item = self.simple_base(&list, "itemType")?;
                if item.item().is_some() {
                    return Err(list.report(&self.findings, "a list of lists is not allowed"));
                }
                Ok(Arc::new(SimpleType::list(item)))
            }
            Some(union) if union.is_schema("union") => self.union(&union),
            Some(other) => Err(other.refuse(&self.findings)),
            None => Err(node.refuse(&self.findings)),
        }
    }

    /// `xs:union`: named member types, then inline types.
    fn union(&mut self, node: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        let mut members = Vec::new();
        for name in node.names("memberTypes", &self.findings) {
            members.push(self.named_simple_type(&name?, node)?);
        }
        for inline in node.children() {
            members.push(self.simple_type(&inline)?);
        }
        match members.is_empty() {
            true => Err(node.report(&self.findings, "a union of no types is not allowed")),
            false => Ok(Arc::new(SimpleType::union(members))),
        }
    }

    /// The type that a restriction or list is made of: named by an attribute, or given inside.
    fn simple_base(&mut self, node: &Node<'a>, attribute: &str) -> Result<Arc<SimpleType>, Reported> {
        match (node.name(attribute, &self.findings), node.children().find(|child| child.is_schema("simpleType"))) {
            (Some(name), _) => self.named_simple_type(&name?, node),
            (None, Some(inline)) => self.simple_type(&inline),
            (None, None) => Err(node.report(&self.findings, format!("'{}' has no '{attribute}'", node.local()))),
        }
    }

    /// A base with the facets that an `xs:restriction` holds.
    pub(super) fn restricted(&self, base: Arc<SimpleType>, node: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        let (mut set, mut outcome) = (FacetSet::default(), Ok(()));
        for facet in node.children().filter(|child| !is_structure(child.keyword())) {
            let value = facet.raw_attribute("value").unwrap_or_default();
            if let Err(why) = set.add_facet(&base, facet.local(), value) {
                outcome = Err(facet.report(&self.findings, format!("{} {why}", facet.local())));
            }
        }
        outcome?;
        Ok(Arc::new(SimpleType::restriction(base, set)))
    }
}

/// Any text.
pub(super) fn any_simple_type() -> Arc<SimpleType> {
    built_in("anySimpleType").expect("the table has it")
}

/// Is a child of `xs:restriction` no facet?
fn is_structure(local: &str) -> bool {
    matches!(local, "simpleType" | "attribute" | "attributeGroup" | "anyAttribute")
}
