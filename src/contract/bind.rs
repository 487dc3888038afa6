//! Binds a value source to the end of a path through a message's plan, and notes which elements repeat by a parameter.

use super::finding::Location;
use super::plan::{Compositor, Content, ElementPlan, Filling, Group, Message, Occurs, Particle, ValueSource};
use super::simple::SimpleType;
use crate::xml::is_xml_char;

/// The end of a path, found and filled.
pub(super) struct Bound {
    /// Its type in words.
    pub(super) type_description: String,
    /// Must it be there?
    pub(super) mandatory: bool,
    /// May it have several values?
    pub(super) many: bool,
    /// Where it is declared.
    pub(super) location: Location,
}

/// Binds `source` at `path`: local names below the message's root, `@name` for an attribute, `.` for the root itself.
///
/// # Errors
/// Which step does not lead on, as a sentence.
pub(super) fn bind(message: &mut Message, path: &str, source: &ValueSource) -> Result<Bound, String> {
    let steps: Vec<&str> = if path == "." { Vec::new() } else { path.split('/').collect() };
    bind_element(&mut message.root, &steps, source)
}

fn bind_element(plan: &mut ElementPlan, steps: &[&str], source: &ValueSource) -> Result<Bound, String> {
    let local = plan.name.local.clone();
    let mut bound = match (steps, &mut plan.content) {
        ([], Content::Simple(simple, filled)) => fill(filled, simple, source, &local, &plan.location)?,
        ([], Content::Complex(_)) => return Err(format!("'{local}' holds elements, not a value")),
        ([step, rest @ ..], content) => match (step.strip_prefix('@'), content) {
            (Some(attribute), _) => bind_attribute(plan, attribute, source)?,
            (None, Content::Complex(group)) => bind_child(group, step, rest, source, &local)?,
            (None, Content::Simple(..)) => return Err(format!("no element '{step}': '{local}' holds a value")),
        },
    };
    note(&mut plan.filling, plan.occurs, &mut bound, source);
    Ok(bound)
}

fn bind_attribute(plan: &mut ElementPlan, local: &str, source: &ValueSource) -> Result<Bound, String> {
    let names: Vec<&str> = plan.attributes.iter().map(|attribute| &*attribute.name.local).collect();
    let unknown = format!("no attribute '{local}' on '{}', which has {}", plan.name.local, listed(&names));
    let attribute = plan.attributes.iter_mut().find(|attribute| &*attribute.name.local == local).ok_or(unknown)?;
    let bound = fill(&mut attribute.source, &attribute.simple, source, local, &attribute.location)?;
    Ok(Bound { mandatory: attribute.required, ..bound })
}

fn bind_child(
    group: &mut Group,
    step: &str,
    rest: &[&str],
    source: &ValueSource,
    parent: &str,
) -> Result<Bound, String> {
    let names: Vec<&str> = group.elements().map(|element| &*element.name.local).collect();
    match names.iter().filter(|name| **name == step).count() {
        0 => Err(format!("no element '{step}' in '{parent}', which has {}", listed(&names))),
        1 => bind_member(group, step, rest, source),
        _ => Err(format!("'{parent}' has several elements '{step}'")),
    }
}

/// Goes on into a group that holds one element `step`, itself or in a nested group.
fn bind_member(group: &mut Group, step: &str, rest: &[&str], source: &ValueSource) -> Result<Bound, String> {
    let mut outcome = Err(format!("no element '{step}'"));
    for member in &mut group.members {
        match member {
            Particle::Element(plan) if &*plan.name.local == step => outcome = bind_element(plan, rest, source),
            Particle::Group(inner) if inner.elements().any(|element| &*element.name.local == step) => {
                outcome = bind_member(inner, step, rest, source);
            }
            _ => {}
        }
    }
    let mut bound = outcome?;
    note(&mut group.filling, group.occurs, &mut bound, source);
    bound.mandatory &= group.compositor != Compositor::Choice;
    Ok(bound)
}

/// A value holds one thing; only what the schema itself put there gives way.
fn fill(
    filled: &mut Option<ValueSource>,
    simple: &SimpleType,
    source: &ValueSource,
    local: &str,
    location: &Location,
) -> Result<Bound, String> {
    match filled {
        None | Some(ValueSource::Fixed(_)) => {}
        Some(ValueSource::Field(other)) => return Err(format!("'{local}' is bound to '{other}' already")),
        Some(_) => return Err(format!("'{local}' is bound already")),
    }
    if let ValueSource::Constant(value) = source {
        if let Some(bad) = value.chars().find(|c| !is_xml_char(*c)) {
            return Err(format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad)));
        }
        simple.check(value).map_err(|must| format!("'{value}' {must}"))?;
    }
    *filled = Some(source.clone());
    let many = simple.item().is_some();
    Ok(Bound { type_description: simple.to_string(), mandatory: true, many, location: location.clone() })
}

/// Notes on the way back from the end of the path that the innermost repeatable ancestor is written once per value of
/// the parameter.
fn note(filling: &mut Filling, occurs: Occurs, bound: &mut Bound, source: &ValueSource) {
    filling.is_bound = true;
    bound.mandatory &= occurs.min > 0;
    if let (ValueSource::Field(name), true, false) = (source, occurs.is_many(), bound.many) {
        filling.repeat_by.push(name.clone());
        bound.many = true;
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
