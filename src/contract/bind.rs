//! Puts a slot at the end of a path through a message's shapes, and notes where a parameter's values repeat.

use super::finding::Place;
use super::shape::{Content, Filling, Group, GroupKind, Message, Occurs, Particle, Shape, Slot};
use super::simple::SimpleType;
use crate::xml::is_xml_char;

/// The end of a path, found and filled.
pub(super) struct Bound {
    /// Its type in words.
    pub(super) type_words: String,
    /// Must it be there?
    pub(super) mandatory: bool,
    /// May it have several values?
    pub(super) many: bool,
    /// Where it is declared.
    pub(super) place: Place,
}

/// Binds `slot` at `path`: local names below the message's root, `@name` for an attribute, `.` for the root itself.
///
/// # Errors
/// Which step does not lead on, as a sentence.
pub(super) fn bind(message: &mut Message, path: &str, slot: &Slot) -> Result<Bound, String> {
    let steps: Vec<&str> = if path == "." { Vec::new() } else { path.split('/').collect() };
    bind_shape(&mut message.root, &steps, slot)
}

fn bind_shape(shape: &mut Shape, steps: &[&str], slot: &Slot) -> Result<Bound, String> {
    let local = shape.name.local.clone();
    let mut bound = match (steps, &mut shape.content) {
        ([], Content::Simple(simple, filled)) => fill(filled, simple, slot, &local, &shape.place)?,
        ([], Content::Complex(_)) => return Err(format!("'{local}' holds elements, not a value")),
        ([step, rest @ ..], content) => match (step.strip_prefix('@'), content) {
            (Some(attribute), _) => bind_attribute(shape, attribute, slot)?,
            (None, Content::Complex(group)) => bind_child(group, step, rest, slot, &local)?,
            (None, Content::Simple(..)) => return Err(format!("no element '{step}': '{local}' holds a value")),
        },
    };
    note(&mut shape.filling, shape.occurs, &mut bound, slot);
    Ok(bound)
}

fn bind_attribute(shape: &mut Shape, local: &str, slot: &Slot) -> Result<Bound, String> {
    let names: Vec<&str> = shape.attributes.iter().map(|attribute| &*attribute.name.local).collect();
    let unknown = format!("no attribute '{local}' on '{}', which has {}", shape.name.local, listed(&names));
    let attribute = shape.attributes.iter_mut().find(|attribute| &*attribute.name.local == local).ok_or(unknown)?;
    let bound = fill(&mut attribute.slot, &attribute.simple, slot, local, &attribute.place)?;
    Ok(Bound { mandatory: attribute.required, ..bound })
}

fn bind_child(group: &mut Group, step: &str, rest: &[&str], slot: &Slot, parent: &str) -> Result<Bound, String> {
    let names: Vec<&str> = group.elements().map(|element| &*element.name.local).collect();
    match names.iter().filter(|name| **name == step).count() {
        0 => Err(format!("no element '{step}' in '{parent}', which has {}", listed(&names))),
        1 => bind_member(group, step, rest, slot),
        _ => Err(format!("'{parent}' has several elements '{step}'")),
    }
}

/// Goes on into a group that holds one element `step`, itself or in a nested group.
fn bind_member(group: &mut Group, step: &str, rest: &[&str], slot: &Slot) -> Result<Bound, String> {
    let mut outcome = Err(format!("no element '{step}'"));
    for member in &mut group.members {
        match member {
            Particle::Element(shape) if &*shape.name.local == step => outcome = bind_shape(shape, rest, slot),
            Particle::Group(inner) if inner.elements().any(|element| &*element.name.local == step) => {
                outcome = bind_member(inner, step, rest, slot);
            }
            _ => {}
        }
    }
    let mut bound = outcome?;
    note(&mut group.filling, group.occurs, &mut bound, slot);
    bound.mandatory &= group.kind != GroupKind::Choice;
    Ok(bound)
}

/// A value holds one thing; only what the schema itself put there gives way.
fn fill(
    filled: &mut Option<Slot>,
    simple: &SimpleType,
    slot: &Slot,
    local: &str,
    place: &Place,
) -> Result<Bound, String> {
    match filled {
        None | Some(Slot::Fixed(_)) => {}
        Some(Slot::Field(other)) => return Err(format!("'{local}' is bound to '{other}' already")),
        Some(_) => return Err(format!("'{local}' is bound already")),
    }
    if let Slot::Constant(value) = slot {
        if let Some(bad) = value.chars().find(|c| !is_xml_char(*c)) {
            return Err(format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad)));
        }
        simple.check(value).map_err(|must| format!("'{value}' {must}"))?;
    }
    *filled = Some(slot.clone());
    let many = simple.item().is_some();
    Ok(Bound { type_words: simple.to_string(), mandatory: true, many, place: place.clone() })
}

/// Notes on the way back from the end: the innermost place that may repeat is where a parameter's values go one after
/// the other.
fn note(filling: &mut Filling, occurs: Occurs, bound: &mut Bound, slot: &Slot) {
    filling.is_bound = true;
    bound.mandatory &= occurs.min > 0;
    if let (Slot::Field(name), true, false) = (slot, occurs.is_many(), bound.many) {
        filling.steps.push(name.clone());
        bound.many = true;
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
