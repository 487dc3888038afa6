//! Loads one `[request.TYPE]` of the bindings: finds the operation. `messages` binds the paths to the operation's messages.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::bindings::{BindingsFile, RequestBinding, Text};
use super::compile::Compiler;
use super::finding::{Findings, Location, Reported, all};
use super::operation::{Operation, Resend};
use super::pieces::Subject;
use super::port::Wanted;
use super::sample::Place;
use super::source::resolve;
use super::template::{Maps, Template};
use super::wsdl::WsdlOperation;
use crate::request::RequestType;

/// Loads the requests of the bindings.
pub(super) struct RequestLoader<'a, 's> {
    pub(super) file: &'a BindingsFile,
    pub(super) base_path: &'a str,
    pub(super) findings: &'a Findings,
    pub(super) maps: Maps,
    /// The secrets that requests need: names, and the first place in the bindings.
    pub(super) secrets: RefCell<BTreeMap<String, Location>>,
    /// The templates with secrets, and their places.
    pub(super) secret_places: RefCell<Vec<(Template, Place)>>,
    /// Compilers by WSDL, without unusable WSDLs.
    pub(super) compilers: BTreeMap<&'a str, Compiler<'a, 's>>,
}

impl<'a> RequestLoader<'a, '_> {
    pub(super) fn report(&self, at: &Text, message: impl Into<String>) -> Reported {
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
        request: &'a RequestBinding,
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
        let headers = self.headers(request_type, request);
        let input_fields = self.bind_input(request_type, name, request, &mut found.input);
        let batch = input_fields.as_ref().map(|fields| self.batch(request_type, request, &found.input, fields));
        let answer = self.bind_output(request_type, name, request, found.output.as_mut());
        let subject = Subject { request_type, wsdl: wsdl.get_ref() };
        let checked_headers =
            headers.as_ref().map(|headers| self.check_headers(subject, headers, &found.declared_headers));
        let checked_places = input_fields.as_ref().map(|fields| self.check_open_places(subject, request, fields));
        let (output_fields, verdicts) = answer?;
        checked_headers.map_err(|reported| *reported)??;
        checked_places.map_err(|reported| *reported)??;
        let operation = Operation {
            request_type,
            wsdl: resolve("", wsdl.get_ref()).map_err(|_| Reported)?,
            name: operation.get_ref().clone(),
            path: path?,
            soap: found.soap,
            action: found.action,
            headers: headers?.into_iter().map(|(_, piece)| piece).collect(),
            declared_headers: found.declared_headers,
            input: found.input,
            omits: request.omits.iter().map(|omitted| omitted.get_ref().clone()).collect(),
            output: found.output,
            verdicts,
            port: found.port,
            other_ports: found.other_ports,
            resend: resend?,
            batch: batch.unwrap_or(Ok(None))?,
            coalesces: request.coalesce.as_ref().is_some_and(|coalesce| *coalesce.get_ref()),
            input_fields: input_fields?,
            output_fields,
        };
        self.check_coalesce(request, &operation)?;
        Ok(operation)
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
}

/// The path of an address below the base path.
pub(super) fn path_below<'a>(base_path: &str, address: &'a str) -> Option<&'a str> {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = authority.find('/').and_then(|at| authority.get(at..)).unwrap_or_default();
    let below = path.split(['?', '#']).next()?.strip_prefix(base_path)?;
    (below.is_empty() || below.starts_with('/')).then_some(below)
}
