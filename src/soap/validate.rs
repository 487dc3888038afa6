//! Checks a message against its plan: the content model, attributes, `xsi:nil`, and the facets of every value.
//!
//! XML Schema demands that each element of a content model can be assigned to one particle without looking ahead
//! (unique particle attribution), so one pass over the children decides.

use crate::contract::{Content, Group, GroupKind, Message, Particle, Shape};
use crate::xml::{Element, Name, Node, XML_NS, XSI_NS, is_xml_space};

/// One way in which a message is not as the schema wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The element, from the message's root: `/CreatePairing/CreatePairingRequest/CaClientIds/CaClientId[2]`.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// How many violations of one message are told.
const MOST_VIOLATIONS: usize = 20;

/// Checks the child of a body. No violations: it is valid.
pub fn message(message: &Message, body_child: &Element) -> Vec<Violation> {
    let mut checker = Checker { violations: Vec::new(), path: Vec::new() };
    if body_child.name == message.root.name {
        checker.element(&message.root, body_child, None);
    } else {
        checker.report(format!("'{}' was expected, not '{}'", message.root.name, body_child.name));
    }
    checker.violations
}

/// State of one message.
struct Checker<'m> {
    violations: Vec<Violation>,
    /// Local names from the root, each with its number where it may occur several times.
    path: Vec<(&'m str, Option<usize>)>,
}

/// The children of one element, and how far they are accounted for.
struct Children<'m> {
    elements: Vec<&'m Element>,
    next: usize,
}

impl<'m> Children<'m> {
    fn peek(&self) -> Option<&'m Element> {
        self.elements.get(self.next).copied()
    }
}

impl<'m> Checker<'m> {
    fn report(&mut self, what: String) {
        if self.violations.len() < MOST_VIOLATIONS {
            let mut path = String::new();
            for (name, number) in &self.path {
                path.push('/');
                path.push_str(name);
                if let Some(number) = number {
                    path.push_str(&format!("[{number}]"));
                }
            }
            self.violations.push(Violation { path, what });
        }
    }

    fn element(&mut self, shape: &Shape, element: &'m Element, number: Option<usize>) {
        self.path.push((&element.name.local, number));
        self.attributes(shape, element);
        let is_nil = element.attribute(XSI_NS, "nil").is_some_and(|nil| matches!(nil.trim(), "true" | "1"));
        match &shape.content {
            _ if is_nil => self.nil(shape, element),
            Content::Simple(simple, _) => {
                if element.elements().next().is_some() {
                    self.report("holds a value, not elements".to_owned());
                } else if let Err(must) = simple.check(&element.text()) {
                    self.report(must);
                }
            }
            Content::Complex(group) => {
                if has_text(element) {
                    self.report("holds elements, not text".to_owned());
                }
                let is_known = |child: &&Element| group.elements().any(|shape| shape.name == child.name);
                let (known, unknown): (Vec<_>, Vec<_>) = element.elements().partition(is_known);
                let mut children = Children { elements: known, next: 0 };
                self.group(group, &mut children);
                let superfluous = children.elements.into_iter().skip(children.next);
                for child in unknown.into_iter().chain(superfluous) {
                    self.report(format!("'{}' is not expected here", child.name));
                }
            }
        }
        self.path.pop();
    }

    fn nil(&mut self, shape: &Shape, element: &Element) {
        if !shape.nillable {
            self.report("may not be nil".to_owned());
        }
        if element.elements().next().is_some() || !element.text().is_empty() {
            self.report("is nil, and must be empty".to_owned());
        }
    }

    fn attributes(&mut self, shape: &Shape, element: &Element) {
        for attribute in &shape.attributes {
            match element.attributes.iter().find(|found| found.name == attribute.name) {
                Some(found) => {
                    if let Err(must) = attribute.simple.check(&found.value) {
                        self.report(format!("attribute '{}' {must}", attribute.name.local));
                    }
                }
                None if attribute.required => self.report(format!("attribute '{}' is missing", attribute.name.local)),
                None => {}
            }
        }
        let is_known = |name: &Name| shape.attributes.iter().any(|attribute| attribute.name == *name);
        for found in &element.attributes {
            if !matches!(&*found.name.namespace, XSI_NS | XML_NS) && !is_known(&found.name) {
                self.report(format!("attribute '{}' is not expected here", found.name));
            }
        }
    }

    /// One occurrence of a group.
    fn group(&mut self, group: &Group, children: &mut Children<'m>) {
        match group.kind {
            GroupKind::Sequence => group.members.iter().for_each(|member| self.particle(member, children)),
            GroupKind::Choice => {
                let branch = children.peek().and_then(|next| group.members.iter().find(|m| may_start(m, &next.name)));
                match branch {
                    Some(branch) => self.particle(branch, children),
                    None if is_group_emptiable(group) => {}
                    None => self.report(format!("one of {} is missing", first_names(group))),
                }
            }
            GroupKind::All => {
                let mut waiting: Vec<&Particle> = group.members.iter().collect();
                while let Some(next) = children.peek() {
                    let Some(at) = waiting.iter().position(|member| may_start(member, &next.name)) else { break };
                    self.particle(waiting.swap_remove(at), children);
                }
                waiting.into_iter().for_each(|member| self.particle(member, children));
            }
        }
    }

    /// All occurrences of a particle.
    fn particle(&mut self, particle: &Particle, children: &mut Children<'m>) {
        let occurs = particle.occurs();
        let mut count = 0;
        while let Some(next) = children.peek().filter(|next| may_start(particle, &next.name)) {
            if occurs.max.is_some_and(|max| count >= max) {
                break;
            }
            count += 1;
            let before = children.next;
            match particle {
                Particle::Element(shape) => {
                    children.next += 1;
                    let number = usize::try_from(count).ok().filter(|_| occurs.is_many());
                    self.element(shape, next, number);
                }
                Particle::Group(group) => self.group(group, children),
            }
            if children.next == before {
                break;
            }
        }
        if count < occurs.min {
            match particle {
                Particle::Element(shape) if occurs.min == 1 => {
                    self.report(format!("'{}' is missing", shape.name.local));
                }
                Particle::Element(shape) => {
                    self.report(format!("at least {} '{}' are wanted", occurs.min, shape.name.local));
                }
                Particle::Group(group) if is_group_emptiable(group) => {}
                Particle::Group(group) => self.group(group, children),
            }
        }
    }
}

/// Can an element of that name come first in a particle?
fn may_start(particle: &Particle, name: &Name) -> bool {
    match particle {
        Particle::Element(shape) => shape.name == *name,
        Particle::Group(group) => may_start_group(group, name),
    }
}

fn may_start_group(group: &Group, name: &Name) -> bool {
    let is_sequence = group.kind == GroupKind::Sequence;
    for member in &group.members {
        if may_start(member, name) {
            return true;
        }
        if is_sequence && !is_emptiable(member) {
            return false;
        }
    }
    false
}

/// May a particle be absent?
fn is_emptiable(particle: &Particle) -> bool {
    particle.occurs().min == 0
        || match particle {
            Particle::Element(_) => false,
            Particle::Group(group) => is_group_emptiable(group),
        }
}

fn is_group_emptiable(group: &Group) -> bool {
    match group.kind {
        GroupKind::Sequence | GroupKind::All => group.members.iter().all(is_emptiable),
        GroupKind::Choice => group.members.is_empty() || group.members.iter().any(is_emptiable),
    }
}

/// What may come first in a group, for a message.
fn first_names(group: &Group) -> String {
    let firsts = group.elements().filter(|shape| may_start_group(group, &shape.name));
    firsts.map(|shape| &*shape.name.local).collect::<Vec<_>>().join(", ")
}

/// Is there more than white space between the elements?
fn has_text(element: &Element) -> bool {
    element.children.iter().any(|node| match node {
        Node::Text(text) | Node::CData(text) => !text.chars().all(is_xml_space),
        _ => false,
    })
}
