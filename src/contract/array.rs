//! Compiles arrays of encoded messages (SOAP 1.1, 5.4.2; WSDL 1.1, 2.2): types derived from `soapenc:Array`.

use super::compile::Compiler;
use super::complex::Typed;
use super::document::WSDL_NS;
use super::finding::Reported;
use super::node::Node;
use super::plan::{Compositor, Content, ElementPlan, Filling, Group, Occurs, Particle, TypeName};
use crate::xml::{Name, SOAP_ENC_NS, XSD_NS};

/// The name of an item, where the schema has none.
pub(super) const ITEM: &str = "item";

/// The type of all arrays.
pub(super) fn array_name() -> Name {
    Name::new(SOAP_ENC_NS, "Array")
}

impl<'a> Compiler<'a, '_> {
    /// The type and the name of the items, if a derivation is one of an array.
    pub(super) fn array_items(&mut self, node: &Node<'a>) -> Result<Option<(Name, String)>, Reported> {
        match node.name("base", &self.findings).transpose()? {
            Some(base) if base == array_name() => {}
            _ => return Ok(None),
        }
        let listed = node.children().find(|child| matches!(child.keyword(), "sequence" | "all"));
        let element = listed.and_then(|listed| listed.children().find(|child| child.is_schema("element")));
        let local = element.as_ref().and_then(|element| element.attribute("name")).unwrap_or(ITEM).to_owned();
        let attribute = node.children().find(|child| child.element.attribute(WSDL_NS, "arrayType").is_some());
        if let Some(attribute) = attribute {
            let written = attribute.element.attribute(WSDL_NS, "arrayType").unwrap_or_default();
            let item = written.trim().strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
            return match item {
                Some((item, size)) if !item.ends_with(']') && !size.contains(',') => {
                    Ok(Some((attribute.qualified(item, &self.findings)?, local)))
                }
                _ => Err(attribute.report(&self.findings, format!("array type '{written}' is not supported"))),
            };
        }
        let item = element.and_then(|element| element.name("type", &self.findings)).transpose()?;
        Ok(Some((item.unwrap_or_else(|| Name::new(XSD_NS, "anyType")), local)))
    }

    /// An array of items of a type.
    pub(super) fn array(&mut self, item: Name, local: &str, node: &Node<'a>) -> Result<Typed, Reported> {
        let typed = self.child(local, |compiler| {
            compiler
                .optionally(true, |compiler| compiler.deeper(node, |compiler| compiler.named_type(&item, node, false)))
        })?;
        let nested = typed.array.map(|item| Box::new(TypeName::new(item)));
        let xsi_type = if nested.is_some() { array_name() } else { item.clone() };
        let plan = ElementPlan {
            occurs: Occurs { min: 0, max: None },
            nillable: true,
            attributes: typed.attributes,
            xsi_type: Some(Box::new(TypeName::new(xsi_type))),
            array: nested,
            ..ElementPlan::new(Name::new("", local), typed.content, node.location())
        };
        let (compositor, occurs, filling) = (Compositor::Sequence, Occurs::ONCE, Filling::default());
        let members = vec![Particle::Element(plan)];
        let group = Group { compositor, occurs, members, filling, location: node.location() };
        Ok(Typed { array: Some(item), ..Typed::new(Vec::new(), Content::Complex(group)) })
    }
}
