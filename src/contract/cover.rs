//! Settles what will be written: whether every mandatory element has something to stand in it, what is written where no
//! parameter has a value, and which prefixes that takes.

use std::sync::Arc;

use super::finding::Place;
use super::shape::{AttributeShape, Content, Group, GroupKind, Idle, Message, Particle, Shape, Slot};
use crate::xml::{Name, XML_NS};

/// Works out [`Idle`] for all of a message, and gives the names that can be written their prefixes. To be called once
/// everything is bound.
pub(super) fn settle(message: &mut Message) {
    settle_shape(&mut message.root);
    let mut declarations = Vec::new();
    name_shape(&mut message.root, &mut declarations);
    message.declarations = declarations;
}

/// The mandatory elements and attributes that nothing stands in, in every branch that can be written.
pub(super) fn uncovered(message: &Message) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    check_shape(&message.root, &mut found);
    found
}

fn settle_shape(shape: &mut Shape) {
    let attributes = shape.attributes.iter().map(|attribute| match idle_of(attribute.slot.as_ref()) {
        Idle::Incomplete if !attribute.required => Idle::Complete,
        idle => idle,
    });
    let own = match &mut shape.content {
        Content::Simple(_, slot) => idle_of(slot.as_ref()),
        Content::Complex(group) => {
            settle_group(group);
            group.filling.idle
        }
    };
    let own = if shape.nillable { own.max(Idle::Complete) } else { own };
    shape.filling.idle = together(attributes.chain([own]));
}

fn settle_group(group: &mut Group) {
    let idles = group.members.iter_mut().map(|member| {
        match member {
            Particle::Element(shape) => settle_shape(shape),
            Particle::Group(inner) => settle_group(inner),
        }
        match member.filling().idle {
            Idle::Incomplete if member.occurs().min == 0 => Idle::Complete,
            idle => idle,
        }
    });
    group.filling.idle = match group.kind {
        GroupKind::Sequence | GroupKind::All => together(idles),
        GroupKind::Choice => idles.max().unwrap_or(Idle::Complete),
    };
}

fn idle_of(slot: Option<&Slot>) -> Idle {
    match slot {
        Some(Slot::Constant(_)) => Idle::Standing,
        Some(Slot::Fixed(_)) => Idle::Complete,
        _ => Idle::Incomplete,
    }
}

/// Of parts that are written together: one that needs a parameter is enough, then one that stands.
fn together(parts: impl Iterator<Item = Idle>) -> Idle {
    parts.fold(Idle::Complete, |all, part| match (all, part) {
        (Idle::Incomplete, _) | (_, Idle::Incomplete) => Idle::Incomplete,
        (all, part) => all.max(part),
    })
}

/// Will the encoder ever write this member of a group that it writes?
fn is_written(particle: &Particle, kind: GroupKind) -> bool {
    particle.filling().is_bound || (particle.occurs().min > 0 && kind != GroupKind::Choice)
}

fn check_shape(shape: &Shape, found: &mut Vec<(Place, String)>) {
    let local = &shape.name.local;
    for attribute in shape.attributes.iter().filter(|attribute| attribute.required && attribute.slot.is_none()) {
        found.push((attribute.place.clone(), format!("mandatory attribute '{}' of '{local}'", attribute.name.local)));
    }
    match &shape.content {
        Content::Simple(_, None) if !shape.nillable => {
            found.push((shape.place.clone(), format!("mandatory element '{local}'")));
        }
        Content::Complex(group) if !shape.nillable || shape.filling.is_bound => check_group(group, found),
        _ => {}
    }
}

fn check_group(group: &Group, found: &mut Vec<(Place, String)>) {
    let has_branch = group.members.iter().any(|member| member.filling().is_bound || member.occurs().min == 0);
    if group.kind == GroupKind::Choice && !has_branch && group.filling.idle == Idle::Incomplete {
        let names: Vec<&str> = group.elements().map(|element| &*element.name.local).collect();
        found.push((group.place.clone(), format!("mandatory choice of {}", names.join(", "))));
    }
    for member in group.members.iter().filter(|member| is_written(member, group.kind)) {
        match member {
            Particle::Element(shape) => check_shape(shape, found),
            Particle::Group(inner) => check_group(inner, found),
        }
    }
}

fn name_shape(shape: &mut Shape, declarations: &mut Vec<(String, Arc<str>)>) {
    shape.tag = tag(&shape.name, declarations);
    for AttributeShape { name, tag: written, required, slot, .. } in &mut shape.attributes {
        if *required || slot.is_some() {
            *written = tag(name, declarations);
        }
    }
    if let Content::Complex(group) = &mut shape.content {
        name_group(group, declarations);
    }
}

fn name_group(group: &mut Group, declarations: &mut Vec<(String, Arc<str>)>) {
    let may_stand = group.kind == GroupKind::Choice;
    for member in &mut group.members {
        let is_written = is_written(member, group.kind) || (may_stand && member.filling().idle != Idle::Incomplete);
        match member {
            Particle::Element(shape) if is_written => name_shape(shape, declarations),
            Particle::Group(inner) if is_written => name_group(inner, declarations),
            _ => {}
        }
    }
}

/// A name with the prefix of its namespace, which is declared if it is new.
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
