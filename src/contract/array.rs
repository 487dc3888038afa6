//! Compiles arrays of encoded messages (SOAP 1.1, 5.4.2; WSDL 1.1, 2.2): types derived from `soapenc:Array`.

use super::compile::Compiler;
use super::complex::Typed;
use super::document::WSDL_NS;
use super::finding::Reported;
use super::node::Node;
use super::plan::{Compositor, Content, ElementPlan, Filling, Group, Occurs, Particle, TypeName};
use super::simple::ANY_TYPE;
use crate::xml::{Name, SOAP_ENC_NS, XSD_NS};

/// The name of an item, where the schema has none.
pub(super) const ITEM: &str = "item";

/// The type of all arrays.
pub(super) fn array_name() -> Name {
    Name::new(SOAP_ENC_NS, "Array")
}

impl<'a> Compiler<'a, '_> {
    /// The type and the name of the items, if a derivation derives an array.
    pub(super) fn array_items(&mut self, node: &Node<'a>) -> Result<Option<(TypeName, String)>, Reported> {
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
            let Some((item, ranks)) = parse_array_type(written) else {
                let message = format!(
                    "array type '{written}' is not supported: only arrays of one dimension are, and arrays of them ('[][]')"
                );
                return Err(attribute.report(&self.findings, message));
            };
            let name = attribute.qualified(item, &self.findings)?;
            return Ok(Some((TypeName { ranks, ..TypeName::new(name) }, local)));
        }
        let item = element.and_then(|element| element.name("type", &self.findings)).transpose()?;
        Ok(Some((TypeName::new(item.unwrap_or_else(|| Name::new(XSD_NS, ANY_TYPE))), local)))
    }

    /// An array of items of a type.
    pub(super) fn array(&mut self, item: TypeName, local: &str, node: &Node<'a>) -> Result<Typed, Reported> {
        let typed = self.child(local, |compiler| {
            compiler.optionally(true, |compiler| {
                compiler.deeper(node, |compiler| match item.ranks.checked_sub(1) {
                    None => compiler.named_type(&item.name, node, false),
                    Some(ranks) => compiler.array(TypeName { ranks, ..item.clone() }, ITEM, node),
                })
            })
        })?;
        let nested = typed.array.map(Box::new);
        let xsi_type = if nested.is_some() { array_name() } else { item.name.clone() };
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

/// The item type's name, and the number of arrays between the item and the outermost array: 1 for `xs:int[][3]`. `None` for
/// an array of several dimensions (`xs:int[,]`).
fn parse_array_type(written: &str) -> Option<(&str, usize)> {
    let (item, sizes) = written.trim().split_once('[')?;
    let sizes = sizes.strip_suffix(']')?;
    let is_one_dimension = |size: &str| size.chars().all(|c| c.is_ascii_digit());
    sizes.split("][").all(is_one_dimension).then(|| (item, sizes.matches("][").count()))
}
