//! The leaves of a message: values and open places, with their paths.

use super::super::plan::{Compositor, Content, ElementPlan, Group, Message, Namespaces, Particle};
use super::super::simple::SimpleType;

/// A value that a message can hold, or an open place.
pub(super) struct Leaf<'m> {
    pub(super) path: String,
    /// The local name; `*` for an open place.
    pub(super) name: &'m str,
    pub(super) kind: LeafKind<'m>,
    /// The leaf is mandatory once something stands below the first so many steps of its path.
    needs: usize,
}

/// A leaf's kind.
pub(super) enum LeafKind<'m> {
    Value(&'m SimpleType),
    Open(&'m Namespaces),
}

impl Leaf<'_> {
    /// Is the leaf mandatory in every message?
    pub(super) fn is_mandatory(&self) -> bool {
        self.needs == 0
    }

    /// Is the leaf mandatory once these paths are filled?
    pub(super) fn is_needed(&self, filled: &[&str]) -> bool {
        let shared = |path: &&str| self.path.split('/').zip(path.split('/')).take_while(|(a, b)| a == b).count();
        self.needs == 0 || filled.iter().any(|path| shared(path) >= self.needs)
    }
}

/// All leaves of a message, in the order of the schema; of a mandatory choice the first branch is mandatory.
pub(super) fn leaves(message: &Message) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    element(&message.root, String::new(), 0, &mut found);
    found
}

/// The number of steps of a path.
fn steps(path: &str) -> usize {
    if path.is_empty() { 0 } else { path.split('/').count() }
}

fn element<'m>(plan: &'m ElementPlan, path: String, needs: usize, found: &mut Vec<Leaf<'m>>) {
    let alone = |path: &str| if path == "." { usize::MAX } else { steps(path) };
    for attribute in plan.attributes.iter().filter(|attribute| attribute.unread.is_empty()) {
        let name = &*attribute.name.local;
        let path = if path.is_empty() { format!("@{name}") } else { format!("{path}/@{name}") };
        let needs = if attribute.required && attribute.source.is_none() { needs } else { alone(&path) };
        found.push(Leaf { path, name, kind: LeafKind::Value(&attribute.simple), needs });
    }
    let may_be_nil = plan.nillable && !plan.is_part;
    match &plan.content {
        Content::Simple(simple, source) => {
            let path = if path.is_empty() { ".".to_owned() } else { path };
            let needs = if source.is_none() && !may_be_nil { needs } else { alone(&path) };
            found.push(Leaf { path, name: &plan.name.local, kind: LeafKind::Value(simple), needs });
        }
        Content::Complex(inner) => {
            // A nil element holds nothing unless it is filled; the root is always filled.
            let needs = if plan.nillable && !path.is_empty() { steps(&path).max(needs) } else { needs };
            group(inner, inner, &path, needs, found);
        }
        Content::Unread(_) => {}
    }
}

fn group<'m>(of: &'m Group, whole: &'m Group, path: &str, needs: usize, found: &mut Vec<Leaf<'m>>) {
    for (at, member) in of.members.iter().enumerate() {
        let is_written = of.compositor != Compositor::Choice || at == 0;
        let is_optional = !is_written || member.occurs().min == 0;
        let below = if is_optional { steps(path) + 1 } else { needs };
        match member {
            Particle::Element(plan) => {
                let step = step(plan, whole);
                let path = if path.is_empty() { step } else { format!("{path}/{step}") };
                element(plan, path, below, found);
            }
            Particle::Group(inner) => group(inner, whole, path, below, found),
            Particle::Open(open) if open.unread.is_empty() => {
                let path = if path.is_empty() { "*".to_owned() } else { format!("{path}/*") };
                found.push(Leaf { path, name: "*", kind: LeafKind::Open(&open.namespaces), needs: below });
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

#[cfg(test)]
mod tests {
    use super::super::super::builtin::built_in;
    use super::*;

    #[test]
    fn what_stands_beside_something_filled_is_needed() {
        let simple = built_in("string").unwrap();
        let leaf = |path: &str, needs| Leaf { path: path.to_owned(), name: "", kind: LeafKind::Value(&simple), needs };
        assert!(leaf("a", 0).is_mandatory() && leaf("a", 0).is_needed(&[]));
        let sibling = leaf("item/name", 1);
        assert!(!sibling.is_mandatory() && sibling.is_needed(&["item/id"]) && !sibling.is_needed(&["other/id"]));
        assert!(
            !leaf("item/note", 2).is_needed(&["item/id"]) && leaf("item/note/text", 2).is_needed(&["item/note/@lang"])
        );
    }
}
