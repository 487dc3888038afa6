//! Values that Axis reads by type while it reads the fault (`SimpleDeserializer`, `QNameDeserializer`): which types it
//! knows, and what it says of a value that it cannot read.

use crate::xml::{Element, XSD_NS, XSI_NS};

/// Schema instance namespaces with the name of their nil attribute, as Axis tries them.
const INSTANCES: [(&str, &str); 3] = [
    (XSI_NS, "nil"),
    ("http://www.w3.org/2000/10/XMLSchema-instance", "null"),
    ("http://www.w3.org/1999/XMLSchema-instance", "null"),
];
const SCHEMAS: [&str; 3] = [XSD_NS, "http://www.w3.org/2000/10/XMLSchema", "http://www.w3.org/1999/XMLSchema"];
/// Namespaces of the two SOAP encodings.
const ENCODINGS: [&str; 2] =
    ["http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/2003/05/soap-encoding"];
/// What Axis calls a child of an element that holds a simple value.
pub(super) const CHILD: &str = "org.xml.sax.SAXException: SimpleDeserializer encountered a child element, which is \
                                NOT expected, in something it was trying to deserialize.";

/// Simple types that both XML Schema and the SOAP encodings have.
const SHARED: [&str; 11] =
    ["base64", "base64Binary", "boolean", "byte", "decimal", "double", "float", "int", "integer", "long", "short"];
/// Simple types of XML Schema alone, in the order of the specification; timeInstant is dateTime before 2001.
const SIMPLE: [&str; 31] = [
    "anySimpleType", "string", "duration", "dateTime", "timeInstant", "time", "date", "gYearMonth", "gYear",
    "gMonthDay", "gDay", "gMonth", "hexBinary", "anyURI", "QName", "normalizedString", "token", "language", "NMTOKEN",
    "NMTOKENS", "Name", "NCName", "ID", "IDREF", "IDREFS", "ENTITY", "ENTITIES", "nonPositiveInteger",
    "negativeInteger", "nonNegativeInteger", "positiveInteger",
];
