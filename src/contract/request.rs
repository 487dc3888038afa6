//! Loads one `[request.TYPE]` of the bindings: finds its operation, and binds each path to the operation's messages.

use std::collections::BTreeMap;

use super::bind::{Bound, bind};
use super::bindings::{BindingsFile, RequestBinding, Text};
use super::compile::Compiler;
use super::cover::{finalize, uncovered};
use super::finding::{Findings, Reported, all};
use super::operation::{BoundField, Operation, Resend};
use super::plan::{Message, ValueSource};
use super::source::resolve;
use super::wsdl::WsdlOperation;
use crate::request::{Field, RequestType};

/// What the loading of requests works with.
pub(super) struct RequestLoader<'a, 's> {
    pub(super) file: &'a BindingsFile,
    pub(super) base_path: &'a str,
    pub(super) findings: &'a Findings,
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
        let compiler = self.compilers.get_mut(wsdl.get_ref().as_str()).ok_or(Reported)?;
        let mut found = compiler.operation(operation.get_ref(), wsdl.get_ref(), &location)?;
        let path = self.service_path(&found);
        let input_fields = self.bind_input(request_type, name, request, &mut found.input);
        let output_fields = self.bind_output(request_type, request, &mut found.output);
        Ok(Operation {
            request_type,
            wsdl: resolve("", wsdl.get_ref()).map_err(|_| Reported)?,
            name: operation.get_ref().clone(),
            path: path?,
            soap: found.soap,
            action: found.action,
            input: found.input,
            output: found.output,
            resend: resend?,
            input_fields: input_fields?,
            output_fields: output_fields?,
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
        let mandatory = request_type.fields().filter(|field| field.mandatory);
        let bound = all(mandatory.map(|field| {
            let is_bound = request.fields.keys().any(|bound| bound.get_ref() == field.name);
            let missing = || self.report(name, format!("mandatory parameter '{}' is not bound", field.name));
            is_bound.then_some(()).ok_or_else(missing)
        }));
        let mut fields = fields?;
        fields.extend(constants?);
        bound?;
        finalize(message);
        all(uncovered(message).into_iter().map(|(location, uncovered)| -> Result<(), Reported> {
            let message = format!("{uncovered} is covered by no field or constant of {request_type}");
            Err(self.findings.report(&location, message))
        }))?;
        Ok(fields)
    }

    fn bind_output(
        &self,
        request_type: RequestType,
        request: &RequestBinding,
        message: &mut Message,
    ) -> Result<Vec<BoundField>, Reported> {
        let answer = &self.file.bindings.answer;
        let subject = format!("the status of {request_type}");
        let status = self.bind(&answer.status, &subject, ValueSource::Status, message);
        let mut fields = Vec::new();
        for (path, source) in [(&answer.reference, ValueSource::Reference), (&answer.message, ValueSource::Message)] {
            if let Some(path) = path {
                let bound = bind(message, path.get_ref(), &source);
                fields.extend(bound.ok().map(|bound| bound_field(bound, path, source)));
            }
        }
        let results = self.bind_named(&request.results, request_type, request_type.results(), message)?;
        fields.insert(0, status?);
        fields.extend(results);
        finalize(message);
        Ok(fields)
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
            Err(why) => Err(self.report(path, format!("{subject}: {why}"))),
        }
    }
}

fn bound_field(bound: Bound, path: &Text, source: ValueSource) -> BoundField {
    let Bound { type_description, mandatory, many, location } = bound;
    BoundField { source, path: path.get_ref().clone(), type_description, mandatory, many, location }
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
