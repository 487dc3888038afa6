//! The loaded contract: its operations, and its files for clients that ask for `?wsdl`.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Documents;
use super::finding::{Finding, Location};
use super::load::load;
use super::operation::Operation;
use super::sample::Place;
use super::serve::{Links, rewrite};
use super::source::ContractSource;
use super::template::{Maps, Template};
use crate::request::RequestType;
use crate::xml::{Name, fill_blanks, find_forbidden};

/// A SOAP contract: WSDLs, schemas and bindings, compiled.
pub struct Contract {
    pub(super) base_path: String,
    pub(super) operations: BTreeMap<RequestType, Operation>,
    pub(super) maps: Maps,
    pub(super) secrets: BTreeMap<String, Location>,
    pub(super) secret_places: Vec<(Template, Place)>,
    pub(super) documents: Documents,
}

/// A service and the WSDL that describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service<'c> {
    /// The WSDL's file, relative to the contract's folder.
    pub wsdl: &'c str,
    /// The service's path, after the base path.
    pub path: &'c str,
}

impl Contract {
    /// Loads a contract.
    ///
    /// # Errors
    /// Every fault of the contract, by file and line.
    pub fn load(source: &ContractSource) -> Result<Self, Vec<Finding>> {
        load(source)
    }

    /// The operation of a request type; an operator may leave a type out.
    pub fn operation(&self, request_type: RequestType) -> Option<&Operation> {
        self.operations.get(&request_type)
    }

    /// Every operation, in the order of [`RequestType::all`].
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// The operation of a request, by the service's path (after the base path) and the body's child.
    pub fn find_operation(&self, service_path: &str, root: &Name) -> Option<&Operation> {
        self.operations().find(|operation| operation.path == service_path && operation.input.root.name == *root)
    }

    /// The beginning of every service's path, without a slash at the end: `/ca-server/webservices`.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// The codes of statuses and faults that the bindings name.
    pub fn answer_codes(&self) -> impl Iterator<Item = &str> {
        self.operations().flat_map(|operation| operation.verdicts.codes())
    }

    /// The secrets that requests need: names, and the first place in the bindings.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &Location)> {
        self.secrets.iter().map(|(name, location)| (name.as_str(), location))
    }

    /// The places where secrets of these values never fit: by file and line, with the secret's name and never its value.
    pub fn secret_misfits<'v>(&self, secret: impl Fn(&str) -> Option<&'v str>) -> Vec<Finding> {
        let misfits = self.secret_places.iter().filter_map(|(template, place)| {
            let message = place.secret_misfit(template, &secret)?;
            Some(Finding { location: place.location.clone(), message })
        });
        misfits.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Fills the blanks of an envelope, which is then sent.
    ///
    /// # Errors
    /// The blank that cannot be filled, with the reason.
    pub fn fill<'v>(&self, envelope: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, String> {
        fill_blanks(envelope, |expression| {
            let template = Template::of_blank(expression, &self.maps)?;
            if let Some(missing) = template.names().find(|name| value(name).is_none()) {
                return Err(format!("there is no '{missing}'"));
            }
            let text = template.render(&value).map_err(|(name, must)| format!("'{name}' {must}"))?;
            let text = text.unwrap_or_default();
            match find_forbidden(&text) {
                Some((_, bad)) => {
                    Err(format!("a value has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad)))
                }
                None => Ok(text),
            }
        })
    }

    /// The services in use, each once.
    pub fn services(&self) -> Vec<Service<'_>> {
        let mut services: Vec<_> = self.operations().map(|o| Service { wsdl: &o.wsdl, path: &o.path }).collect();
        services.sort_unstable();
        services.dedup();
        services
    }

    /// The file that a GET of `path?query` asks for, with links that lead to `origin` (`http://host:port`).
    pub fn served(&self, path: &str, query: &str, origin: &str) -> Option<String> {
        let service_path = path.strip_prefix(self.base_path())?.trim_end_matches('/');
        let service = self.services().into_iter().find(|service| service.path == service_path)?;
        let name = match query.split_once('=').unwrap_or((query, "")) {
            (key, _) if key.eq_ignore_ascii_case("wsdl") => service.wsdl,
            ("xsd", name) => name,
            _ => return None,
        };
        self.document(name, &format!("{origin}{}", self.base_path), service_path)
    }

    /// A WSDL or schema as text, for a client that asked the service at `service_path` for `?wsdl` or `?xsd=NAME`.
    ///
    /// Addresses of services become addresses below `base_url` (which stands for the base path), and references to
    /// other files become `…?xsd=NAME` of the same service; all other text is as in the file. `None` if no operation
    /// uses a file of that name.
    pub fn document(&self, name: &str, base_url: &str, service_path: &str) -> Option<String> {
        let document = self.documents.document(name).ok()?;
        Some(rewrite(
            document,
            &Links { documents: &self.documents, base_path: &self.base_path, base_url, service_path },
        ))
    }
}
