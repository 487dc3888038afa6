//! The values that a message can hold, with the paths that lead to them.

use super::super::plan::{Compositor, Content, ElementPlan, Group, Message, Namespaces, Particle};
use super::super::simple::SimpleType;

/// A value that a message can hold, or a place that is open.
pub(super) struct Leaf<'m> {
    pub(super) path: String,
    /// Its local name; `*` for an open place.
    pub(super) name: &'m str,
    pub(super) kind: LeafKind<'m>,
    /// Must it be there, as all around it must?
    pub(super) is_mandatory: bool,
}

/// What stands there.
pub(super) enum LeafKind<'m> {
    Value(&'m SimpleType),
    Open(&'m Namespaces),
}

/// All of a message's, in the order of the schema; of a mandatory choice the first branch is mandatory.
pub(super) fn leaves(message: &Message) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    element(&message.root, String::new(), true, &mut found);
    found
}

fn element<'m>(plan: &'m ElementPlan, path: String, is_mandatory: bool, found: &mut Vec<Leaf<'m>>) {
    for attribute in plan.attributes.iter().filter(|attribute| attribute.unread.is_empty()) {
        let name = &*attribute.name.local;
        let is_mandatory = is_mandatory && attribute.required && attribute.source.is_none();
        let path = if path.is_empty() { format!("@{name}") } else { format!("{path}/@{name}") };
        found.push(Leaf { path, name, kind: LeafKind::Value(&attribute.simple), is_mandatory });
    }
    match &plan.content {
        Content::Simple(simple, source) => {
            let path = if path.is_empty() { ".".to_owned() } else { path };
            let is_mandatory = is_mandatory && source.is_none() && !plan.nillable;
            found.push(Leaf { path, name: &plan.name.local, kind: LeafKind::Value(simple), is_mandatory });
        }
        Content::Complex(inner) => group(inner, inner, &path, is_mandatory && !plan.nillable, found),
        Content::Unread(_) => {}
    }
}

fn group<'m>(of: &'m Group, whole: &'m Group, path: &str, is_mandatory: bool, found: &mut Vec<Leaf<'m>>) {
    for (at, member) in of.members.iter().enumerate() {
        let is_written = of.compositor != Compositor::Choice || at == 0;
        let is_mandatory = is_mandatory && is_written && member.occurs().min > 0;
        match member {
            Particle::Element(plan) => {
                let step = step(plan, whole);
                let path = if path.is_empty() { step } else { format!("{path}/{step}") };
                element(plan, path, is_mandatory, found);
            }
            Particle::Group(inner) => group(inner, whole, path, is_mandatory, found),
            Particle::Open(open) if open.unread.is_empty() => {
                let path = if path.is_empty() { "*".to_owned() } else { format!("{path}/*") };
                found.push(Leaf { path, name: "*", kind: LeafKind::Open(&open.namespaces), is_mandatory });
            }
            Particle::Open(_) => {}
        }
    }
}

/// The step to an element, by its index where others have the same name.
fn step(plan: &ElementPlan, whole: &Group) -> String {
    let local = &*plan.name.local;
    let same: Vec<&ElementPlan> = whole.elements().filter(|other| &*other.name.local == local).collect();
    match (same.len(), same.iter().position(|other| std::ptr::eq(*other, plan))) {
        (2.., Some(at)) => format!("{local}[{}]", at + 1),
        _ => local.to_owned(),
    }
}
