//! An operation as the rest of the gateway sees it: its address, its two messages, and its resend rule.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::finding::Location;
use super::piece::Piece;
use super::plan::{Message, ValueSource};
use super::simple::SimpleType;
use super::template::{SESSION, Template};
use super::verdict::Verdicts;
use crate::request::{CONTEXT, RequestType};
use crate::xml::Name;

/// The operation that a request type is bound to.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The request type.
    pub request_type: RequestType,
    /// The WSDL's file, relative to the contract's folder.
    pub wsdl: String,
    /// The operation's name in the WSDL.
    pub name: String,
    /// The service's path, after the contract's base path: `/caclient/pairing`.
    pub path: String,
    /// Version of SOAP.
    pub soap: SoapVersion,
    /// Value of the SOAPAction header; empty in most services.
    pub action: String,
    /// The headers of the envelope.
    pub headers: Vec<Arc<Piece>>,
    /// The elements that the WSDL declares as headers.
    pub declared_headers: Vec<Name>,
    /// The request.
    pub input: Message,
    /// Parameters that the operation does not take.
    pub omits: Vec<String>,
    /// The answer; `None` if nothing comes back.
    pub output: Option<Message>,
    /// The meanings of answers.
    pub verdicts: Verdicts,
    /// The port that offers the operation.
    pub port: String,
    /// Other ports that offer the operation, and are not used.
    pub other_ports: Vec<String>,
    /// Cards that one call takes, at most; a larger set is split.
    pub batch: Option<NonZeroUsize>,
    /// May requests of the same content be sent in one call, of `batch` cards at most?
    pub coalesces: bool,
    /// The resend rule for a request in doubt.
    pub resend: Resend,
    /// The bound places of the request.
    pub input_fields: Vec<BoundField>,
    /// The bound places of the answer.
    pub output_fields: Vec<BoundField>,
}

impl Operation {
    /// The templates of the request and its headers.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let of_fields = self.input_fields.iter().flat_map(|field| field.source.templates());
        of_fields.chain(self.headers.iter().flat_map(|piece| piece.templates()))
    }

    /// Does a login have to come before the operation?
    pub fn needs_session(&self) -> bool {
        self.templates().any(|template| template.names().any(|name| name == SESSION))
    }

    /// Does a value need one of [`CONTEXT`]?
    pub fn needs_context(&self) -> bool {
        self.templates().any(|template| template.names().any(|name| CONTEXT.contains(&name)))
    }

    /// Is there no answer, or an answer that can hold nothing?
    pub fn is_answer_void(&self) -> bool {
        self.output.as_ref().is_none_or(Message::is_void)
    }
}

/// Version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoapVersion {
    /// SOAP 1.1: `text/xml`, and the action in the header SOAPAction.
    V11,
    /// SOAP 1.2: `application/soap+xml`, and the action in the media type's parameter `action`.
    V12,
}

impl SoapVersion {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::V11, Self::V12];

    /// The namespace of the envelope.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The Content-Type of messages that the gateway writes (RFC 3902 for 1.2).
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml; charset=utf-8",
            Self::V12 => "application/soap+xml; charset=utf-8",
        }
    }

    /// The version that a client speaks, by the request's Content-Type, a multipart type's parameter included.
    pub fn of_content_type(value: &str) -> Self {
        if value.to_ascii_lowercase().contains("application/soap+xml") { Self::V12 } else { Self::V11 }
    }
}

/// The resend rule: what the gateway may do with a request in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Send the request again, byte for byte.
    Safe,
    /// Verify first, with this query.
    Verify(RequestType),
    /// Nothing until an operator decides.
    Never,
}

impl BoundField {
    /// The local name of the bound element or attribute; empty for the root.
    pub fn element(&self) -> &str {
        super::path::steps(&self.path).last().map_or("", |step| step.local)
    }
}

/// A line of the bindings, resolved.
#[derive(Clone, Debug)]
pub struct BoundField {
    /// The source of the value.
    pub source: ValueSource,
    /// The path, as the bindings write it.
    pub path: String,
    /// The type of the value; `None` for a piece of XML.
    pub simple: Option<Arc<SimpleType>>,
    /// Does the schema require the value?
    pub mandatory: bool,
    /// May several values stand there?
    pub many: bool,
    /// Must a piece of XML there be of an element that a schema declares?
    pub(super) must_be_declared: bool,
    /// The schema's declaration.
    pub location: Location,
}
