//! Writes SOAP messages: one walk over the plan of a message, the values taken from fields.
//!
//! An element that may be absent is written if a parameter beneath it has a value, or if it stands by itself
//! ([`Idle::Standing`]). Where something may repeat, the innermost repeatable place on the way to a parameter repeats
//! once a value; parameters that meet there run in step, and one with a single value is the same in every round.
//!
//! A request is written to the letter of the schema or not at all. An answer (the simulator's) leaves out what it has
//! no value for.

use std::borrow::Cow;

use super::decode::Answer;
use crate::contract::{
    AttributeShape, Content, Group, GroupKind, Idle, Message, Occurs, Operation, Particle, Shape, SimpleType, Slot,
};
use crate::request::Fields;
use crate::xml::{XSI_NS, XmlWriter, is_xml_char, is_xml_space};

/// Why a request cannot be written: what the client has to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {what}")]
pub struct EncodeError {
    /// The parameter; or the element, where no parameter fills it.
    pub field: String,
    /// Which of its values, counted from 0, where it has several.
    pub index: Option<usize>,
    /// What is wrong: "must be at most 64 characters".
    pub what: String,
}

/// Writes a request as a whole SOAP message, in UTF-8.
///
/// # Errors
/// The first parameter that is missing, superfluous or not as the schema wants it.
pub fn request(operation: &Operation, fields: &Fields) -> Result<Vec<u8>, EncodeError> {
    let is_bound = |name: &str| operation.input_fields.iter().any(|f| matches!(&f.slot, Slot::Field(n) if n == name));
    if let Some(name) = fields.names().find(|name| !is_bound(name)) {
        return Err(error(name, None, "is not taken by this Conax contract"));
    }
    let mut mandatory = operation.request_type.parameters().iter().filter(|parameter| parameter.mandatory);
    if let Some(missing) = mandatory.find(|parameter| fields.all(parameter.name).next().is_none()) {
        return Err(error(missing.name, None, IS_MANDATORY));
    }
    Encoder { fields, answer: None, writer: XmlWriter::new() }.envelope(operation, &operation.input)
}

/// Writes an answer as a whole SOAP message, in UTF-8.
///
/// # Errors
/// The first value that is not as the schema wants it.
pub fn answer(operation: &Operation, answer: &Answer) -> Result<Vec<u8>, EncodeError> {
    let encoder = Encoder { fields: &answer.results, answer: Some(answer), writer: XmlWriter::new() };
    encoder.envelope(operation, &operation.output)
}

const IS_MANDATORY: &str = "is mandatory";

fn error(field: &str, index: Option<usize>, what: impl Into<String>) -> EncodeError {
    EncodeError { field: field.to_owned(), index, what: what.into() }
}

/// State of one message.
struct Encoder<'a> {
    fields: &'a Fields,
    /// Given when an answer is written.
    answer: Option<&'a Answer>,
    writer: XmlWriter,
}

/// The round of the innermost repetition; `None` outside any.
type Round = Option<usize>;

/// Of which values a parameter is asked whether it has any.
#[derive(Clone, Copy)]
enum Scope {
    /// Of all: a repetition that is not entered yet.
    All,
    /// Of the one that belongs to this round.
    In(Round),
}

impl<'a> Encoder<'a> {
    fn envelope(mut self, operation: &Operation, message: &'a Message) -> Result<Vec<u8>, EncodeError> {
        self.start("soap:Envelope", &[("xmlns:soap", Cow::Borrowed(operation.soap.namespace()))])?;
        self.start("soap:Body", &[])?;
        let declarations = message.declarations.iter().map(|(name, uri)| (name.as_str(), Cow::Borrowed(&**uri)));
        self.element(&message.root, None, declarations.collect())?;
        self.writer.end("soap:Body");
        self.writer.end("soap:Envelope");
        Ok(self.writer.finish())
    }

    fn element(&mut self, shape: &'a Shape, round: Round, mut attributes: Attributes<'a>) -> Result<(), EncodeError> {
        for AttributeShape { name, tag, required, simple, slot, .. } in &shape.attributes {
            match self.value(slot.as_ref(), simple, round)? {
                _ if !required && matches!(slot, Some(Slot::Fixed(_))) => {}
                Some(value) => attributes.push((tag, value)),
                None if *required && self.is_strict() => return Err(self.missing(slot.as_ref(), &name.local, round)),
                None => {}
            }
        }
        match &shape.content {
            Content::Simple(simple, slot) => match self.value(slot.as_ref(), simple, round)? {
                Some(text) => {
                    self.start(&shape.tag, &attributes)?;
                    self.writer.text(&text).map_err(|e| error(&shape.name.local, None, e.to_string()))?;
                }
                None if shape.nillable => self.start_nil(&shape.tag, attributes)?,
                None if self.is_strict() => return Err(self.missing(slot.as_ref(), &shape.name.local, round)),
                None => return Ok(()),
            },
            Content::Complex(group) => {
                let is_nil = shape.nillable && group.idle == Idle::Incomplete && !self.is_group_given(group, Scope::In(round));
                if is_nil {
                    self.start_nil(&shape.tag, attributes)?;
                } else {
                    self.start(&shape.tag, &attributes)?;
                    self.group(group, round)?;
                }
            }
        }
        self.writer.end(&shape.tag);
        Ok(())
    }

    fn group(&mut self, group: &'a Group, round: Round) -> Result<(), EncodeError> {
        match group.kind {
            GroupKind::Sequence | GroupKind::All => group.members.iter().try_for_each(|m| self.particle(m, round)),
            GroupKind::Choice => self.branch(group, round)?.map_or(Ok(()), |branch| self.particle(branch, round)),
        }
    }

    fn particle(&mut self, particle: &'a Particle, round: Round) -> Result<(), EncodeError> {
        for n in 0..self.rounds(particle, round)? {
            let round = if particle.occurs().is_many() { Some(n) } else { round };
            match particle {
                Particle::Element(shape) => self.element(shape, round, Vec::new())?,
                Particle::Group(group) => self.group(group, round)?,
            }
        }
        Ok(())
    }

    /// How often a particle is written.
    fn rounds(&self, particle: &Particle, round: Round) -> Result<usize, EncodeError> {
        let Occurs { min, max } = particle.occurs();
        let least = usize::try_from(min).unwrap_or(usize::MAX);
        if !self.is_given(particle, Scope::In(round)) {
            return Ok(match particle.idle() {
                Idle::Standing => least.max(1),
                Idle::Incomplete if !self.is_strict() => least.min(1),
                Idle::Complete | Idle::Incomplete => least,
            });
        }
        let counts = particle.steps().iter().map(|step| (step, self.fields.count(step)));
        let Some((longest, count)) = counts.clone().max_by_key(|(_, count)| *count) else { return Ok(least.max(1)) };
        if let Some((step, other)) = counts.clone().find(|(_, other)| *other > 1 && *other != count) {
            return Err(error(step, None, format!("has {other} values where {longest} has {count}")));
        }
        match max {
            Some(max) if usize::try_from(max).is_ok_and(|max| count > max) => {
                Err(error(longest, None, format!("takes at most {max} values")))
            }
            _ if count > 0 && count < least => Err(error(longest, None, format!("takes at least {least} values"))),
            _ => Ok(count.max(least).max(1)),
        }
    }

    /// The member of a choice to be written: the one that has a value, else one that needs none.
    fn branch(&self, group: &'a Group, round: Round) -> Result<Option<&'a Particle>, EncodeError> {
        let mut given = group.members.iter().filter(|member| self.is_given(member, Scope::In(round)));
        if let Some(first) = given.next() {
            let Some(second) = given.next() else { return Ok(Some(first)) };
            let (first, second) = (self.given_field(first, round), self.given_field(second, round));
            return Err(error(second, self.index(second, round), format!("cannot be given together with {first}")));
        }
        let idle = group.members.iter().filter(|member| member.idle() != Idle::Incomplete);
        let is_empty_allowed = group.members.iter().any(|member| member.occurs().min == 0);
        match idle.max_by_key(|member| member.idle()) {
            Some(branch) => Ok(Some(branch)),
            None if is_empty_allowed || !self.is_strict() => Ok(None),
            None => {
                let fields: Vec<&str> = group.members.iter().flat_map(Particle::fields).collect();
                let what = format!("is mandatory, or one of the others: {}", fields.join(", "));
                Err(error(fields.first().copied().unwrap_or("a choice"), None, what))
            }
        }
    }

    /// Has any parameter beneath a particle a value?
    fn is_given(&self, particle: &Particle, scope: Scope) -> bool {
        let scope = if particle.occurs().is_many() { Scope::All } else { scope };
        match particle {
            Particle::Group(group) => self.is_group_given(group, scope),
            Particle::Element(shape) => {
                shape.attributes.iter().any(|attribute| self.has_value(attribute.slot.as_ref(), scope))
                    || match &shape.content {
                        Content::Simple(_, slot) => self.has_value(slot.as_ref(), scope),
                        Content::Complex(group) => self.is_group_given(group, scope),
                    }
            }
        }
    }

    fn is_group_given(&self, group: &Group, scope: Scope) -> bool {
        group.members.iter().any(|member| self.is_given(member, scope))
    }

    fn has_value(&self, slot: Option<&Slot>, scope: Scope) -> bool {
        match (slot, scope) {
            (Some(Slot::Field(name)), Scope::In(Some(round))) => self.at(name, round).is_some(),
            (Some(Slot::Field(name)), _) => self.fields.all(name).next().is_some(),
            (Some(slot @ (Slot::Status | Slot::Reference | Slot::Message)), _) => self.of_answer(slot).is_some(),
            _ => false,
        }
    }

    /// What stands in a simple value, checked against its type.
    fn value(&self, slot: Option<&'a Slot>, simple: &SimpleType, round: Round) -> Result<Option<Cow<'a, str>>, EncodeError> {
        let (name, value) = match slot {
            None => return Ok(None),
            Some(Slot::Constant(text) | Slot::Fixed(text)) => return Ok(Some(Cow::Borrowed(text))),
            Some(Slot::Field(name)) if simple.item().is_some() => (name.as_str(), self.joined(name)?),
            Some(Slot::Field(name)) => {
                let value = match round {
                    Some(round) => self.at(name, round),
                    None if self.fields.count(name) > 1 => return Err(error(name, None, "takes one value")),
                    None => self.fields.first(name),
                };
                (name.as_str(), value.map(Cow::Borrowed))
            }
            Some(slot) => ("answer", self.of_answer(slot).map(Cow::Borrowed)),
        };
        let Some(value) = value else { return Ok(None) };
        let fault = |what: String| error(name, self.index(name, round), what);
        if let Some(bad) = value.chars().find(|c| !is_xml_char(*c)) {
            return Err(fault(format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad))));
        }
        simple.check(&value).map_err(fault)?;
        Ok(Some(value))
    }

    /// All values of a parameter as one list.
    fn joined(&self, name: &str) -> Result<Option<Cow<'a, str>>, EncodeError> {
        let values: Vec<&str> = self.fields.all(name).collect();
        match values.iter().position(|value| value.is_empty() || value.contains(is_xml_space)) {
            Some(index) => Err(error(name, Some(index), "must not be empty or contain white space")),
            None if values.is_empty() => Ok(None),
            None => Ok(Some(Cow::Owned(values.join(" ")))),
        }
    }

    /// A parameter's value in a round; a single value is the same in every round.
    fn at(&self, name: &str, round: usize) -> Option<&'a str> {
        self.fields.at(name, if self.fields.count(name) == 1 { 0 } else { round })
    }

    fn of_answer(&self, slot: &Slot) -> Option<&'a str> {
        let answer = self.answer?;
        match slot {
            Slot::Status => Some(&answer.status),
            Slot::Reference => answer.reference.as_deref(),
            Slot::Message => answer.message.as_deref(),
            Slot::Field(_) | Slot::Constant(_) | Slot::Fixed(_) => None,
        }
    }

    fn is_strict(&self) -> bool {
        self.answer.is_none()
    }

    fn missing(&self, slot: Option<&Slot>, local: &str, round: Round) -> EncodeError {
        match slot {
            Some(Slot::Field(name)) => error(name, self.index(name, round), IS_MANDATORY),
            _ => error(local, None, "is mandatory, and no parameter fills it"),
        }
    }

    /// Which value of a parameter a round is about, if it has several.
    fn index(&self, name: &str, round: Round) -> Option<usize> {
        round.filter(|_| self.fields.count(name) > 1)
    }

    /// The first parameter beneath a particle that has a value.
    fn given_field<'p>(&self, particle: &'p Particle, round: Round) -> &'p str {
        let has_value = |name: &&str| match round {
            Some(round) => self.at(name, round).is_some(),
            None => self.fields.all(name).next().is_some(),
        };
        particle.fields().into_iter().find(has_value).unwrap_or_default()
    }

    fn start(&mut self, tag: &str, attributes: &[(&str, Cow<'_, str>)]) -> Result<(), EncodeError> {
        let attributes: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, &**value)).collect();
        self.writer.start(tag, &attributes).map_err(|e| error(tag, None, e.to_string()))
    }

    fn start_nil(&mut self, tag: &str, mut attributes: Attributes<'_>) -> Result<(), EncodeError> {
        attributes.extend([("xmlns:xsi", Cow::Borrowed(XSI_NS)), ("xsi:nil", Cow::Borrowed("true"))]);
        self.start(tag, &attributes)
    }
}

/// Attributes about to be written.
type Attributes<'a> = Vec<(&'a str, Cow<'a, str>)>;
