//! Checks at start whether the sources of the bindings can ever be valid at their places: a date and time at a place for a
//! date would fail every call, and so would a password of eight characters at a place for six.
//!
//! Rule: a message about a secret names the setting and never the value.

use std::sync::Arc;

use super::finding::Location;
use super::plan::ValueSource;
use super::possible::{MOMENTS, Texts, texts_of};
use super::simple::SimpleType;
use super::template::{Template, secret_name};
use crate::request::{CONTEXT, Parameter, RequestType, Shape, Steps};
use crate::xml::find_forbidden;

const WHOLE: [&str; 6] = ["1", "0", "10", "100", "1000", "20"];
const UUIDS: [&str; 1] = ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"];
const NONCES: [&str; 1] = ["0F8B8BAB8CD7E651E4CF42FCF0518850"];
const NOW: [&str; 1] = ["2026-01-31T09:00:00Z"];

/// A place of a request where the bindings write a value.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) request_type: RequestType,
    /// The local name of the element or attribute.
    pub(super) local: String,
    pub(super) simple: Arc<SimpleType>,
    /// The place in the bindings.
    pub(super) location: Location,
}

impl Place {
    /// The type of one value: that of the items, if the place takes a list.
    fn value_type(&self) -> &SimpleType {
        self.simple.item().unwrap_or(&self.simple)
    }

    /// The reason why no value of the source fits, as a sentence.
    pub(super) fn misfit(&self, source: &ValueSource) -> Option<String> {
        match source {
            ValueSource::Field(name) => self.parameter_misfit(name),
            ValueSource::Template(template) => self.template_misfit(template),
            _ => None,
        }
    }

    fn parameter_misfit(&self, name: &str) -> Option<String> {
        let texts = texts_of_value(self.request_type, name);
        let (text, must) = texts.misfit(self.value_type())?;
        let local = &self.local;
        Some(match text {
            None => format!("no value of {name} fits: '{local}' {must}"),
            Some(text) => {
                let is_moment = MOMENTS.contains(&text);
                let hint = format!("; as a value, \"{{{name}|date:%Y-%m-%d}}\" writes it otherwise");
                let hint = if is_moment { hint.as_str() } else { "" };
                format!("{name} is a value such as '{text}', and '{local}' {must}{hint}")
            }
        })
    }

    pub(super) fn template_misfit(&self, template: &Template) -> Option<String> {
        let texts = match texts_of(template, &|name| texts_of_value(self.request_type, name)) {
            Ok(texts) => texts,
            Err((name, must)) => return Some(format!("{name} {must}")),
        };
        let misfit = |text: Option<&str>, must: &str| match text {
            Some(text) => format!("'{text}' does not fit: '{}' {must}", self.local),
            None => format!("'{template}' never fits: '{}' {must}", self.local),
        };
        if let Some((text, must)) = texts.misfit(self.value_type()) {
            return Some(misfit(text, &must));
        }
        // A default is written for want of a parameter.
        let absent = |name: &str| self.request_type.fields().any(|field| field.name == name && !field.mandatory);
        if template.needs_parameter() || !template.names().any(absent) || !template.names().all(absent) {
            return None;
        }
        let text = template.render(|_| None).ok()??;
        let must = self.value_type().check(&text).err()?;
        Some(misfit(Some(&text), &must))
    }

    /// The reason why a template does not fit with these secrets, as a sentence without their values.
    pub(super) fn secret_misfit<'v>(
        &self,
        template: &Template,
        secret: &dyn Fn(&str) -> Option<&'v str>,
    ) -> Option<String> {
        let secret_names: Vec<&str> = template.names().filter_map(secret_name).collect();
        let values: Vec<&str> = secret_names.iter().filter_map(|name| secret(name)).collect();
        if values.len() != secret_names.len() || secret_names.is_empty() {
            return None;
        }
        let settings: Vec<String> = secret_names.iter().map(|name| format!("secret.{name}")).collect();
        let settings = settings.join(", ");
        if values.iter().any(|value| find_forbidden(value).is_some()) {
            return Some(format!("{settings} has a character that XML 1.0 cannot carry"));
        }
        let value = |name: &str| match secret_name(name).and_then(secret) {
            Some(value) => Texts::All(vec![value.to_owned()]),
            None => texts_of_value(self.request_type, name),
        };
        let must = match texts_of(template, &value) {
            Ok(texts) => texts.misfit(self.value_type())?.1,
            Err((_, must)) => must,
        };
        Some(format!("{settings} does not fit: '{}' {must}", self.local))
    }
}

/// The texts that a value can be: a parameter of the request type, or a value of the gateway.
fn texts_of_value(request_type: RequestType, name: &str) -> Texts {
    let [now, uuid] = CONTEXT;
    if name == now || name == "sent" {
        return Texts::examples(&NOW);
    }
    if name == uuid || name == "nonce" {
        return Texts::examples(if name == uuid { &UUIDS } else { &NONCES });
    }
    let is_meant = |parameter: &&Parameter| parameter.field().is_some_and(|field| field.name == name);
    match request_type.parameters().iter().find(is_meant).map(|parameter| parameter.shape) {
        Some(Shape::Date) => Texts::examples(&MOMENTS),
        Some(Shape::Whole { range: Some(Steps { least, most, .. }), .. }) => {
            Texts::Examples(vec![least.to_string(), most.to_string()])
        }
        Some(Shape::Whole { range: None, .. } | Shape::SequenceNumber) => Texts::examples(&WHOLE),
        Some(Shape::Text(Some(most))) => Texts::any(most),
        _ => Texts::any(usize::MAX),
    }
}
