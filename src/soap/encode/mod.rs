//! Writes SOAP messages: a walk over the plan of a message. `choose` decides which parts of the plan are written, and how
//! often; `value` finds and checks values.
//!
//! An optional element is written if a parameter beneath it has a value, or if the bindings put a constant into it
//! ([`WhenEmpty::Write`]). The innermost repeatable ancestor of a parameter is written once per value; parameters that
//! share it are zipped by index, and a single value is the same in every round.
//!
//! A request is written to the letter of the schema or not at all. An answer (the simulator's) leaves out what it has
//! no value for.

mod choose;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use super::decode::Answer;
use crate::contract::{
    AttributePlan, Compositor, Content, ElementPlan, Group, Message, Operation, Particle, Piece, ValueSource,
    WhenEmpty, header_steps,
};
use crate::request::{CONTEXT, Fields};
use crate::xml::{SOAP_ENC_NS, XSI_NS, XmlWriter};
use choose::{Round, Scope};

/// The obstacle to writing a request, which the client has to remove.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct EncodeError {
    /// The parameter; or an element that no parameter fills.
    pub field: String,
    /// The index of the value, counted from 0, if there are several.
    pub index: Option<usize>,
    /// The requirement: "must be at most 64 characters".
    pub message: String,
}

/// Writes a request as a whole SOAP message, in UTF-8. What is known only when it is sent is left blank
/// ([`crate::xml::BLANK`]).
///
/// # Errors
/// The first parameter that is missing, superfluous or invalid by the schema.
pub fn request(operation: &Operation, fields: &Fields) -> Result<Vec<u8>, EncodeError> {
    let is_bound = |name: &str| {
        operation.input_fields.iter().any(|field| field.source.fields().contains(&name))
            || operation.templates().any(|template| template.parameters().any(|parameter| parameter == name))
    };
    let is_omitted = |name: &str| operation.omits.iter().any(|omitted| omitted == name);
    if let Some(name) = fields.names().find(|name| !CONTEXT.contains(name) && !is_bound(name) && !is_omitted(name)) {
        return Err(error(name, None, "is not taken by this Conax contract"));
    }
    let mut mandatory = operation.request_type.fields().filter(|field| field.mandatory);
    if let Some(missing) = mandatory.find(|field| fields.all(field.name).next().is_none()) {
        return Err(error(missing.name, None, IS_MANDATORY));
    }
    Encoder { fields, answer: None, writer: XmlWriter::with_blanks() }.envelope(operation, Some(&operation.input))
}

/// Writes an answer as a whole SOAP message, in UTF-8; an empty body where nothing comes back.
///
/// # Errors
/// The first value that is invalid by the schema.
pub fn answer(operation: &Operation, answer: &Answer) -> Result<Vec<u8>, EncodeError> {
    let encoder = Encoder { fields: &answer.results, answer: Some(answer), writer: XmlWriter::new() };
    encoder.envelope(operation, operation.output.as_ref())
}

const IS_MANDATORY: &str = "is mandatory";

fn error(field: &str, index: Option<usize>, message: impl Into<String>) -> EncodeError {
    EncodeError { field: field.to_owned(), index, message: message.into() }
}

/// State of one message.
struct Encoder<'a> {
    fields: &'a Fields,
    /// Given when an answer is written.
    answer: Option<&'a Answer>,
    writer: XmlWriter,
}

impl<'a> Encoder<'a> {
    fn envelope(mut self, operation: &'a Operation, message: Option<&'a Message>) -> Result<Vec<u8>, EncodeError> {
        self.start("soap:Envelope", &[("xmlns:soap", Cow::Borrowed(operation.soap.namespace()))])?;
        if self.is_strict() && !operation.headers.is_empty() {
            self.start("soap:Header", &[])?;
            operation.headers.iter().try_for_each(|piece| self.piece(piece, None))?;
            self.writer.end("soap:Header");
        }
        if !self.is_strict() {
            self.answer_header(operation)?;
        }
        self.start("soap:Body", &[])?;
        if let Some(Message { root, is_encoded, declarations, .. }) = message.filter(|message| message.has_element) {
            let declarations = declarations.iter().map(|(name, uri)| (name.as_str(), Cow::Borrowed(&**uri)));
            let style = is_encoded.then_some(("soap:encodingStyle", Cow::Borrowed(SOAP_ENC_NS)));
            self.element(root, None, declarations.chain(style).collect())?;
        }
        self.writer.end("soap:Body");
        self.writer.end("soap:Envelope");
        Ok(self.writer.finish())
    }

    fn element(
        &mut self,
        plan: &'a ElementPlan,
        round: Round,
        mut attributes: Attributes<'a>,
    ) -> Result<(), EncodeError> {
        if let Some(xsi_type) = &plan.xsi_type {
            attributes.extend([("xmlns:xsi", Cow::Borrowed(XSI_NS)), ("xsi:type", Cow::Borrowed(&*xsi_type.tag))]);
        }
        if let (Some(item), Content::Complex(group)) = (&plan.array, &plan.content) {
            let counts = group.members.iter().map(|member| self.rounds(member, round));
            let count: usize = counts.sum::<Result<_, _>>()?;
            let array_type = Cow::Owned(format!("{}[{count}]", item.tag));
            attributes.extend([("xmlns:soapenc", Cow::Borrowed(SOAP_ENC_NS)), ("soapenc:arrayType", array_type)]);
        }
        for AttributePlan { name, tag, required, simple, source, .. } in &plan.attributes {
            match self.value(source.as_ref(), simple, round)? {
                _ if !required && matches!(source, Some(ValueSource::Fixed(_))) => {}
                Some(value) => attributes.push((tag, value)),
                None if *required && self.is_strict() => return Err(self.missing(source.as_ref(), &name.local, round)),
                None => {}
            }
        }
        match &plan.content {
            Content::Simple(simple, source) => match self.value(source.as_ref(), simple, round)? {
                Some(text) => {
                    self.start(&plan.tag, &attributes)?;
                    self.writer.text(&text).map_err(|e| error(&plan.name.local, None, e.to_string()))?;
                }
                None if plan.nillable => self.start_nil(&plan.tag, attributes)?,
                None if self.is_strict() => return Err(self.missing(source.as_ref(), &plan.name.local, round)),
                None => return Ok(()),
            },
            Content::Unread(_) if plan.nillable => self.start_nil(&plan.tag, attributes)?,
            Content::Unread(_) if self.is_strict() => return Err(self.missing(None, &plan.name.local, round)),
            Content::Unread(_) => return Ok(()),
            Content::Complex(group) => {
                let is_nil = plan.nillable
                    && group.filling.when_empty == WhenEmpty::NeedsValue
                    && !self.is_group_given(group, Scope::In(round));
                if is_nil {
                    self.start_nil(&plan.tag, attributes)?;
                } else {
                    self.start(&plan.tag, &attributes)?;
                    self.group(group, round)?;
                }
            }
        }
        self.writer.end(&plan.tag);
        Ok(())
    }

    fn group(&mut self, group: &'a Group, round: Round) -> Result<(), EncodeError> {
        match group.compositor {
            Compositor::Sequence | Compositor::All => group.members.iter().try_for_each(|m| self.particle(m, round)),
            Compositor::Choice => self.branch(group, round)?.map_or(Ok(()), |branch| self.particle(branch, round)),
        }
    }

    fn particle(&mut self, particle: &'a Particle, round: Round) -> Result<(), EncodeError> {
        for n in 0..self.rounds(particle, round)? {
            let round = if particle.occurs().is_many() { Some(n) } else { round };
            match particle {
                Particle::Element(plan) => self.element(plan, round, Vec::new())?,
                Particle::Group(group) => self.group(group, round)?,
                Particle::Open(open) => {
                    if let Some(piece) = &open.literal {
                        self.piece(piece, round)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The header of an answer, with the values that the bindings read there.
    fn answer_header(&mut self, operation: &'a Operation) -> Result<(), EncodeError> {
        let fields = operation.output_fields.iter();
        let mut values = fields.filter_map(|field| {
            let value = match &field.source {
                ValueSource::Field(name) => self.fields.first(name),
                source => self.of_answer(source),
            };
            Some((header_steps(&field.path)?.collect::<Vec<_>>(), value?))
        });
        let values: Vec<_> = values.by_ref().collect();
        if values.is_empty() {
            return Ok(());
        }
        self.start("soap:Header", &[])?;
        for (steps, value) in values {
            steps.iter().try_for_each(|step| self.start(step, &[]))?;
            self.writer.text(value).map_err(|e| error("answer", None, e.to_string()))?;
            steps.iter().rev().for_each(|step| self.writer.end(step));
        }
        self.writer.end("soap:Header");
        Ok(())
    }

    /// A piece of XML, without parts whose values are missing.
    fn piece(&mut self, piece: &'a Piece, round: Round) -> Result<(), EncodeError> {
        piece.templates().try_for_each(|template| self.check_values(template, round))?;
        let made = piece.render(|name| self.at(name, round.unwrap_or_default()));
        let made = made.map_err(|(name, must)| error(&name, self.index(&name, round), must))?;
        let Some(element) = made else { return Ok(()) };
        self.writer.element(&element).map_err(|e| error(&element.name.local, None, e.to_string()))
    }

    fn start(&mut self, tag: &str, attributes: &[(&str, Cow<'_, str>)]) -> Result<(), EncodeError> {
        let attributes: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, &**value)).collect();
        self.writer.start(tag, &attributes).map_err(|e| error(tag, None, e.to_string()))
    }

    fn start_nil(&mut self, tag: &str, mut attributes: Attributes<'_>) -> Result<(), EncodeError> {
        if !attributes.iter().any(|(name, _)| *name == "xmlns:xsi") {
            attributes.push(("xmlns:xsi", Cow::Borrowed(XSI_NS)));
        }
        attributes.push(("xsi:nil", Cow::Borrowed("true")));
        self.start(tag, &attributes)
    }
}

/// Attributes about to be written.
type Attributes<'a> = Vec<(&'a str, Cow<'a, str>)>;
