//! XML as the gateway uses it: a strict reader into a small tree, and a writer that cannot produce what the
//! reader would refuse. Every document from outside (WSDL, XSD, SOAP) passes through here.
//!
//! Rule: quick-xml's reader is lenient (a truncated document is a clean end of file to it), so all that
//! well-formedness asks for is checked in `builder`, `tag` and `namespaces`, and names are always a namespace and a local name.

mod blank;
mod builder;
mod chars;
mod indent;
mod namespaces;
mod read;
mod tag;
#[cfg(test)]
mod tests;
mod tree;
mod write;

pub use blank::{BLANK, fill_blanks, has_blanks, mask_blanks};
pub use chars::{find_forbidden, is_xml_space, trim_xml_space};
pub use indent::indented;
pub use read::{Limits, XmlError, parse};
pub use tree::{Attribute, Element, Name, Node};
pub use write::{InvalidChar, XmlWriter};

/// Namespace bound to the prefix `xml` (Namespaces in XML 1.0, section 3).
pub const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";
/// Namespace bound to the prefix `xmlns`, and to be declared by nobody (ibid.).
const XMLNS_NS: &str = "http://www.w3.org/2000/xmlns/";
/// XML Schema (`xs:schema` and the built-in types).
pub const XSD_NS: &str = "http://www.w3.org/2001/XMLSchema";
/// XML Schema instance (`xsi:nil`, `xsi:type`).
pub const XSI_NS: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The encoding of SOAP 1.1 (section 5).
pub const SOAP_ENC_NS: &str = "http://schemas.xmlsoap.org/soap/encoding/";
