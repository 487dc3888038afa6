//! The pieces of XML of one `[request.TYPE]`: headers, and what stands in open places. Each is read, and checked against the
//! element that the WSDL declares: name, namespace, content, and whether values can ever fit where they stand.
//!
//! A piece of an element that no schema declares (WS-Security, WS-Addressing) is not checked, and neither is a piece that
//! names types of its own (`xsi:type`).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::bindings::{RequestBinding, Text};
use super::finding::{Reported, all};
use super::operation::{BoundField, SoapVersion};
use super::piece::Piece;
use super::plan::{ElementPlan, Occurs, ValueSource};
use super::request::RequestLoader;
use super::sample::Place;
use super::template::{SESSION, Template};
use super::types::any_simple_type;
use super::validate::{self, BlankValue};
use crate::request::RequestType;
use crate::xml::{Element, Name, XSI_NS};

/// A request type, and the WSDL that its operation is in.
#[derive(Clone, Copy)]
pub(super) struct Subject<'s> {
    pub(super) request_type: RequestType,
    pub(super) wsdl: &'s str,
}

/// A piece, and where the bindings write it.
pub(super) type WrittenPiece<'b> = (&'b Text, Arc<Piece>);

impl<'a> RequestLoader<'a, '_> {
    /// Reads a piece of XML with values in it.
    pub(super) fn piece(&self, request_type: RequestType, text: &Text) -> Result<Arc<Piece>, Reported> {
        let piece = Piece::parse(text.get_ref(), &self.maps).map_err(|why| self.report(text, why))?;
        for template in piece.templates() {
            self.check_names(request_type, text, template)?;
        }
        Ok(Arc::new(piece))
    }

    /// The headers of requests of a type: its own in place of those that all have.
    pub(super) fn headers(
        &self,
        request_type: RequestType,
        request: &'a RequestBinding,
    ) -> Result<Vec<WrittenPiece<'a>>, Reported> {
        // A login has no session yet.
        let has_session = |text: &&Text| text.get_ref().contains(&format!("{{{SESSION}"));
        let shared = self.file.bindings.headers.iter();
        let shared = shared.filter(|(_, text)| request_type != RequestType::LOGIN || !has_session(text));
        let mut written: BTreeMap<&String, &Text> = shared.collect();
        written.extend(&request.headers);
        let written = written.into_values().filter(|text| !text.get_ref().is_empty());
        all(written.map(|text| Ok((text, self.piece(request_type, text)?))))
    }

    /// Checks the headers of a request; `declared` are those of the WSDL.
    pub(super) fn check_headers(
        &mut self,
        subject: Subject<'_>,
        headers: &[WrittenPiece<'_>],
        declared: &[Name],
    ) -> Result<(), Reported> {
        let is_written = |name: &Name| headers.iter().any(|(_, piece)| piece.name() == name);
        all(headers.iter().map(|(text, piece)| {
            if self.check_piece(subject, text, piece)? {
                return Ok(());
            }
            let name = piece.name();
            let alike = declared.iter().find(|declared| declared.local == name.local && !is_written(declared));
            match alike {
                Some(alike) => {
                    Err(self.report(text, format!("header '{name}' is not declared: the WSDL has '{alike}'")))
                }
                None => self.check_declared(subject, text, name, "header"),
            }
        }))
        .map(|_| ())
    }

    /// Checks the pieces that stand in open places of a request.
    pub(super) fn check_open_places(
        &mut self,
        subject: Subject<'_>,
        request: &RequestBinding,
        fields: &[BoundField],
    ) -> Result<(), Reported> {
        let written = |path: &str| {
            let mut lines = request.constants.iter().chain(&request.values);
            lines.find(|(key, _)| key.get_ref() == path).map(|(key, _)| key)
        };
        all(fields.iter().map(|field| {
            let piece = match &field.source {
                ValueSource::Piece(piece) => Arc::clone(piece),
                ValueSource::Constant(text) if field.simple.is_none() => {
                    Arc::new(Piece::constant(text).map_err(|_| Reported)?)
                }
                _ => return Ok(()),
            };
            let Some(text) = written(&field.path) else { return Ok(()) };
            match self.check_piece(subject, text, &piece)? {
                false if field.must_be_declared => self.check_declared(subject, text, piece.name(), "element"),
                _ => Ok(()),
            }
        }))
        .map(|_| ())
    }

    /// An element that is not declared is a slip in a namespace of which the schemas declare others.
    fn check_declared(&self, subject: Subject<'_>, text: &Text, name: &Name, kind: &str) -> Result<(), Reported> {
        let symbols = self.compilers.get(subject.wsdl).ok_or(Reported)?.symbols;
        let known = symbols.elements_in(&name.namespace);
        match known.is_empty() {
            true => Ok(()),
            false => Err(self.report(text, format!("{kind} '{name}' is not declared, but {}", known.join(", ")))),
        }
    }

    /// Checks a piece against the element that the WSDL declares; false if there is none.
    fn check_piece(&mut self, subject: Subject<'_>, text: &Text, piece: &Piece) -> Result<bool, Reported> {
        let compiler = self.compilers.get_mut(subject.wsdl).ok_or(Reported)?;
        let node = compiler.symbols.find_element(piece.name());
        let is_declared = node.is_some();
        let plan = node.and_then(|node| {
            let compiled = compiler.attempt(|compiler| {
                compiler.is_encoded = false;
                compiler.start_message(&Rc::default());
                compiler.global_element(piece.name(), Occurs::ONCE, &node)
            });
            compiled.ok()
        });
        let whole = piece.outline(|_| true).filter(|whole| !has_own_types(whole));
        let Some((plan, whole)) = plan.zip(whole) else {
            // Secrets can still have characters that no XML carries.
            all(piece.templates().map(|template| {
                let blank = BlankValue {
                    text: String::new(),
                    local: piece.name().local.to_string(),
                    simple: any_simple_type(),
                };
                self.try_blank(subject.request_type, text, &blank, template)
            }))?;
            return Ok(is_declared);
        };
        let (violations, blanks) = violations(&plan, whole);
        let is_mandatory =
            |name: &str| subject.request_type.fields().any(|field| field.name == name && field.mandatory);
        let is_certain = |template: &Template| !template.needs_parameter() || template.parameters().all(is_mandatory);
        let least = piece.outline(is_certain).map(|least| self::violations(&plan, least).0).unwrap_or_default();
        let only_least = least.iter().filter(|_| violations.is_empty());
        let only_least = only_least.map(|violation| format!("where a parameter has no value: {violation}"));
        let found: Vec<String> = violations.iter().cloned().chain(only_least).collect();
        let valid =
            all(found.into_iter().map(|violation| -> Result<(), Reported> { Err(self.report(text, violation)) }));
        let fit = all(blanks.iter().filter_map(|blank| {
            let template = piece.template_of(&blank.text)?;
            Some(self.try_blank(subject.request_type, text, blank, template))
        }));
        valid.and(fit).map(|_| true)
    }

    fn try_blank(
        &self,
        request_type: RequestType,
        text: &Text,
        blank: &BlankValue,
        template: &Template,
    ) -> Result<(), Reported> {
        let (local, simple) = (blank.local.clone(), Arc::clone(&blank.simple));
        let place = Place { request_type, local, simple, location: self.file.location(text) };
        self.try_place(place, &ValueSource::Template(Arc::new(template.clone())))
    }
}

/// The differences of a piece from its element's declaration, and the values that are not known yet.
fn violations(plan: &ElementPlan, mut piece: Element) -> (Vec<String>, Vec<BlankValue>) {
    // SOAP puts attributes of its own on a header (`mustUnderstand`), whatever the schema says.
    let is_of_soap = |name: &Name| SoapVersion::ALL.iter().any(|soap| *soap.namespace() == *name.namespace);
    piece.attributes.retain(|attribute| !is_of_soap(&attribute.name));
    let (violations, blanks) = validate::element(plan, &piece);
    let sentences = violations.into_iter().map(|violation| format!("{} {}", violation.path, violation.message));
    (sentences.collect(), blanks)
}

fn has_own_types(element: &Element) -> bool {
    element.attribute(XSI_NS, "type").is_some() || element.elements().any(has_own_types)
}
