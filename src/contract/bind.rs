//! Binds a value source to the end of a path through a message's plan, and notes which elements repeat by a parameter.

use std::sync::Arc;

use super::finding::{Finding, Location};
use super::path::{Step, steps};
use super::piece::Piece;
use super::plan::{Compositor, Content, ElementPlan, Filling, Group, Message, Occurs, Particle, ValueSource};
use super::simple::SimpleType;
use crate::xml::find_forbidden;

/// Most elements of the same name that an index may count.
const MOST_INDEXED: usize = 1_000;

/// The end of a path, found and filled.
pub(super) struct Bound {
    /// The value's type; a literal piece of XML has none.
    pub(super) simple: Option<Arc<SimpleType>>,
    /// Must the value be there?
    pub(super) mandatory: bool,
    /// May several values stand there?
    pub(super) many: bool,
    /// Must a piece of XML there be of an element that a schema declares?
    pub(super) must_be_declared: bool,
    /// The schema's declaration.
    pub(super) location: Location,
}

/// The obstacle on a path that cannot be bound.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A step does not lead on: a sentence.
    Step(String),
    /// The path leads to a declaration that is not understood.
    Unread(Vec<Finding>),
}

impl From<String> for Obstacle {
    fn from(sentence: String) -> Self {
        Self::Step(sentence)
    }
}

/// Binds `source` at the end of a path through a message (`path` has the syntax).
///
/// # Errors
/// The step that does not lead on.
pub(super) fn bind(message: &mut Message, path: &str, source: &ValueSource) -> Result<Bound, Obstacle> {
    let steps: Vec<Step<'_>> = steps(path).collect();
    bind_element(&mut message.root, &steps, source)
}

fn bind_element(plan: &mut ElementPlan, steps: &[Step<'_>], source: &ValueSource) -> Result<Bound, Obstacle> {
    let local = plan.name.local.clone();
    let mut bound = match (steps, &mut plan.content) {
        (_, Content::Unread(unread)) => return Err(Obstacle::Unread(unread.clone())),
        ([], Content::Simple(simple, filled)) => fill(filled, simple, source, &local, &plan.location)?,
        ([], Content::Complex(_)) => return Err(format!("'{local}' holds elements, not a value").into()),
        ([step, ..], _) if step.is_attribute => bind_attribute(plan, step.local, source)?,
        ([step, rest @ ..], Content::Complex(group)) => bind_child(group, *step, rest, source, &local)?,
        ([step, ..], Content::Simple(..)) => {
            return Err(format!("no element '{}': '{local}' holds a value", step.local).into());
        }
    };
    note(&mut plan.filling, plan.occurs, &mut bound, source);
    Ok(bound)
}

fn bind_attribute(plan: &mut ElementPlan, local: &str, source: &ValueSource) -> Result<Bound, Obstacle> {
    let names: Vec<&str> = plan.attributes.iter().map(|attribute| &*attribute.name.local).collect();
    let unknown = format!("no attribute '{local}' on '{}', which has {}", plan.name.local, listed(&names));
    let attribute = plan.attributes.iter_mut().find(|attribute| &*attribute.name.local == local).ok_or(unknown)?;
    if !attribute.unread.is_empty() {
        return Err(Obstacle::Unread(attribute.unread.clone()));
    }
    let bound = fill(&mut attribute.source, &attribute.simple, source, local, &attribute.location)?;
    Ok(Bound { mandatory: attribute.required, ..bound })
}

fn bind_child(
    group: &mut Group,
    step: Step<'_>,
    rest: &[Step<'_>],
    source: &ValueSource,
    parent: &str,
) -> Result<Bound, Obstacle> {
    if step.is_open() {
        let missing = || format!("'{parent}' has no place that its schema leaves open");
        return bind_open(group, source)?.ok_or_else(|| missing().into());
    }
    if let Some(index) = step.index {
        split(group, step.local, index);
    }
    let names: Vec<&str> = group.elements().map(|element| &*element.name.local).collect();
    match (names.iter().filter(|name| **name == step.local).count(), step.index) {
        (0, _) => Err(format!("no element '{}' in '{parent}', which has {}", step.local, listed(&names)).into()),
        (1, None) => bind_member(group, step.local, 0, rest, source),
        (_, None) => Err(format!("'{parent}' has several elements '{0}': '{0}[1]' is the first", step.local).into()),
        (count, Some(index)) if index > count => {
            Err(format!("'{parent}' has at most {count} elements '{}'", step.local).into())
        }
        (_, Some(index)) => bind_member(group, step.local, index - 1, rest, source),
    }
}

/// Splits a repeatable element into single elements, until the group has `count` elements of that name.
fn split(group: &mut Group, local: &str, count: usize) {
    for at in 0..group.members.len() {
        match group.members.get_mut(at) {
            Some(Particle::Group(inner)) if inner.elements().any(|element| &*element.name.local == local) => {
                return split(inner, local, count);
            }
            Some(Particle::Element(plan)) if &*plan.name.local == local && plan.occurs.is_many() => {
                let Occurs { mut min, mut max } = plan.occurs;
                let mut ones = Vec::new();
                let single = group.elements().filter(|e| &*e.name.local == local && !e.occurs.is_many()).count();
                let Some(Particle::Element(plan)) = group.members.get_mut(at) else { return };
                while single + ones.len() < count.min(MOST_INDEXED) && max != Some(1) {
                    let occurs = Occurs { min: min.min(1), max: Some(1) };
                    ones.push(Particle::Element(ElementPlan { occurs, ..plan.clone() }));
                    (min, max) = (min.saturating_sub(1), max.map(|max| max - 1));
                }
                plan.occurs = Occurs { min, max };
                group.members.splice(at..at, ones);
                return;
            }
            _ => {}
        }
    }
}

/// Binds inside the element `step` of a group or of a nested group, after `before` elements of the same name.
fn bind_member(
    group: &mut Group,
    step: &str,
    mut before: usize,
    rest: &[Step<'_>],
    source: &ValueSource,
) -> Result<Bound, Obstacle> {
    let mut outcome = Err(format!("no element '{step}'").into());
    for member in &mut group.members {
        match member {
            Particle::Element(plan) if &*plan.name.local == step => {
                if before == 0 {
                    outcome = bind_element(plan, rest, source);
                    break;
                }
                before -= 1;
            }
            Particle::Group(inner) => {
                let count = inner.elements().filter(|element| &*element.name.local == step).count();
                if before < count {
                    outcome = bind_member(inner, step, before, rest, source);
                    break;
                }
                before -= count;
            }
            _ => {}
        }
    }
    let mut bound = outcome?;
    note(&mut group.filling, group.occurs, &mut bound, source);
    bound.mandatory &= group.compositor != Compositor::Choice;
    Ok(bound)
}

/// Puts a piece of XML into the first empty open place of a group; `None` for a group without such a place.
fn bind_open(group: &mut Group, source: &ValueSource) -> Result<Option<Bound>, Obstacle> {
    let piece = match source {
        ValueSource::Constant(text) => Arc::new(Piece::constant(text)?),
        ValueSource::Piece(piece) => Arc::clone(piece),
        _ => return Err("only a piece of XML can stand in an open place".to_owned().into()),
    };
    let mut found = None;
    for member in &mut group.members {
        match member {
            Particle::Open(open) if open.literal.is_none() => {
                if !open.namespaces.has(&piece.name().namespace) {
                    return Err(
                        format!("'{}' is in a namespace that the schema does not allow there", piece.name()).into()
                    );
                }
                open.literal = Some(Arc::clone(&piece));
                let (location, mandatory) = (open.location.clone(), open.occurs.min > 0);
                open.filling.is_bound = true;
                let must_be_declared = open.is_strict;
                found = Some(Bound { simple: None, mandatory, many: false, must_be_declared, location });
                break;
            }
            Particle::Group(inner) => {
                found = bind_open(inner, source)?;
                if found.is_some() {
                    break;
                }
            }
            _ => {}
        }
    }
    if let Some(bound) = &mut found {
        note(&mut group.filling, group.occurs, bound, source);
    }
    Ok(found)
}

/// Fills a value. A value has one source; only a value fixed by the schema gives way to the bindings.
fn fill(
    filled: &mut Option<ValueSource>,
    simple: &Arc<SimpleType>,
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
        if let Some((_, bad)) = find_forbidden(value) {
            return Err(format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad)));
        }
        simple.check(value).map_err(|must| format!("'{value}' {must}"))?;
    }
    *filled = Some(source.clone());
    let many = simple.item().is_some();
    let (simple, location) = (Some(Arc::clone(simple)), location.clone());
    Ok(Bound { simple, mandatory: true, many, must_be_declared: false, location })
}

/// Notes on the way back from the end of the path that the innermost repeatable ancestor is written once per value of
/// the parameter.
fn note(filling: &mut Filling, occurs: Occurs, bound: &mut Bound, source: &ValueSource) {
    filling.is_bound = true;
    bound.mandatory &= occurs.min > 0;
    let fields = source.fields();
    if occurs.is_many() && !bound.many && !fields.is_empty() {
        filling.repeat_by.extend(fields.into_iter().map(str::to_owned));
        bound.many = true;
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
