//! Loads one `[request.TYPE]` of the bindings: finds its operation, and binds each path to the operation's messages.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::answer::{AnswerPath, AnswerRules};
use super::bind::{Bound, Obstacle, bind};
use super::bindings::{BindingsFile, RequestBinding, Text};
use super::compile::Compiler;
use super::cover::{Gap, finalize, gaps};
use super::demand::Demand;
use super::finding::{Findings, Reported, all};
use super::operation::{BoundField, Operation, Resend};
use super::plan::{Message, ValueSource};
use super::port::Wanted;
use super::sample::misfit;
use super::source::resolve;
use super::template::{Maps, Template};
use super::verdict::Verdicts;
use super::wsdl::{Demands, WsdlOperation};
use crate::request::{CONTEXT, Field, RequestType};

/// What the loading of requests works with.
pub(super) struct RequestLoader<'a, 's> {
    pub(super) file: &'a BindingsFile,
    pub(super) base_path: &'a str,
    pub(super) findings: &'a Findings,
    pub(super) maps: Maps,
    /// By WSDL; those that cannot be used are not here.
    pub(super) compilers: BTreeMap<&'a str, Compiler<'a, 's>>,
}

impl RequestLoader<'_, '_> {
    fn report(&self, at: &Text, message: impl Into<String>) -> Reported {
        self.findings.report(&self.file.location(at), message)
    }

    /// All the operations of the bindings.
    pub(super) fn operations(&mut self) -> Result<BTreeMap<RequestType, Operation>, Reported> {
        let operations = all(self.file.bindings.request.iter().map(|(name, request)| {
            let unknown = |_| self.report(name, format!("'{}' is not a request type", name.get_ref()));
            let request_type: RequestType = name.get_ref().parse().map_err(unknown)?;
            Ok((request_type, self.operation(request_type, name, request)?))
        }))?;
        Ok(operations.into_iter().collect())
    }

    /// The operation that a request type is bound to.
    fn operation(
        &mut self,
        request_type: RequestType,
        name: &Text,
        request: &RequestBinding,
    ) -> Result<Operation, Reported> {
        let resend = self.resend(name, request);
        let wsdl = request.wsdl.as_ref().ok_or_else(|| self.report(name, "wsdl is missing"));
        let operation = request.operation.as_ref().ok_or_else(|| self.report(name, "operation is missing"));
        let (wsdl, operation) = (wsdl?, operation?);
        let location = self.file.location(operation);
        let wanted = Wanted {
            name: operation.get_ref(),
            file: wsdl.get_ref(),
            service: request.service.as_deref(),
            port: request.port.as_deref(),
            address: request.address.as_deref(),
            location,
        };
        let demands = self.demands(request, wsdl)?;
        let compiler = self.compilers.get_mut(wsdl.get_ref().as_str()).ok_or(Reported)?;
        let found = compiler.attempt(|compiler| compiler.operation(&wanted, &demands));
        let mut found = found.map_err(|found| {
            self.findings.absorb(found);
            Reported
        })?;
        let path = self.service_path(&found);
        let input_fields = self.bind_input(request_type, name, request, &mut found.input);
        let answer = self.bind_output(request_type, name, request, found.output.as_mut());
        let (output_fields, verdicts) = answer?;
        Ok(Operation {
            request_type,
            wsdl: resolve("", wsdl.get_ref()).map_err(|_| Reported)?,
            name: operation.get_ref().clone(),
            path: path?,
            soap: found.soap,
            action: found.action,
            input: found.input,
            omits: request.omits.iter().map(|omitted| omitted.get_ref().clone()).collect(),
            output: found.output,
            verdicts,
            port: found.port,
            other_ports: found.other_ports,
            resend: resend?,
            input_fields: input_fields?,
            output_fields,
        })
    }

    fn resend(&self, name: &Text, request: &RequestBinding) -> Result<Resend, Reported> {
        let Some(resend) = &request.resend else {
            return Err(self.report(name, "resend is missing: safe, verify or never"));
        };
        let command = name.get_ref().parse();
        match (resend.get_ref().as_str(), &request.verify) {
            ("safe", None) => Ok(Resend::Safe),
            ("never", None) => Ok(Resend::Never),
            ("verify", Some(query)) => match query.get_ref().parse::<RequestType>() {
                Ok(query_type) if !query_type.is_query() => {
                    Err(self.report(query, format!("{query_type} is not a query")))
                }
                Ok(query_type)
                    if !self.file.bindings.request.keys().any(|bound| bound.get_ref() == query.get_ref()) =>
                {
                    Err(self.report(query, format!("{query_type} is not bound")))
                }
                Ok(query_type) if !command.is_ok_and(|command| query_type.can_verify(command)) => {
                    Err(self.report(query, format!("{query_type} cannot tell what became of {}", name.get_ref())))
                }
                Ok(query_type) => Ok(Resend::Verify(query_type)),
                Err(_) => Err(self.report(query, format!("'{}' is not a request type", query.get_ref()))),
            },
            ("verify", None) => Err(self.report(resend, "verify is missing: the query that reads the state back")),
            ("safe" | "never", Some(query)) => Err(self.report(query, "verify is of no use unless resend is 'verify'")),
            (other, _) => Err(self.report(resend, format!("'{other}' is none of safe, verify, never"))),
        }
    }

    /// The address's path after the base path.
    fn service_path(&self, found: &WsdlOperation) -> Result<String, Reported> {
        let (base, address) = (self.base_path, &found.address);
        path_below(base, address).map(str::to_owned).ok_or_else(|| {
            let message = format!("the path of '{address}' does not begin with the bindings' base_path '{base}'");
            self.findings.report(&found.address_location, message)
        })
    }

    fn bind_input(
        &self,
        request_type: RequestType,
        name: &Text,
        request: &RequestBinding,
        message: &mut Message,
    ) -> Result<Vec<BoundField>, Reported> {
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
            let source = self.template(request_type, text)?;
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

    /// A text with values in it; one that is nothing but a parameter is that parameter.
    fn template(&self, request_type: RequestType, text: &Text) -> Result<ValueSource, Reported> {
        let template = Template::parse(text.get_ref(), &self.maps).map_err(|why| self.report(text, why))?;
        for name in template.parameters() {
            if !request_type.fields().any(|field| field.name == name) {
                let known: Vec<&str> = request_type.fields().map(|field| field.name).chain(CONTEXT).collect();
                return Err(self.report(text, format!("{request_type} has no '{name}' here, but {}", known.join(", "))));
            }
            if request_type.secret() == Some(name) && template.changes(name) {
                return Err(
                    self.report(text, format!("'{name}' is a secret, which could not be masked if it is changed"))
                );
            }
        }
        let names: Vec<&str> = template.names().collect();
        Ok(match names.as_slice() {
            [name] if text.get_ref() == &format!("{{{name}}}") && !CONTEXT.contains(name) => {
                ValueSource::Field((*name).to_owned())
            }
            _ => ValueSource::Template(Arc::new(template)),
        })
    }

    /// What can never be valid where it stands is a slip.
    fn check_fit(
        &self,
        request_type: RequestType,
        request: &RequestBinding,
        fields: &[BoundField],
    ) -> Result<(), Reported> {
        let mut outcome = Ok(());
        for field in fields {
            if let Some(why) = misfit(request_type, field) {
                let line =
                    request.fields.values().chain(request.values.keys()).find(|path| *path.get_ref() == field.path);
                outcome = Err(line.map_or(Reported, |line| self.report(line, why)));
            }
        }
        outcome
    }

    fn bind_output(
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

    /// What the paths of a request type want of its two messages.
    fn demands(&self, request: &RequestBinding, wsdl: &Text) -> Result<Demands, Reported> {
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
    let Bound { simple, mandatory, many, location } = bound;
    BoundField { source, path: path.get_ref().clone(), simple, mandatory, many, location }
}

fn fields_of(request_type: RequestType) -> Vec<Field> {
    request_type.fields().collect()
}

/// The path of an address after the base path, if it begins with that.
pub(super) fn path_below<'a>(base_path: &str, address: &'a str) -> Option<&'a str> {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = authority.find('/').and_then(|at| authority.get(at..)).unwrap_or_default();
    let below = path.split(['?', '#']).next()?.strip_prefix(base_path)?;
    (below.is_empty() || below.starts_with('/')).then_some(below)
}
