//! Compiles the attributes of an element.

use std::sync::Arc;

use super::compile::Compiler;
use super::finding::Reported;
use super::node::Node;
use super::plan::{AttributePlan, ValueSource};
use super::simple::SimpleType;
use super::symbols::SymbolSpace;
use super::types::any_simple_type;
use crate::xml::{Name, XML_NS};

impl<'a> Compiler<'a, '_> {
    /// An attribute's name and plan; a prohibited attribute has no plan.
    pub(super) fn attribute(&mut self, node: &Node<'a>) -> Result<(Name, Option<AttributePlan>), Reported> {
        self.count(node)?;
        let reference = node.name("ref", &self.findings).transpose()?;
        let name = match &reference {
            Some(name) => name.clone(),
            None => {
                let local = node.required("name", &self.findings)?;
                let form = node.attribute("form");
                let is_qualified = form.map_or(node.schema.qualified_attributes, |form| form == "qualified");
                Name::new(if is_qualified { node.schema.target.clone() } else { Arc::from("") }, local)
            }
        };
        if node.attribute("use") == Some("prohibited") {
            return Ok((name, None));
        }
        let typed = self.attempt(|compiler| {
            let declaration = match &reference {
                Some(name) if &*name.namespace != XML_NS => {
                    compiler.symbols.find_declaration(SymbolSpace::Attribute, name, node, &compiler.findings)?
                }
                _ => node.clone(),
            };
            let simple = compiler.attribute_type(&declaration)?;
            match node.raw_attribute("fixed").or_else(|| declaration.raw_attribute("fixed")) {
                Some(value) => Ok((compiler.fixed(&simple, value, node)?, Some(ValueSource::Fixed(value.to_owned())))),
                None => Ok((simple, None)),
            }
        });
        let ((simple, source), unread): ((Arc<SimpleType>, _), _) = match typed {
            Ok(typed) => (typed, Vec::new()),
            Err(unread) => ((any_simple_type(), None), unread),
        };
        let required = node.attribute("use") == Some("required");
        let (tag, location) = (String::new(), node.location());
        let plan = AttributePlan { name: name.clone(), tag, required, simple, unread, source, location };
        Ok((name, Some(plan)))
    }
}
