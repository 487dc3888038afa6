//! Finds the text of a simple value, and checks the text against its type.

use std::borrow::Cow;

use super::choose::{Round, Scope};
use super::{EncodeError, Encoder, IS_MANDATORY, error};
use crate::contract::{SimpleType, Template, ValueSource};
use crate::xml::{find_forbidden, is_xml_space};

impl<'a> Encoder<'a> {
    pub(super) fn has_value(&self, source: Option<&ValueSource>, scope: Scope) -> bool {
        match (source, scope) {
            (Some(source @ (ValueSource::Field(_) | ValueSource::Template(_))), scope) => {
                source.fields().into_iter().any(|name| match scope {
                    Scope::In(Some(round)) => self.at(name, round).is_some(),
                    _ => self.fields.all(name).next().is_some(),
                })
            }
            (Some(source @ (ValueSource::Status | ValueSource::Reference | ValueSource::Message)), _) => {
                self.of_answer(source).is_some()
            }
            _ => false,
        }
    }

    /// The text of a simple value, checked against its type.
    pub(super) fn value(
        &self,
        source: Option<&'a ValueSource>,
        simple: &SimpleType,
        round: Round,
    ) -> Result<Option<Cow<'a, str>>, EncodeError> {
        let (name, value) = match source {
            None => return Ok(None),
            Some(ValueSource::Constant(text) | ValueSource::Fixed(text)) => return Ok(Some(Cow::Borrowed(text))),
            Some(ValueSource::Field(name)) if simple.item().is_some() => (name.as_str(), self.joined(name)?),
            Some(ValueSource::Field(name)) => {
                let value = match round {
                    Some(round) => self.at(name, round),
                    None if self.fields.count(name) > 1 => return Err(error(name, None, "takes one value")),
                    None => self.fields.first(name),
                };
                (name.as_str(), value.map(Cow::Borrowed))
            }
            Some(ValueSource::Template(template)) => {
                self.check_values(template, round)?;
                let value = template.render(|name| self.at(name, round.unwrap_or_default()));
                let value = value.map_err(|(name, must)| error(&name, self.index(&name, round), must))?;
                if template.has_blank() {
                    return Ok(value.map(Cow::Owned));
                }
                (template.parameters().next().unwrap_or("a value"), value.map(Cow::Owned))
            }
            Some(source) => ("answer", self.of_answer(source).map(Cow::Borrowed)),
        };
        let Some(value) = value else { return Ok(None) };
        let fault = |message: String| error(name, self.index(name, round), message);
        if let Some((_, bad)) = find_forbidden(&value) {
            return Err(fault(format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad))));
        }
        match simple.accept(&value).map_err(fault)? {
            Cow::Owned(accepted) => Ok(Some(Cow::Owned(accepted))),
            Cow::Borrowed(_) => Ok(Some(value)),
        }
    }

    /// Has a template one value of each parameter, which XML can carry?
    pub(super) fn check_values(&self, template: &Template, round: Round) -> Result<(), EncodeError> {
        for name in template.parameters() {
            if round.is_none() && self.fields.count(name) > 1 {
                return Err(error(name, None, "takes one value"));
            }
            if let Some((_, bad)) = self.fields.all(name).find_map(find_forbidden) {
                let message = format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad));
                return Err(error(name, None, message));
            }
        }
        Ok(())
    }

    /// All values of a parameter as one list.
    pub(super) fn joined(&self, name: &str) -> Result<Option<Cow<'a, str>>, EncodeError> {
        let values: Vec<&str> = self.fields.all(name).collect();
        match values.iter().position(|value| value.is_empty() || value.contains(is_xml_space)) {
            Some(index) => Err(error(name, Some(index), "must not be empty or contain white space")),
            None if values.is_empty() => Ok(None),
            None => Ok(Some(Cow::Owned(values.join(" ")))),
        }
    }

    /// A parameter's value in a round; a single value is the same in every round.
    pub(super) fn at(&self, name: &str, round: usize) -> Option<&'a str> {
        self.fields.at(name, if self.fields.count(name) == 1 { 0 } else { round })
    }

    pub(super) fn of_answer(&self, source: &ValueSource) -> Option<&'a str> {
        let answer = self.answer?;
        match source {
            ValueSource::Status => answer.status.as_deref(),
            ValueSource::Reference => answer.reference.as_deref(),
            ValueSource::Message => answer.message.as_deref(),
            ValueSource::Field(_)
            | ValueSource::Template(_)
            | ValueSource::Piece(_)
            | ValueSource::Constant(_)
            | ValueSource::Fixed(_) => None,
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.answer.is_none()
    }

    pub(super) fn missing(&self, source: Option<&ValueSource>, local: &str, round: Round) -> EncodeError {
        match source {
            Some(ValueSource::Field(name)) => error(name, self.index(name, round), IS_MANDATORY),
            Some(ValueSource::Template(template)) => {
                let missing = |name: &&str| self.at(name, round.unwrap_or_default()).is_none();
                let name = template.parameters().find(missing).unwrap_or(local);
                error(name, self.index(name, round), IS_MANDATORY)
            }
            _ => error(local, None, "is mandatory, and no parameter fills it"),
        }
    }

    /// The index of a round's value, if the parameter has several values.
    pub(super) fn index(&self, name: &str, round: Round) -> Option<usize> {
        round.filter(|_| self.fields.count(name) > 1)
    }
}
