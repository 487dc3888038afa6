//! Binds the paths of one `[request.TYPE]` to the two messages of its operation, and checks whether the request can be
//! written.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::answer::{AnswerPath, AnswerRules};
use super::bind::{Bound, Obstacle, bind};
use super::bindings::{RequestBinding, Text};
use super::builtin::built_in;
use super::cover::{Gap, finalize, gaps};
use super::demand::Demand;
use super::finding::{Reported, all};
use super::operation::BoundField;
use super::path::{header_steps, steps};
use super::plan::{Message, ValueSource};
use super::request::RequestLoader;
use super::sample::Place;
use super::template::{SENDING, SESSION, Template, secret_name};
use super::verdict::Verdicts;
use super::wsdl::Demands;
use crate::request::{CONTEXT, Field, RequestType};

impl RequestLoader<'_, '_> {
    pub(super) fn bind_input(
        &self,
        request_type: RequestType,
        name: &Text,
        request: &RequestBinding,
        message: &mut Message,
    ) -> Result<Vec<BoundField>, Reported> {
        let paths = request.fields.values().chain(request.constants.keys()).chain(request.values.keys());
        let in_header = paths.filter(|path| header_steps(path.get_ref()).is_some());
        let headers = all(in_header.map(|path| -> Result<(), Reported> {
            Err(self.report(path, "the header of a request is written by [headers], as XML"))
        }));
        headers?;
        let fields = self.bind_named(&request.fields, request_type, &fields_of(request_type), message);
        let constants = all(request.constants.iter().map(|(path, value)| {
            self.bind(path, "a constant", ValueSource::Constant(value.get_ref().clone()), message)
        }));
        let omits = all(request.omits.iter().map(|omitted| {
            let is_known = request_type.fields().any(|field| field.name == omitted.get_ref());
            let unknown = || self.report(omitted, format!("{request_type} has no '{}'", omitted.get_ref()));
            is_known.then_some(()).ok_or_else(unknown)
        }));
        let values = all(request.values.iter().map(|(path, text)| {
            let source = match leads_to_open(path.get_ref()) {
                true => ValueSource::Piece(self.piece(request_type, text)?),
                false => self.template(request_type, text)?,
            };
            self.bind(path, "a value", source, message)
        }));
        let mandatory = request_type.fields().filter(|field| field.mandatory);
        let bound = all(mandatory.map(|field| {
            let is_field = request.fields.keys().any(|bound| bound.get_ref() == field.name);
            let is_value = |value: &BoundField| value.source.fields().contains(&field.name);
            let is_omitted = request.omits.iter().any(|omitted| omitted.get_ref() == field.name);
            let is_bound = is_omitted || is_field || values.as_ref().is_ok_and(|values| values.iter().any(is_value));
            let missing = || self.report(name, format!("mandatory parameter '{}' is not bound", field.name));
            is_bound.then_some(()).ok_or_else(missing)
        }));
        let mut fields = fields?;
        fields.extend(constants?);
        fields.extend(values?);
        let fit = self.check_fit(request_type, request, &fields);
        finalize(message);
        let covered = all(gaps(message).into_iter().map(|gap| -> Result<(), Reported> {
            Err(match gap {
                Gap::Uncovered(location, uncovered) => {
                    let message = format!("{uncovered} is covered by no field or constant of {request_type}");
                    self.findings.report(&location, message)
                }
                Gap::Unread(found) => {
                    self.findings.absorb(found);
                    Reported
                }
            })
        }));
        bound?;
        covered?;
        omits?;
        fit?;
        Ok(fields)
    }

    /// Parses a template; `{parameter}` alone is the parameter itself.
    fn template(&self, request_type: RequestType, text: &Text) -> Result<ValueSource, Reported> {
        let template = Template::parse(text.get_ref(), &self.maps).map_err(|why| self.report(text, why))?;
        self.check_names(request_type, text, &template)?;
        let names: Vec<&str> = template.parameters().collect();
        Ok(match names.as_slice() {
            [name] if text.get_ref() == &format!("{{{name}}}") => ValueSource::Field((*name).to_owned()),
            _ => ValueSource::Template(Arc::new(template)),
        })
    }

    /// Do the values of a template mean something for requests of a type?
    pub(super) fn check_names(
        &self,
        request_type: RequestType,
        text: &Text,
        template: &Template,
    ) -> Result<(), Reported> {
        let is_login_bound =
            self.file.bindings.request.keys().any(|name| name.get_ref() == RequestType::LOGIN.as_str());
        for name in template.names() {
            if let Some(secret) = secret_name(name) {
                let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                if secret.is_empty() || !secret.chars().all(is_name) {
                    return Err(
                        self.report(text, format!("'{name}': a secret's name has small letters, digits and '_'"))
                    );
                }
                self.secrets.borrow_mut().entry(secret.to_owned()).or_insert_with(|| self.file.location(text));
            } else if name == SESSION && (!is_login_bound || request_type == RequestType::LOGIN) {
                return Err(self.report(text, "there is no [request.LOGIN] before it that gives a session"));
            }
        }
        for name in template.parameters() {
            if !request_type.fields().any(|field| field.name == name) {
                let fields = request_type.fields().map(|field| field.name);
                let known: Vec<&str> = fields.chain(CONTEXT).chain(SENDING).chain(["secret.NAME"]).collect();
                return Err(self.report(text, format!("{request_type} has no '{name}' here, but {}", known.join(", "))));
            }
            if request_type.secret() == Some(name) && template.changes(name) {
                return Err(
                    self.report(text, format!("'{name}' is a secret, which could not be masked if it is changed"))
                );
            }
        }
        Ok(())
    }

    /// Reports sources that can never be valid at their place.
    fn check_fit(
        &self,
        request_type: RequestType,
        request: &RequestBinding,
        fields: &[BoundField],
    ) -> Result<(), Reported> {
        let written = || request.fields.values().chain(request.values.keys());
        all(fields.iter().filter_map(|field| {
            let path = written().find(|path| *path.get_ref() == field.path)?;
            let (local, simple) = (field.element().to_owned(), field.simple.clone()?);
            let place = Place { request_type, local, simple, location: self.file.location(path) };
            Some(self.try_place(place, &field.source))
        }))
        .map(|_| ())
    }

    /// Tries the source of a place. A place with secrets is kept, to be tried with their values.
    pub(super) fn try_place(&self, place: Place, source: &ValueSource) -> Result<(), Reported> {
        let outcome = match place.misfit(source) {
            Some(why) => Err(self.findings.report(&place.location, why)),
            None => Ok(()),
        };
        if let ValueSource::Template(template) = source
            && template.names().any(|name| secret_name(name).is_some())
        {
            self.secret_places.borrow_mut().push((Template::clone(template), place));
        }
        outcome
    }

    pub(super) fn bind_output(
        &self,
        request_type: RequestType,
        name: &Text,
        request: &RequestBinding,
        mut message: Option<&mut Message>,
    ) -> Result<(Vec<BoundField>, Verdicts), Reported> {
        let rules = AnswerRules::new(self.file, &request.answer);
        let subject = format!("the status of {request_type}");
        let status = rules.status(message.as_deref());
        let status = status.map(|path| self.bind_answer(path, &subject, ValueSource::Status, message.as_deref_mut()));
        let mut fields = Vec::new();
        for (found, source) in [(rules.reference(), ValueSource::Reference), (rules.message(), ValueSource::Message)] {
            match found {
                Some(AnswerPath { path, is_own: true }) => {
                    fields.push(self.bind_answer(
                        path,
                        &format!("an answer of {request_type}"),
                        source,
                        message.as_deref_mut(),
                    )?);
                }
                Some(AnswerPath { path, is_own: false }) => {
                    let bound = message.as_deref_mut().and_then(|message| bind(message, path.get_ref(), &source).ok());
                    fields.extend(bound.map(|bound| bound_field(bound, path, source)));
                }
                None => {}
            }
        }
        let results = match message.as_deref_mut() {
            Some(message) => self.bind_named(&request.results, request_type, request_type.results(), message)?,
            None => all(request.results.iter().map(|(name, path)| {
                Err(self.report(path, format!("{}: the operation has no answer", name.get_ref())))
            }))?,
        };
        let status = status.transpose()?;
        let status_type = status.as_ref().and_then(|field| field.simple.clone());
        let verdicts = rules.verdicts(name, message.as_deref(), status_type, self.findings)?;
        if let Some(status) = status {
            fields.insert(0, status);
        }
        fields.extend(results);
        if let Some(message) = message {
            finalize(message);
        }
        Ok((fields, verdicts))
    }

    fn bind_answer(
        &self,
        path: &Text,
        subject: &str,
        source: ValueSource,
        message: Option<&mut Message>,
    ) -> Result<BoundField, Reported> {
        let missing = || self.report(path, format!("{subject}: the operation has no answer"));
        self.bind(path, subject, source, message.ok_or_else(missing)?)
    }

    /// The demand of a request type's paths on its two messages.
    pub(super) fn demands(&self, request: &RequestBinding, wsdl: &Text) -> Result<Demands, Reported> {
        let symbols = self.compilers.get(wsdl.get_ref().as_str()).ok_or(Reported)?.symbols;
        let rules = AnswerRules::new(self.file, &request.answer);
        let answer =
            [rules.any_status(), rules.reference().map(|found| found.path), rules.message().map(|found| found.path)];
        let input = request.fields.values().chain(request.constants.keys()).chain(request.values.keys());
        let output = answer.into_iter().flatten().chain(request.results.values());
        let mut demands = (Demand::of(input.map(Text::get_ref)), Demand::of(output.map(Text::get_ref)));
        for (types, demand) in [(&request.types, &mut demands.0), (&request.answer.types, &mut demands.1)] {
            all(types.iter().map(|(path, written)| {
                let name = symbols.type_named(written.get_ref()).map_err(|why| self.report(written, why))?;
                demand.set_type(path.get_ref(), name);
                Ok(())
            }))?;
        }
        Ok(Demands { input: Rc::new(demands.0), output: Rc::new(demands.1) })
    }

    /// Binds parameters or results by their names.
    fn bind_named(
        &self,
        paths: &BTreeMap<Text, Text>,
        request_type: RequestType,
        known: &[Field],
        message: &mut Message,
    ) -> Result<Vec<BoundField>, Reported> {
        let mut lines: Vec<_> = paths.iter().collect();
        lines.sort_by_key(|(field, _)| field.span().start);
        all(lines.into_iter().map(|(field, path)| {
            let name = field.get_ref();
            if !known.iter().any(|field| field.name == name) {
                let known: Vec<&str> = known.iter().map(|field| field.name).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                return Err(self.report(field, format!("{request_type} has no '{name}' here, but {known}")));
            }
            self.bind(path, name, ValueSource::Field(name.clone()), message)
        }))
    }

    fn bind(
        &self,
        path: &Text,
        subject: &str,
        source: ValueSource,
        message: &mut Message,
    ) -> Result<BoundField, Reported> {
        if header_steps(path.get_ref()).is_some() {
            // Only paths of answers lead into a header; a request's headers are pieces of XML.
            let (simple, location) = (built_in("string"), self.file.location(path));
            let bound = Bound { simple, mandatory: false, many: false, must_be_declared: false, location };
            return Ok(bound_field(bound, path, source));
        }
        match bind(message, path.get_ref(), &source) {
            Ok(bound) => Ok(bound_field(bound, path, source)),
            Err(Obstacle::Step(why)) => Err(self.report(path, format!("{subject}: {why}"))),
            Err(Obstacle::Unread(found)) => {
                self.findings.absorb(found);
                Err(Reported)
            }
        }
    }
}

fn bound_field(bound: Bound, path: &Text, source: ValueSource) -> BoundField {
    let Bound { simple, mandatory, many, must_be_declared, location } = bound;
    BoundField { source, path: path.get_ref().clone(), simple, mandatory, many, must_be_declared, location }
}

/// Does a path end in a place that the schema leaves open?
fn leads_to_open(path: &str) -> bool {
    steps(path).last().is_some_and(|step| step.is_open())
}

fn fields_of(request_type: RequestType) -> Vec<Field> {
    request_type.fields().collect()
}
