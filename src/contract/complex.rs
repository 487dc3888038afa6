//! Compiles complex types: content and attributes, with what they take over from the type they extend or restrict.

use std::sync::Arc;

use super::compile::Compiler;
use super::finding::{Reported, all};
use super::node::Node;
use super::plan::{AttributePlan, Compositor, Content, Filling, Group, Occurs, Particle};
use super::simple::SimpleType;
use super::symbols::SymbolSpace;
use crate::xml::{Name, XSD_NS};

/// What an element is by its type.
pub(super) struct Typed {
    /// Attributes it may carry.
    pub(super) attributes: Vec<AttributePlan>,
    /// What it holds.
    pub(super) content: Content,
}

/// What a complex type or a derivation declares itself.
struct Body {
    particles: Vec<Particle>,
    /// Attributes by name; without a plan if prohibited.
    attributes: Vec<(Name, Option<AttributePlan>)>,
}

impl<'a> Compiler<'a, '_> {
    /// The type that an element states, by name or inside.
    pub(super) fn type_of(&mut self, node: &Node<'a>) -> Result<Typed, Reported> {
        if let Some(name) = node.name("type", self.findings) {
            return self.named_type(&name?, node, false);
        }
        for child in node.children() {
            match child.keyword() {
                "simpleType" => return self.simple_type(&child).map(simple_content),
                "complexType" => return self.complex_type(&child),
                "unique" | "key" | "keyref" => {}
                _ => return Err(child.refuse(self.findings)),
            }
        }
        let name = node.attribute("name").unwrap_or_default();
        let message = format!("{} '{name}' has no type, and xs:anyType is not supported", node.local());
        Err(node.report(self.findings, message))
    }

    /// A type by name. Only as a base may it be abstract.
    fn named_type(&mut self, name: &Name, from: &Node<'a>, is_base: bool) -> Result<Typed, Reported> {
        if &*name.namespace == XSD_NS || self.simple.contains_key(name) {
            return self.named_simple_type(name, from).map(simple_content);
        }
        let node = self.symbols.find_declaration(SymbolSpace::Type, name, from, self.findings)?;
        if node.is_schema("simpleType") {
            return self.named_simple_type(name, from).map(simple_content);
        }
        if node.flag("abstract") && !is_base {
            let message = format!("type '{name}' is abstract, which is not supported");
            return Err(node.report(self.findings, message));
        }
        self.within(SymbolSpace::Type, name, from, |compiler, node| compiler.complex_type(&node))
    }

    /// `xs:complexType`.
    fn complex_type(&mut self, node: &Node<'a>) -> Result<Typed, Reported> {
        if node.flag("mixed") {
            return Err(node.report(self.findings, "mixed content is not supported"));
        }
        for child in node.children() {
            if child.is_schema("complexContent") || child.is_schema("simpleContent") {
                if child.flag("mixed") {
                    return Err(child.report(self.findings, "mixed content is not supported"));
                }
                let Some(derivation) = child.children().next() else { return Err(child.refuse(self.findings)) };
                return self.derived(&derivation);
            }
        }
        let body = self.body(node, false)?;
        let mut attributes = Vec::new();
        take_over(&mut attributes, body.attributes);
        Ok(Typed { attributes, content: Content::Complex(sequence(body.particles, node)) })
    }

    /// `xs:extension` or `xs:restriction`.
    fn derived(&mut self, node: &Node<'a>) -> Result<Typed, Reported> {
        let is_extension = node.is_schema("extension");
        if !is_extension && !node.is_schema("restriction") {
            return Err(node.refuse(self.findings));
        }
        node.required("base", self.findings)?;
        let base = match node.name("base", self.findings).transpose()? {
            Some(name) if !name.is(XSD_NS, "anyType") => self.named_type(&name, node, true),
            _ if is_extension => Err(node.report(self.findings, "an extension of xs:anyType is not supported")),
            _ => Ok(Typed { attributes: Vec::new(), content: Content::Complex(sequence(Vec::new(), node)) }),
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
        };
        Ok(Typed { attributes, content })
    }

    /// The particles and attributes directly inside a complex type or derivation; facets, if it `has_facets`, are read
    /// elsewhere.
    fn body(&mut self, node: &Node<'a>, has_facets: bool) -> Result<Body, Reported> {
        let mut body = Body { particles: Vec::new(), attributes: Vec::new() };
        let read = all(node.children().map(|child| {
            match child.keyword() {
                "sequence" | "choice" | "all" | "group" => body.particles.extend(self.particle(&child)?),
                "attribute" => body.attributes.push(self.attribute(&child)?),
                "attributeGroup" => body.attributes.extend(self.attribute_group(&child)?),
                keyword if has_facets && keyword != "anyAttribute" => {}
                _ => return Err(child.refuse(self.findings)),
            }
            Ok(())
        }));
        read.map(|_| body)
    }

    /// The attributes of a referenced `xs:attributeGroup`.
    fn attribute_group(&mut self, node: &Node<'a>) -> Result<Vec<(Name, Option<AttributePlan>)>, Reported> {
        let Some(name) = node.name("ref", self.findings) else { return Err(node.refuse(self.findings)) };
        self.within(SymbolSpace::AttributeGroup, &name?, node, |compiler, definition| {
            compiler.body(&definition, false).map(|body| body.attributes)
        })
    }
}

fn simple_content(simple: Arc<SimpleType>) -> Typed {
    Typed { attributes: Vec::new(), content: Content::Simple(simple, None) }
}

/// Puts newly declared attributes in place of inherited ones of the same name.
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
