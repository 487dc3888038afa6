//! Puts a slot at the end of a path through a message's shapes, and notes where a parameter's values repeat.

use super::finding::Place;
use super::shape::{Content, Group, GroupKind, Message, Particle, Shape, Slot};

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
pub(super) fn bind(message: &mut Message, path: &str, slot: Slot) -> Result<Bound, String> {
    let steps: Vec<&str> = if path == "." { Vec::new() } else { path.split('/').collect() };
    bind_shape(&mut message.root, &steps, &slot)
}

fn bind_shape(shape: &mut Shape, steps: &[&str], slot: &Slot) -> Result<Bound, String> {
    let local = shape.name.local.clone();
    let mut bound = match (steps, &mut shape.content) {
        ([], Content::Simple(simple, filled)) => {
            fill(filled, slot, &local)?;
            if let Slot::Constant(value) = slot {
                simple.check(value).map_err(|must| format!("'{value}' {must}"))?;
            }
            let many = simple.item().is_some();
            Bound { type_words: simple.to_string(), mandatory: true, many, place: shape.place.clone() }
        }
        ([], Content::Complex(_)) => return Err(format!("'{local}' holds elements, not a value")),
        ([attribute], _) if attribute.starts_with('@') => bind_attribute(shape, &attribute[1..], slot)?,
        ([step, rest @ ..], Content::Complex(group)) => {
            let names: Vec<&str> = group.elements().map(|element| &*element.name.local).collect();
            match names.iter().filter(|name| *name == step).count() {
                0 if names.is_empty() => return Err(format!("no element '{step}': '{local}' is empty")),
                0 => return Err(format!("no element '{step}' in '{local}', which has {}", names.join(", "))),
                1 => bind_group(group, step, rest, slot)?,
                _ => return Err(format!("'{local}' has several elements '{step}'")),
            }
        }
        ([step, ..], Content::Simple(..)) => return Err(format!("no element '{step}': '{local}' holds a value")),
    };
    note_step(&mut bound, shape.occurs.is_many(), &mut shape.steps, slot);
    bound.mandatory &= shape.occurs.min > 0;
    Ok(bound)
}

/// Goes on into a group that holds an element `step`.
fn bind_group(group: &mut Group, step: &str, rest: &[&str], slot: &Slot) -> Result<Bound, String> {
    let mut bound = None;
    for member in &mut group.members {
        match member {
            Particle::Element(shape) if &*shape.name.local == step => bound = Some(bind_shape(shape, rest, slot)?),
            Particle::Group(inner) if inner.elements().any(|element| &*element.name.local == step) => {
                bound = Some(bind_group(inner, step, rest, slot)?);
            }
            _ => {}
        }
    }
    let mut bound = bound.ok_or_else(|| format!("no element '{step}'"))?;
    note_step(&mut bound, group.occurs.is_many(), &mut group.steps, slot);
    bound.mandatory &= group.occurs.min > 0 && group.kind != GroupKind::Choice;
    Ok(bound)
}

fn bind_attribute(shape: &mut Shape, local: &str, slot: &Slot) -> Result<Bound, String> {
    let names = || shape.attributes.iter().map(|attribute| &*attribute.name.local).collect::<Vec<_>>().join(", ");
    let none = format!("no attribute '{local}' on '{}', which has {}", shape.name.local, names());
    let attribute = shape.attributes.iter_mut().find(|attribute| &*attribute.name.local == local).ok_or(none)?;
    fill(&mut attribute.slot, slot, local)?;
    if let Slot::Constant(value) = slot {
        attribute.simple.check(value).map_err(|must| format!("'{value}' {must}"))?;
    }
    Ok(Bound {
        type_words: attribute.simple.to_string(),
        mandatory: attribute.required,
        many: attribute.simple.item().is_some(),
        place: attribute.place.clone(),
    })
}

/// A value holds one thing; only what the schema itself put there gives way.
fn fill(filled: &mut Option<Slot>, slot: &Slot, local: &str) -> Result<(), String> {
    match filled {
        None | Some(Slot::Fixed(_)) => *filled = Some(slot.clone()),
        Some(Slot::Field(other)) => return Err(format!("'{local}' is bound to '{other}' already")),
        Some(_) => return Err(format!("'{local}' is bound already")),
    }
    Ok(())
}

/// The innermost place that may repeat is where a parameter's values go one after the other.
fn note_step(bound: &mut Bound, is_many: bool, steps: &mut Vec<String>, slot: &Slot) {
    if let (Slot::Field(name), true, false) = (slot, is_many, bound.many) {
        steps.push(name.clone());
        bound.many = true;
    }
}
