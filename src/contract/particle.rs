//! Compiles the particles of a complex type: elements, groups, references to groups, and open places.

use std::sync::Arc;

use super::compile::Compiler;
use super::finding::Reported;
use super::node::Node;
use super::plan::{Compositor, ElementPlan, Filling, Group, Namespaces, Occurs, OpenPlan, Particle};
use super::symbols::SymbolSpace;
use crate::xml::Name;

/// Most mandatory occurrences of a particle.
const MAX_MIN_OCCURS: u32 = 1_000;

impl<'a> Compiler<'a, '_> {
    /// An element, a group, a reference to a group, or an open place; `None` for a particle that may not occur. A particle
    /// that is not understood becomes an open place.
    pub(super) fn particle(&mut self, node: &Node<'a>) -> Option<Particle> {
        let occurs = self.attempt(|compiler| compiler.occurs(node));
        let is_optional = occurs.as_ref().is_ok_and(|occurs| occurs.min == 0);
        let unread = match &occurs {
            Ok(Occurs { max: Some(0), .. }) => return None,
            Ok(occurs) => match self.optionally(is_optional, |c| c.attempt(|c| c.read_particle(node, *occurs))) {
                Ok(particle) => return particle,
                Err(unread) => unread,
            },
            Err(unread) => unread.clone(),
        };
        let occurs = occurs.unwrap_or(Occurs::ONCE);
        Some(Particle::Open(OpenPlan { unread, ..open(node, occurs, Namespaces::Any) }))
    }

    fn read_particle(&mut self, node: &Node<'a>, occurs: Occurs) -> Result<Option<Particle>, Reported> {
        Ok(Some(match node.keyword() {
            "element" => self.local_element(node, occurs)?,
            "sequence" => Particle::Group(self.group(node, Compositor::Sequence, occurs)?),
            "choice" => Particle::Group(self.group(node, Compositor::Choice, occurs)?),
            "all" => Particle::Group(self.group(node, Compositor::All, occurs)?),
            "any" => Particle::Open(open(node, occurs, namespaces(node))),
            "group" => {
                let Some(name) = node.name("ref", &self.findings) else { return Err(node.refuse(&self.findings)) };
                return self.within(SymbolSpace::Group, &name?, node, |compiler, definition| {
                    let content = definition.children().next();
                    let mut particle = content.and_then(|content| compiler.particle(&content));
                    if let Some(Particle::Group(group)) = &mut particle {
                        group.occurs = occurs;
                    }
                    Ok(particle)
                });
            }
            _ => return Err(node.refuse(&self.findings)),
        }))
    }

    /// `xs:element` inside a group.
    fn local_element(&mut self, node: &Node<'a>, occurs: Occurs) -> Result<Particle, Reported> {
        if let Some(name) = node.name("ref", &self.findings) {
            return self.referenced_element(&name?, occurs, node);
        }
        let local = node.required("name", &self.findings)?;
        let is_qualified = node.attribute("form").map_or(node.schema.qualified_elements, |form| form == "qualified");
        let namespace = if is_qualified { node.schema.target.clone() } else { Arc::from("") };
        self.child(local, |compiler| compiler.declared_element(node, Name::new(namespace, local), occurs))
            .map(Particle::Element)
    }

    /// A global element; or a choice of the element and its substitutes.
    fn referenced_element(&mut self, name: &Name, occurs: Occurs, from: &Node<'a>) -> Result<Particle, Reported> {
        let substitutes = self.symbols.substitutes(name);
        if substitutes.is_empty() {
            let plan = self.child(&name.local, |compiler| compiler.global_element(name, occurs, from))?;
            return Ok(Particle::Element(plan));
        }
        let head = self.symbols.find_declaration(SymbolSpace::Element, name, from, &self.findings)?;
        let is_concrete = |name: &&Name| {
            let node = self.symbols.find_declaration(SymbolSpace::Element, name, from, &self.findings);
            node.is_ok_and(|node| !node.flag("abstract"))
        };
        let names: Vec<&Name> = std::iter::once(name).chain(&substitutes).filter(is_concrete).collect();
        let members: Vec<ElementPlan> = self.optionally(true, |compiler| {
            let member = |name: &&Name| {
                compiler.child(&name.local, |compiler| {
                    compiler.attempt(|compiler| compiler.global_element(name, Occurs::ONCE, from)).ok()
                })
            };
            names.iter().filter_map(member).collect()
        });
        let members = members.into_iter().map(Particle::Element).collect();
        let (compositor, filling, location) = (Compositor::Choice, Filling::default(), head.location());
        Ok(Particle::Group(Group { compositor, occurs, members, filling, location }))
    }

    fn group(&mut self, node: &Node<'a>, compositor: Compositor, occurs: Occurs) -> Result<Group, Reported> {
        let members = self.optionally(compositor == Compositor::Choice, |compiler| {
            compiler
                .deeper(node, |compiler| Ok(node.children().filter_map(|member| compiler.particle(&member)).collect()))
        })?;
        Ok(Group { compositor, occurs, members, filling: Filling::default(), location: node.location() })
    }

    fn occurs(&self, node: &Node<'a>) -> Result<Occurs, Reported> {
        let number = |attribute: &str| match node.attribute(attribute).map(str::parse::<u32>) {
            None => Ok(1),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(node.report(&self.findings, format!("'{attribute}' is not a number"))),
        };
        let min = number("minOccurs")?;
        let max = if node.attribute("maxOccurs") == Some("unbounded") { None } else { Some(number("maxOccurs")?) };
        if min > MAX_MIN_OCCURS {
            return Err(node.report(&self.findings, format!("minOccurs above {MAX_MIN_OCCURS} is not supported")));
        }
        if max.is_some_and(|max| max < min) {
            return Err(node.report(&self.findings, "maxOccurs is less than minOccurs"));
        }
        Ok(Occurs { min, max })
    }
}

fn open(node: &Node<'_>, occurs: Occurs, namespaces: Namespaces) -> OpenPlan {
    let is_strict = matches!(node.attribute("processContents"), None | Some("strict"));
    let (unread, literal, filling, location) = (Vec::new(), None, Filling::default(), node.location());
    OpenPlan { occurs, namespaces, is_strict, unread, literal, filling, location }
}

/// The namespaces of an `xs:any` (XML Schema part 1, 3.10.2).
fn namespaces(node: &Node<'_>) -> Namespaces {
    let target = &node.schema.target;
    match node.attribute("namespace") {
        None | Some("##any") => Namespaces::Any,
        Some("##other") => Namespaces::Other(target.clone()),
        Some(listed) => Namespaces::Listed(
            listed
                .split_whitespace()
                .map(|namespace| match namespace {
                    "##targetNamespace" => target.clone(),
                    "##local" => Arc::from(""),
                    namespace => Arc::from(namespace),
                })
                .collect(),
        ),
    }
}
