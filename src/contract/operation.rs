//! What the rest of the gateway knows of an operation: where it is, its two messages, and what a doubt about its
//! outcome allows.

use std::sync::Arc;

use super::finding::Location;
use super::piece::Piece;
use super::plan::{Message, ValueSource};
use super::simple::SimpleType;
use super::template::{SESSION, Template};
use super::verdict::Verdicts;
use crate::request::RequestType;
use crate::xml::Name;

/// The operation that a request type is bound to.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The request type.
    pub request_type: RequestType,
    /// The WSDL's file, relative to the contract's folder.
    pub wsdl: String,
    /// Its name in the WSDL.
    pub name: String,
    /// The path of its service, after the contract's base path: `/caclient/pairing`.
    pub path: String,
    /// Version of SOAP.
    pub soap: SoapVersion,
    /// Value of the SOAPAction header; empty in most services.
    pub action: String,
    /// What stands in the header of the envelope.
    pub headers: Vec<Arc<Piece>>,
    /// The elements that the WSDL has there.
    pub declared_headers: Vec<Name>,
    /// The request.
    pub input: Message,
    /// Parameters that it is not told.
    pub omits: Vec<String>,
    /// The answer; `None` if nothing comes back.
    pub output: Option<Message>,
    /// What an answer says became of the request.
    pub verdicts: Verdicts,
    /// The port that offers it.
    pub port: String,
    /// Ports that offer it too, and are not used.
    pub other_ports: Vec<String>,
    /// What may be done when its outcome is not known.
    pub resend: Resend,
    /// What the bindings put where, in the request.
    pub input_fields: Vec<BoundField>,
    /// What the bindings find where, in the answer.
    pub output_fields: Vec<BoundField>,
}

impl Operation {
    /// The texts with values in them that its request has.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let of_fields = self.input_fields.iter().flat_map(|field| field.source.templates());
        of_fields.chain(self.headers.iter().flat_map(|piece| piece.templates()))
    }

    /// Does a login have to come before it?
    pub fn needs_session(&self) -> bool {
        self.templates().any(|template| template.names().any(|name| name == SESSION))
    }

    /// Does nothing come back, or an answer that can hold nothing?
    pub fn is_answer_void(&self) -> bool {
        self.output.as_ref().is_none_or(Message::is_void)
    }
}

/// Version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoapVersion {
    /// SOAP 1.1: `text/xml`, and the action in a header of its own.
    V11,
    /// SOAP 1.2: `application/soap+xml`, and the action in its parameter `action`.
    V12,
}

impl SoapVersion {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::V11, Self::V12];

    /// The namespace of its envelope.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The Content-Type of its messages, as the gateway writes them (RFC 3902 for 1.2).
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml; charset=utf-8",
            Self::V12 => "application/soap+xml; charset=utf-8",
        }
    }

    /// The version that a client speaks, by the Content-Type of its request; in a multipart one it is a parameter.
    pub fn of_content_type(value: &str) -> Self {
        if value.to_ascii_lowercase().contains("application/soap+xml") { Self::V12 } else { Self::V11 }
    }
}

/// What may be done with a request whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Send it again, byte for byte.
    Safe,
    /// Read the state back first, with this query.
    Verify(RequestType),
    /// Nothing, until an operator decides.
    Never,
}

impl BoundField {
    /// The local name of its element or attribute; empty for the root.
    pub fn element(&self) -> &str {
        super::path::steps(&self.path).last().map_or("", |step| step.local)
    }
}

/// A line of the bindings, resolved.
#[derive(Clone, Debug)]
pub struct BoundField {
    /// What stands there.
    pub source: ValueSource,
    /// The path, as the bindings write it.
    pub path: String,
    /// Its type; `None` for a literal piece of XML.
    pub simple: Option<Arc<SimpleType>>,
    /// Must it be there, as the schema sees it?
    pub mandatory: bool,
    /// May it have several values?
    pub many: bool,
    /// Must a piece of XML there be of an element that a schema declares?
    pub(super) must_be_declared: bool,
    /// Where the schema declares it.
    pub location: Location,
}
