//! Completes the plan of a message once the bindings are bound: reports mandatory elements without a source, decides what is
//! written where no parameter has a value, and chooses prefixes.

use std::sync::Arc;

use super::finding::{Finding, Location};
use super::plan::{AttributePlan, Compositor, Content, ElementPlan, Group, Message, Particle, ValueSource, WhenEmpty};
use crate::xml::{Name, XML_NS};

/// Sets [`WhenEmpty`] throughout a message, and the prefixes of all names that can be written. To be called after the last
/// path is bound.
pub(super) fn finalize(message: &mut Message) {
    finalize_element(&mut message.root);
    let mut declarations = Vec::new();
    name_element(&mut message.root, &mut declarations);
    message.declarations = declarations;
}

/// An obstacle to writing a message.
pub(super) enum Gap {
    /// A mandatory element or attribute without a source.
    Uncovered(Location, String),
    /// A mandatory element that is not understood.
    Unread(Vec<Finding>),
}

/// The mandatory elements and attributes without a source, in every branch that can be written.
pub(super) fn gaps(message: &Message) -> Vec<Gap> {
    let mut found = Vec::new();
    check_element(&message.root, &mut found);
    found
}

fn finalize_element(plan: &mut ElementPlan) {
    let attributes = plan.attributes.iter().map(|attribute| match when_empty(attribute.source.as_ref()) {
        WhenEmpty::NeedsValue if !attribute.required => WhenEmpty::IfRequired,
        idle => idle,
    });
    let own = match &mut plan.content {
        Content::Simple(_, source) => when_empty(source.as_ref()),
        Content::Complex(group) => {
            finalize_group(group);
            group.filling.when_empty
        }
        Content::Unread(_) => WhenEmpty::NeedsValue,
    };
    let own = if plan.nillable { own.max(WhenEmpty::IfRequired) } else { own };
    plan.filling.when_empty = together(attributes.chain([own]));
}

fn finalize_group(group: &mut Group) {
    let idles = group.members.iter_mut().map(|member| {
        match member {
            Particle::Element(plan) => finalize_element(plan),
            Particle::Group(inner) => finalize_group(inner),
            Particle::Open(open) if open.literal.is_some() => open.filling.when_empty = WhenEmpty::Write,
            Particle::Open(_) => {}
        }
        match member.filling().when_empty {
            WhenEmpty::NeedsValue if member.occurs().min == 0 => WhenEmpty::IfRequired,
            idle => idle,
        }
    });
    group.filling.when_empty = match group.compositor {
        Compositor::Sequence | Compositor::All => together(idles),
        Compositor::Choice => idles.max().unwrap_or(WhenEmpty::IfRequired),
    };
}

fn when_empty(source: Option<&ValueSource>) -> WhenEmpty {
    match source {
        Some(ValueSource::Constant(_)) => WhenEmpty::Write,
        Some(ValueSource::Template(template)) if !template.needs_parameter() => WhenEmpty::Write,
        Some(ValueSource::Fixed(_)) => WhenEmpty::IfRequired,
        _ => WhenEmpty::NeedsValue,
    }
}

/// Combines parts that are written together: a part that needs a parameter decides, then a part that is always written.
fn together(parts: impl Iterator<Item = WhenEmpty>) -> WhenEmpty {
    parts.fold(WhenEmpty::IfRequired, |all, part| match (all, part) {
        (WhenEmpty::NeedsValue, _) | (_, WhenEmpty::NeedsValue) => WhenEmpty::NeedsValue,
        (all, part) => all.max(part),
    })
}

/// Can the encoder write a member, in a group that is written?
fn is_written(particle: &Particle, compositor: Compositor) -> bool {
    particle.filling().is_bound || (particle.occurs().min > 0 && compositor != Compositor::Choice)
}

fn check_element(plan: &ElementPlan, found: &mut Vec<Gap>) {
    let local = &plan.name.local;
    for attribute in plan.attributes.iter().filter(|attribute| attribute.required && attribute.source.is_none()) {
        let uncovered = format!("mandatory attribute '{}' of '{local}'", attribute.name.local);
        found.push(Gap::Uncovered(attribute.location.clone(), uncovered));
    }
    match &plan.content {
        Content::Simple(_, None) if !plan.nillable || plan.is_part => {
            found.push(Gap::Uncovered(plan.location.clone(), format!("mandatory element '{local}'")));
        }
        Content::Unread(unread) if !plan.nillable => found.push(Gap::Unread(unread.clone())),
        Content::Complex(group) if !plan.nillable || plan.filling.is_bound => check_group(group, found),
        _ => {}
    }
}

fn check_group(group: &Group, found: &mut Vec<Gap>) {
    let has_branch = group.members.iter().any(|member| member.filling().is_bound || member.occurs().min == 0);
    if group.compositor == Compositor::Choice && !has_branch && group.filling.when_empty == WhenEmpty::NeedsValue {
        let names: Vec<&str> = group.elements().map(|element| &*element.name.local).collect();
        found.push(Gap::Uncovered(group.location.clone(), format!("mandatory choice of {}", names.join(", "))));
    }
    for member in group.members.iter().filter(|member| is_written(member, group.compositor)) {
        match member {
            Particle::Element(plan) => check_element(plan, found),
            Particle::Group(inner) => check_group(inner, found),
            Particle::Open(open) if open.literal.is_some() => {}
            Particle::Open(open) if open.unread.is_empty() => {
                found.push(Gap::Uncovered(open.location.clone(), "mandatory xs:any".to_owned()));
            }
            Particle::Open(open) => found.push(Gap::Unread(open.unread.clone())),
        }
    }
}

fn name_element(plan: &mut ElementPlan, declarations: &mut Vec<(String, Arc<str>)>) {
    plan.tag = tag(&plan.name, declarations);
    for named in plan.xsi_type.iter_mut().chain(&mut plan.array) {
        named.tag = tag(&named.name, declarations) + &"[]".repeat(named.ranks);
    }
    for AttributePlan { name, tag: written, required, source, .. } in &mut plan.attributes {
        if *required || source.is_some() {
            *written = tag(name, declarations);
        }
    }
    if let Content::Complex(group) = &mut plan.content {
        name_group(group, declarations);
    }
}

fn name_group(group: &mut Group, declarations: &mut Vec<(String, Arc<str>)>) {
    let may_stand = group.compositor == Compositor::Choice;
    for member in &mut group.members {
        let is_written =
            is_written(member, group.compositor) || (may_stand && member.filling().when_empty != WhenEmpty::NeedsValue);
        match member {
            Particle::Element(plan) if is_written => name_element(plan, declarations),
            Particle::Group(inner) if is_written => name_group(inner, declarations),
            _ => {}
        }
    }
}

/// A name with the prefix of its namespace; declares a new namespace.
fn tag(name: &Name, declarations: &mut Vec<(String, Arc<str>)>) -> String {
    if name.namespace.is_empty() {
        return name.local.to_string();
    }
    if &*name.namespace == XML_NS {
        return format!("xml:{}", name.local);
    }
    let known = declarations.iter().position(|(_, namespace)| *namespace == name.namespace);
    let number = known.unwrap_or(declarations.len()) + 1;
    if known.is_none() {
        declarations.push((format!("xmlns:ns{number}"), name.namespace.clone()));
    }
    format!("ns{number}:{}", name.local)
}
