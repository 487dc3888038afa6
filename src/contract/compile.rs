//! Compiles elements, attributes and model groups of a schema into the plan's shapes, on demand: what no operation
//! reaches is never looked at, so it cannot be a fault.
//!
//! Whatever is not understood is refused by its name. Recursion is refused, and depth and size have a bound, so that a
//! hostile schema cannot grow without end when it is expanded. Types are in `complex` and `types`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::facet::FacetSet;
use super::finding::{Findings, Reported, all};
use super::node::Node;
use super::plan::{AttributePlan, Compositor, Content, ElementPlan, Filling, Group, Occurs, Particle, ValueSource};
use super::simple::SimpleType;
use super::symbols::{SymbolSpace, Symbols};
use crate::xml::{Name, XML_NS};

/// Nesting of elements, groups and types; of elements alone, half as many, which is what the XML reader takes.
const MAX_DEPTH: usize = 120;
/// Elements, attributes, groups and types of one message, all references expanded.
const MAX_SIZE: usize = 10_000;
/// Occurrences that may be mandatory.
const MAX_MIN_OCCURS: u32 = 1_000;

/// Compiles the messages of one WSDL.
pub(super) struct Compiler<'a, 's> {
    pub(super) symbols: &'s Symbols<'a>,
    pub(super) findings: &'s Findings,
    /// Simple types that have a name, compiled once.
    pub(super) simple: HashMap<Name, Arc<SimpleType>>,
    /// What is being compiled, to see recursion.
    open: Vec<(SymbolSpace, Name)>,
    depth: usize,
    size: usize,
}

impl<'a, 's> Compiler<'a, 's> {
    pub(super) fn new(symbols: &'s Symbols<'a>, findings: &'s Findings) -> Self {
        Self { symbols, findings, simple: HashMap::new(), open: Vec::new(), depth: 0, size: 0 }
    }

    /// Counts anew, for one more message.
    pub(super) fn start_message(&mut self) {
        self.size = 0;
    }

    /// Runs `inside` while `name` counts as open; a name that is open already is recursive.
    pub(super) fn within<T>(
        &mut self,
        space: SymbolSpace,
        name: &Name,
        from: &Node<'a>,
        inside: impl FnOnce(&mut Self, Node<'a>) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        let node = self.symbols.find_declaration(space, name, from, self.findings)?;
        let key = (space, name.clone());
        if self.open.contains(&key) {
            return Err(node.report(self.findings, format!("{space} '{name}' is recursive, which is not supported")));
        }
        self.open.push(key);
        let result = self.deeper(&node.clone(), |compiler| inside(compiler, node));
        self.open.pop();
        result
    }

    /// Runs `inside` one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        node: &Node<'a>,
        inside: impl FnOnce(&mut Self) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        self.count(node)?;
        self.depth += 1;
        let result = if self.depth > MAX_DEPTH {
            Err(node.report(self.findings, format!("elements and types nest deeper than {MAX_DEPTH}")))
        } else {
            inside(self)
        };
        self.depth -= 1;
        result
    }

    fn count(&mut self, node: &Node<'a>) -> Result<(), Reported> {
        self.size += 1;
        match self.size.cmp(&(MAX_SIZE + 1)) {
            Ordering::Less => Ok(()),
            Ordering::Equal => {
                Err(node.report(self.findings, format!("the message has more than {MAX_SIZE} elements")))
            }
            Ordering::Greater => Err(Reported),
        }
    }

    /// An element declared at the top of a schema.
    pub(super) fn global_element(
        &mut self,
        name: &Name,
        occurs: Occurs,
        from: &Node<'a>,
    ) -> Result<ElementPlan, Reported> {
        self.within(SymbolSpace::Element, name, from, |compiler, node| {
            if let Some(substitute) = compiler.symbols.substitute(name) {
                let message =
                    format!("element '{name}' heads a substitution group ({substitute}), which is not supported");
                return Err(node.report(compiler.findings, message));
            }
            compiler.declared_element(&node, name.clone(), occurs)
        })
    }

    /// `xs:element` inside a group.
    fn local_element(&mut self, node: &Node<'a>, occurs: Occurs) -> Result<ElementPlan, Reported> {
        if let Some(name) = node.name("ref", self.findings) {
            return self.global_element(&name?, occurs, node);
        }
        let local = node.required("name", self.findings)?;
        let is_qualified = node.attribute("form").map_or(node.schema.qualified_elements, |form| form == "qualified");
        let namespace = if is_qualified { node.schema.target.clone() } else { Arc::from("") };
        self.declared_element(node, Name::new(namespace, local), occurs)
    }

    fn declared_element(&mut self, node: &Node<'a>, name: Name, occurs: Occurs) -> Result<ElementPlan, Reported> {
        if node.flag("abstract") {
            let message = format!("element '{name}' is abstract, which is not supported");
            return Err(node.report(self.findings, message));
        }
        self.element(node, name, occurs)
    }

    /// An element whose type `node` states: an `xs:element`, or a `wsdl:part`.
    pub(super) fn element(&mut self, node: &Node<'a>, name: Name, occurs: Occurs) -> Result<ElementPlan, Reported> {
        let mut typed = self.deeper(node, |compiler| compiler.type_of(node))?;
        if let (Content::Simple(simple, source), Some(value)) = (&mut typed.content, node.raw_attribute("fixed")) {
            *simple = self.fixed(simple, value, node)?;
            *source = Some(ValueSource::Fixed(value.to_owned()));
        }
        Ok(ElementPlan {
            name,
            tag: String::new(),
            occurs,
            nillable: node.flag("nillable"),
            attributes: typed.attributes,
            content: typed.content,
            default: node.raw_attribute("fixed").or(node.raw_attribute("default")).map(str::to_owned),
            filling: Filling::default(),
            location: node.location(),
        })
    }

    /// The type of a value that must be `value`.
    fn fixed(&self, simple: &Arc<SimpleType>, value: &str, node: &Node<'a>) -> Result<Arc<SimpleType>, Reported> {
        let mut only = FacetSet::default();
        let fault = |why| node.report(self.findings, format!("fixed value {why}"));
        only.add_facet(simple, "enumeration", value).map_err(fault)?;
        Ok(Arc::new(SimpleType::restriction(simple.clone(), only)))
    }

    /// An element, a group or a reference to a group; `None` if it may not occur.
    pub(super) fn particle(&mut self, node: &Node<'a>) -> Result<Option<Particle>, Reported> {
        let occurs = self.occurs(node)?;
        let is_absent = occurs.max == Some(0);
        Ok(match node.keyword() {
            _ if is_absent => None,
            "element" => Some(Particle::Element(self.local_element(node, occurs)?)),
            "sequence" => Some(Particle::Group(self.group(node, Compositor::Sequence, occurs)?)),
            "choice" => Some(Particle::Group(self.group(node, Compositor::Choice, occurs)?)),
            "all" => Some(Particle::Group(self.group(node, Compositor::All, occurs)?)),
            "group" => {
                let Some(name) = node.name("ref", self.findings) else { return Err(node.refuse(self.findings)) };
                self.within(SymbolSpace::Group, &name?, node, |compiler, definition| {
                    let Some(content) = definition.children().next() else { return Ok(None) };
                    let mut particle = compiler.particle(&content)?;
                    if let Some(Particle::Group(group)) = &mut particle {
                        group.occurs = occurs;
                    }
                    Ok(particle)
                })?
            }
            _ => return Err(node.refuse(self.findings)),
        })
    }

    fn group(&mut self, node: &Node<'a>, compositor: Compositor, occurs: Occurs) -> Result<Group, Reported> {
        let members = self.deeper(node, |compiler| all(node.children().map(|member| compiler.particle(&member))))?;
        let members = members.into_iter().flatten().collect();
        Ok(Group { compositor, occurs, members, filling: Filling::default(), location: node.location() })
    }

    fn occurs(&self, node: &Node<'a>) -> Result<Occurs, Reported> {
        let number = |attribute: &str| match node.attribute(attribute).map(str::parse::<u32>) {
            None => Ok(1),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(node.report(self.findings, format!("'{attribute}' is not a number"))),
        };
        let min = number("minOccurs")?;
        let max = if node.attribute("maxOccurs") == Some("unbounded") { None } else { Some(number("maxOccurs")?) };
        if min > MAX_MIN_OCCURS {
            return Err(node.report(self.findings, format!("minOccurs above {MAX_MIN_OCCURS} is not supported")));
        }
        if max.is_some_and(|max| max < min) {
            return Err(node.report(self.findings, "maxOccurs is less than minOccurs"));
        }
        Ok(Occurs { min, max })
    }

    /// An attribute by name; without a plan if it is prohibited.
    pub(super) fn attribute(&mut self, node: &Node<'a>) -> Result<(Name, Option<AttributePlan>), Reported> {
        self.count(node)?;
        let reference = node.name("ref", self.findings).transpose()?;
        let (name, declaration) = match reference {
            Some(name) if &*name.namespace == XML_NS => (name, node.clone()),
            Some(name) => {
                let global = self.symbols.find_declaration(SymbolSpace::Attribute, &name, node, self.findings)?;
                (name, global)
            }
            None => {
                let local = node.required("name", self.findings)?;
                let form = node.attribute("form");
                let is_qualified = form.map_or(node.schema.qualified_attributes, |form| form == "qualified");
                let namespace = if is_qualified { node.schema.target.clone() } else { Arc::from("") };
                (Name::new(namespace, local), node.clone())
            }
        };
        if node.attribute("use") == Some("prohibited") {
            return Ok((name, None));
        }
        let mut simple = self.attribute_type(&declaration)?;
        let fixed = node.raw_attribute("fixed").or_else(|| declaration.raw_attribute("fixed"));
        if let Some(value) = fixed {
            simple = self.fixed(&simple, value, node)?;
        }
        let plan = AttributePlan {
            name: name.clone(),
            tag: String::new(),
            required: node.attribute("use") == Some("required"),
            simple,
            source: fixed.map(|value| ValueSource::Fixed(value.to_owned())),
            location: node.location(),
        };
        Ok((name, Some(plan)))
    }
}
