//! Compiles complex types: content and attributes, with those inherited from the extended or restricted type.

use std::sync::Arc;

use super::array::{ITEM, array_name};
use super::compile::Compiler;
use super::finding::{Reported, all};
use super::node::Node;
use super::plan::{AttributePlan, Compositor, Content, Filling, Group, Occurs, Particle, TypeName};
use super::simple::{ANY_TYPE, SimpleType};
use super::symbols::SymbolSpace;
use super::types::any_simple_type;
use crate::xml::{Name, SOAP_ENC_NS, XSD_NS};

/// An element's content and attributes, by its type.
pub(super) struct Typed {
    /// Declared attributes.
    pub(super) attributes: Vec<AttributePlan>,
    /// Are other attributes allowed?
    pub(super) takes_any_attribute: bool,
    /// Is text allowed between elements?
    pub(super) is_mixed: bool,
    /// The content.
    pub(super) content: Content,
    /// The type's name, if `xsi:type` has to be written.
    pub(super) xsi_type: Option<TypeName>,
    /// For an array, the type of its items.
    pub(super) array: Option<TypeName>,
}

impl Typed {
    pub(super) fn new(attributes: Vec<AttributePlan>, content: Content) -> Self {
        Self { attributes, takes_any_attribute: false, is_mixed: false, content, xsi_type: None, array: None }
    }
}

/// The own declarations of a complex type or a derivation.
struct Body {
    particles: Vec<Particle>,
    /// Attributes by name; without a plan if prohibited.
    attributes: Vec<(Name, Option<AttributePlan>)>,
    takes_any_attribute: bool,
}

impl<'a> Compiler<'a, '_> {
    /// The type of an element: named by the bindings, named by the element, or declared inside.
    pub(super) fn type_of(&mut self, node: &Node<'a>) -> Result<Typed, Reported> {
        let declared = node.name("type", &self.findings).transpose()?;
        if let Some(wanted) = self.wanted_type() {
            return self.wanted(wanted, declared.as_ref(), node);
        }
        if let Some(name) = declared {
            let typed = self.named_type(&name, node, false)?;
            let xsi_type =
                self.is_encoded.then(|| TypeName::new(if typed.array.is_some() { array_name() } else { name }));
            return Ok(Typed { xsi_type, ..typed });
        }
        for child in node.children() {
            match child.keyword() {
                "simpleType" => return self.simple_type(&child).map(simple_content),
                "complexType" => return self.complex_type(&child),
                "unique" | "key" | "keyref" => {}
                _ => return Err(child.refuse(&self.findings)),
            }
        }
        match node.name("substitutionGroup", &self.findings).transpose()? {
            // An element without a type has the type of its substitution group's head (XML Schema part 1, 3.3.2).
            Some(head) => self.within(SymbolSpace::Element, &head, node, |compiler, head| compiler.type_of(&head)),
            None => self.named_type(&Name::new(XSD_NS, ANY_TYPE), node, false),
        }
    }

    /// A type that the bindings name, which must be derived from the declared type.
    fn wanted(&mut self, wanted: Name, declared: Option<&Name>, node: &Node<'a>) -> Result<Typed, Reported> {
        if let Some(declared) = declared.filter(|declared| !self.symbols.is_derived(&wanted, declared)) {
            return Err(node.report(&self.findings, format!("type '{wanted}' is not derived from '{declared}'")));
        }
        let typed = self.named_type(&wanted, node, false)?;
        Ok(Typed { xsi_type: Some(TypeName::new(wanted)), ..typed })
    }

    /// A type by name; an abstract type is refused unless `is_base`.
    pub(super) fn named_type(&mut self, name: &Name, from: &Node<'a>, is_base: bool) -> Result<Typed, Reported> {
        if *name == array_name() {
            return self.array(TypeName::new(Name::new(XSD_NS, ANY_TYPE)), ITEM, from);
        }
        if matches!(&*name.namespace, XSD_NS | SOAP_ENC_NS) || self.simple.contains_key(name) {
            return self.named_simple_type(name, from).map(simple_content);
        }
        let node = self.symbols.find_declaration(SymbolSpace::Type, name, from, &self.findings)?;
        if node.is_schema("simpleType") {
            return self.named_simple_type(name, from).map(simple_content);
        }
        if node.flag("abstract") && !is_base {
            let derived: Vec<String> =
                self.symbols.derived_types(name).iter().map(|name| name.local.to_string()).collect();
            let derived = if derived.is_empty() { "none".to_owned() } else { derived.join(", ") };
            let message =
                format!("type '{name}' is abstract: 'types' has to name one that is derived from it ({derived})");
            return Err(node.report(&self.findings, message));
        }
        self.within(SymbolSpace::Type, name, from, |compiler, node| compiler.complex_type(&node))
    }

    /// `xs:complexType`.
    fn complex_type(&mut self, node: &Node<'a>) -> Result<Typed, Reported> {
        for child in node.children() {
            if child.is_schema("complexContent") || child.is_schema("simpleContent") {
                let Some(derivation) = child.children().next() else { return Err(child.refuse(&self.findings)) };
                let typed = self.derived(&derivation)?;
                let is_mixed = typed.is_mixed || node.flag("mixed") || child.flag("mixed");
                return Ok(Typed { is_mixed, ..typed });
            }
        }
        let body = self.body(node, false)?;
        let mut attributes = Vec::new();
        take_over(&mut attributes, body.attributes);
        let group = sequence(body.particles, node);
        let content = match node.flag("mixed") && group.members.is_empty() {
            // Only text can stand in mixed content without elements.
            true => Content::Simple(any_simple_type(), None),
            false => Content::Complex(group),
        };
        let (takes_any_attribute, is_mixed) = (body.takes_any_attribute, node.flag("mixed"));
        Ok(Typed { takes_any_attribute, is_mixed, ..Typed::new(attributes, content) })
    }

    /// `xs:extension` or `xs:restriction`.
    fn derived(&mut self, node: &Node<'a>) -> Result<Typed, Reported> {
        let is_extension = node.is_schema("extension");
        if !is_extension && !node.is_schema("restriction") {
            return Err(node.refuse(&self.findings));
        }
        node.required("base", &self.findings)?;
        if let Some((item, local)) = self.array_items(node)? {
            return self.array(item, &local, node);
        }
        let base = match node.name("base", &self.findings).transpose()? {
            Some(name) if !name.is(XSD_NS, "anyType") => self.named_type(&name, node, true),
            _ => Ok(Typed::new(Vec::new(), Content::Complex(sequence(Vec::new(), node)))),
        };
        let has_facets = !is_extension && !matches!(&base, Ok(Typed { content: Content::Complex(_), .. }));
        let inline = node.children().find(|child| child.is_schema("simpleType"));
        let body = self.body(node, has_facets);
        let (base, body) = (base?, body?);
        let mut attributes = base.attributes;
        take_over(&mut attributes, body.attributes);
        let content = match base.content {
            Content::Simple(simple, source) if is_extension => Content::Simple(simple, source),
            Content::Simple(simple, source) => {
                let simple = inline.map_or(Ok(simple), |inline| self.simple_type(&inline))?;
                Content::Simple(self.restricted(simple, node)?, source)
            }
            Content::Complex(group) if is_extension => {
                let own = body.particles.into_iter();
                let inherited = (!group.members.is_empty()).then_some(Particle::Group(group));
                Content::Complex(sequence(inherited.into_iter().chain(own).collect(), node))
            }
            Content::Complex(_) => Content::Complex(sequence(body.particles, node)),
            Content::Unread(unread) => Content::Unread(unread),
        };
        let takes_any_attribute = body.takes_any_attribute || (is_extension && base.takes_any_attribute);
        let is_mixed = is_extension && base.is_mixed;
        Ok(Typed { takes_any_attribute, is_mixed, ..Typed::new(attributes, content) })
    }

    /// The particles and attributes directly inside a complex type or derivation; facets are read elsewhere, and skipped if
    /// `has_facets`.
    fn body(&mut self, node: &Node<'a>, has_facets: bool) -> Result<Body, Reported> {
        let mut body = Body { particles: Vec::new(), attributes: Vec::new(), takes_any_attribute: false };
        let read = all(node.children().map(|child| {
            match child.keyword() {
                "sequence" | "choice" | "all" | "group" => body.particles.extend(self.particle(&child)),
                "attribute" => body.attributes.push(self.attribute(&child)?),
                "attributeGroup" => {
                    let group = self.attribute_group(&child)?;
                    body.attributes.extend(group.attributes);
                    body.takes_any_attribute |= group.takes_any_attribute;
                }
                "anyAttribute" => body.takes_any_attribute = true,
                _ if has_facets => {}
                _ => return Err(child.refuse(&self.findings)),
            }
            Ok(())
        }));
        read.map(|_| body)
    }

    /// The attributes of a referenced `xs:attributeGroup`.
    fn attribute_group(&mut self, node: &Node<'a>) -> Result<Body, Reported> {
        let Some(name) = node.name("ref", &self.findings) else { return Err(node.refuse(&self.findings)) };
        let name = name?;
        if name.is(SOAP_ENC_NS, "commonAttributes") {
            // `id`, `href` and any other, on every element (SOAP 1.1, 5.4).
            return Ok(Body { particles: Vec::new(), attributes: Vec::new(), takes_any_attribute: true });
        }
        self.within(SymbolSpace::AttributeGroup, &name, node, |compiler, definition| compiler.body(&definition, false))
    }
}

fn simple_content(simple: Arc<SimpleType>) -> Typed {
    Typed::new(Vec::new(), Content::Simple(simple, None))
}

/// Replaces inherited attributes by declared attributes of the same name.
fn take_over(inherited: &mut Vec<AttributePlan>, own: Vec<(Name, Option<AttributePlan>)>) {
    for (name, plan) in own {
        inherited.retain(|attribute| attribute.name != name);
        inherited.extend(plan);
    }
}

/// The content of a complex type as one group.
fn sequence(mut members: Vec<Particle>, node: &Node<'_>) -> Group {
    if let [Particle::Group(group)] = members.as_mut_slice()
        && group.occurs == Occurs::ONCE
    {
        return group.clone();
    }
    let (compositor, occurs, filling) = (Compositor::Sequence, Occurs::ONCE, Filling::default());
    Group { compositor, occurs, members, filling, location: node.location() }
}
