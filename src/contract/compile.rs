//! Compiles the elements of a schema into the plan's shapes, on demand: a declaration that no operation reaches is never
//! read, and so is never a fault. Groups are in `particle`, attributes in `attribute`, types in `complex` and `types`.
//!
//! A declaration that is not understood stands in the plan as unread, with the reason, which is reported only if the
//! bindings lead there (`bind`) or if the request needs the element (`cover`). Recursion goes as deep as the bindings lead.
//! Depth and size have a bound, so that the expansion of a hostile schema ends; optional elements have a bound of their own,
//! and never use up the bound of mandatory elements.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::demand::Demand;
use super::facet::FacetSet;
use super::finding::{Finding, Findings, Location, Reported};
use super::node::Node;
use super::plan::{Content, ElementPlan, Occurs, ValueSource};
use super::simple::SimpleType;
use super::symbols::{SymbolSpace, Symbols};
use crate::xml::Name;

/// Most nesting of elements, groups and types. Elements alone nest half as deep, which is the XML reader's limit.
const MAX_DEPTH: usize = 120;
/// Most elements, attributes, groups and types of a message, references expanded; the same again for optional elements.
const MAX_SIZE: usize = 10_000;

/// Compiles the messages of one WSDL.
pub(super) struct Compiler<'a, 's> {
    pub(super) symbols: &'s Symbols<'a>,
    /// Findings of the innermost attempt: the declaration that may stay unread.
    pub(super) findings: Rc<Findings>,
    /// Named simple types, compiled once.
    pub(super) simple: HashMap<Name, Arc<SimpleType>>,
    /// The bindings' demand on the element that is being compiled.
    demand: Rc<Demand>,
    /// Is the message encoded?
    pub(super) is_encoded: bool,
    /// Is the declaration that is being compiled optional?
    pub(super) is_optional: bool,
    /// The declarations that are being compiled, by which recursion is seen.
    open: Vec<(SymbolSpace, Name)>,
    depth: usize,
    size: Size,
    optional_size: Size,
}

/// The number of compiled declarations.
#[derive(Default)]
struct Size {
    count: usize,
    /// The declaration that exceeded the limit.
    exceeded_at: Option<Location>,
}

impl<'a, 's> Compiler<'a, 's> {
    pub(super) fn new(symbols: &'s Symbols<'a>) -> Self {
        Self {
            symbols,
            findings: Rc::default(),
            simple: HashMap::new(),
            demand: Rc::default(),
            is_encoded: false,
            is_optional: false,
            open: Vec::new(),
            depth: 0,
            size: Size::default(),
            optional_size: Size::default(),
        }
    }

    /// Starts a message: the size is counted anew, by the message's demand.
    pub(super) fn start_message(&mut self, demand: &Rc<Demand>) {
        (self.size, self.optional_size, self.demand) = (Size::default(), Size::default(), Rc::clone(demand));
    }

    /// Runs `inside`; returns its findings, which are no faults yet, if it fails.
    pub(super) fn attempt<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, Reported>,
    ) -> Result<T, Vec<Finding>> {
        let outer = std::mem::take(&mut self.findings);
        let result = inside(self);
        let found = std::mem::replace(&mut self.findings, outer);
        result.map_err(|Reported| found.to_sorted())
    }

    /// Runs `inside` while `name` is open. A name that is open already is recursive, and is refused unless the demand ends
    /// the recursion.
    pub(super) fn within<T>(
        &mut self,
        space: SymbolSpace,
        name: &Name,
        from: &Node<'a>,
        inside: impl FnOnce(&mut Self, Node<'a>) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        let node = self.symbols.find_declaration(space, name, from, &self.findings)?;
        let key = (space, name.clone());
        if self.open.contains(&key) && !self.demand.leads_on() {
            return Err(node.report(&self.findings, format!("{space} '{name}' is recursive, without an end")));
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
            Err(node.report(&self.findings, format!("elements and types nest deeper than {MAX_DEPTH}")))
        } else {
            inside(self)
        };
        self.depth -= 1;
        result
    }

    pub(super) fn count(&mut self, node: &Node<'a>) -> Result<(), Reported> {
        let size = if self.is_optional { &mut self.optional_size } else { &mut self.size };
        size.count += 1;
        if size.count <= MAX_SIZE {
            return Ok(());
        }
        // The first element beyond the limit is reported, not each that follows.
        let location = size.exceeded_at.get_or_insert_with(|| node.location());
        let kind = if self.is_optional { "optional elements" } else { "elements" };
        Err(self.findings.report(location, format!("the message has more than {MAX_SIZE} {kind}")))
    }

    /// An element declared at the top of a schema.
    pub(super) fn global_element(
        &mut self,
        name: &Name,
        occurs: Occurs,
        from: &Node<'a>,
    ) -> Result<ElementPlan, Reported> {
        self.within(SymbolSpace::Element, name, from, |compiler, node| {
            compiler.declared_element(&node, name.clone(), occurs)
        })
    }

    pub(super) fn declared_element(
        &mut self,
        node: &Node<'a>,
        name: Name,
        occurs: Occurs,
    ) -> Result<ElementPlan, Reported> {
        if node.flag("abstract") {
            let message = format!("element '{name}' is abstract, and nothing is declared that stands for it");
            return Err(node.report(&self.findings, message));
        }
        Ok(self.element(node, name, occurs))
    }

    /// Runs `inside` for a child, with the child's demand; a demanded child is not optional.
    pub(super) fn child<T>(&mut self, local: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let wanted = self.demand.child(local);
        let is_optional = self.is_optional && wanted.is_none();
        let outer = (std::mem::replace(&mut self.demand, wanted.unwrap_or_default()), self.is_optional);
        self.is_optional = is_optional;
        let result = inside(self);
        (self.demand, self.is_optional) = outer;
        result
    }

    /// Runs `inside` for an optional part of the message, if `is_optional`.
    pub(super) fn optionally<T>(&mut self, is_optional: bool, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.is_optional;
        self.is_optional |= is_optional;
        let result = inside(self);
        self.is_optional = outer;
        result
    }

    /// The type that the bindings name for the element that is being compiled.
    pub(super) fn wanted_type(&self) -> Option<Name> {
        self.demand.type_name.clone()
    }

    /// An element whose type `node` states: an `xs:element`, or a `wsdl:part`.
    pub(super) fn element(&mut self, node: &Node<'a>, name: Name, occurs: Occurs) -> ElementPlan {
        let nillable = node.flag("nillable");
        let is_left_nil = nillable && !self.demand.leads_on();
        let typed = self.optionally(is_left_nil, |compiler| {
            compiler.attempt(|compiler| {
                let mut typed = compiler.deeper(node, |compiler| compiler.type_of(node))?;
                if let (Content::Simple(simple, source), Some(value)) =
                    (&mut typed.content, node.raw_attribute("fixed"))
                {
                    *simple = compiler.fixed(simple, value, node)?;
                    *source = Some(ValueSource::Fixed(value.to_owned()));
                }
                Ok(typed)
            })
        });
        let location = node.location();
        let mut plan = match typed {
            Ok(typed) => ElementPlan {
                attributes: typed.attributes,
                takes_any_attribute: typed.takes_any_attribute,
                is_mixed: typed.is_mixed,
                xsi_type: typed.xsi_type.map(Box::new),
                array: typed.array.map(Box::new),
                ..ElementPlan::new(name, typed.content, location)
            },
            Err(unread) => ElementPlan::new(name, Content::Unread(unread), location),
        };
        plan.occurs = occurs;
        // An encoded element may be nil or left out, whatever the schema says (SOAP 1.1, 5.1).
        plan.nillable = nillable || self.is_encoded;
        plan.default = node.raw_attribute("fixed").or(node.raw_attribute("default")).map(str::to_owned);
        plan
    }

    /// The type of a value that must be `value`.
    pub(super) fn fixed(
        &self,
        simple: &Arc<SimpleType>,
        value: &str,
        node: &Node<'a>,
    ) -> Result<Arc<SimpleType>, Reported> {
        let mut only = FacetSet::default();
        let fault = |why| node.report(&self.findings, format!("fixed value {why}"));
        only.add_facet(simple, "enumeration", value).map_err(fault)?;
        Ok(Arc::new(SimpleType::restriction(simple.clone(), only)))
    }
}
