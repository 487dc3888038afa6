//! Values that Axis reads by type while reading the fault (`SimpleDeserializer`, `DefaultTypeMappingImpl`): the types
//! that Axis knows, and its messages for values that it cannot read.

use super::message::Message;
use super::prefixes::Preferred;
use crate::xml::{Element, Name, Node, XSD_NS, XSI_NS, trim_xml_space};

/// XML Schema's instance namespaces with their name for nil, in the order of Axis's search.
const INSTANCES: [(&str, &str); 3] = [
    (XSI_NS, "nil"),
    ("http://www.w3.org/2000/10/XMLSchema-instance", "null"),
    ("http://www.w3.org/1999/XMLSchema-instance", "null"),
];
/// Namespaces of the SOAP 1.1 and SOAP 1.2 encodings.
pub(super) const ENCODINGS: [&str; 2] =
    ["http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/2003/05/soap-encoding"];
/// Axis's message for a child element inside a simple value.
pub(super) const CHILD: &str = "org.xml.sax.SAXException: SimpleDeserializer encountered a child element, which is \
                                NOT expected, in something it was trying to deserialize.";

/// Axis's way to read an entry of a known type.
pub(super) enum Deserializer {
    /// Axis reads a simple value of this type.
    Simple(Name),
    /// Axis knows the class but has no reader for it, and waits for ever.
    Missing,
}

/// The way Axis reads an entry by its type; `None` if Axis only records the entry.
pub(super) fn deserializer<'e>(message: &Message<'e>, entry: &'e Element) -> Option<Deserializer> {
    let [encoding11, encoding12] = ENCODINGS;
    let name = match INSTANCES.iter().find_map(|(namespace, _)| entry.attribute(namespace, "type")) {
        Some(written) => message.type_name(written),
        // An element in an encoding's namespace has the type of its name; in SOAP 1.1's, only some elements.
        None if &*entry.name.namespace == encoding12 => entry.name.clone(),
        None if &*entry.name.namespace == encoding11
            && !["base64", "base64Binary", "decimal", "integer"].contains(&&*entry.name.local) =>
        {
            entry.name.clone()
        }
        None => return None,
    };
    let is_known = match &*name.namespace {
        // Axis knows both encodings in a SOAP 1.1 message, and neither in a SOAP 1.2 message.
        namespace if ENCODINGS.contains(&namespace) => !message.is_soap12() && is_encoding_type(&name.local),
        namespace if Preferred::schema_of(namespace) == Some(namespace) => {
            if &*name.local == "anyType" {
                return Some(Deserializer::Missing);
            }
            is_schema_type(&name.local) || &*name.local == if namespace == XSD_NS { "dateTime" } else { "timeInstant" }
        }
        _ => false,
    };
    is_known.then_some(Deserializer::Simple(name))
}

/// Does Axis read this simple type of the SOAP encodings?
fn is_encoding_type(local: &str) -> bool {
    let names = "base64 base64Binary boolean byte decimal double float int integer long short string";
    names.split(' ').any(|name| name == local)
}

/// Does Axis read this simple type of XML Schema? dateTime is not listed, since its name depends on the schema.
fn is_schema_type(local: &str) -> bool {
    let names = "ENTITIES ENTITY ID IDREF IDREFS NCName NMTOKEN NMTOKENS Name QName anySimpleType anyURI base64Binary \
                 boolean byte date decimal double duration float gDay gMonth gMonthDay gYear gYearMonth hexBinary int \
                 integer language long negativeInteger nonNegativeInteger nonPositiveInteger normalizedString \
                 positiveInteger short string time token unsignedByte unsignedInt unsignedLong unsignedShort";
    names.split(' ').any(|name| name == local)
}

/// Does Axis read the element as nil?
pub(super) fn is_nil(element: &Element) -> bool {
    let nil = INSTANCES.iter().find_map(|(namespace, name)| element.attribute(namespace, name));
    nil.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("yes"))
}

/// Have the nodes text other than Java's white space?
pub(super) fn has_text(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Text(text) | Node::CData(text) => !text.chars().all(is_java_space),
        Node::Element(_) | Node::Comment(_) | Node::Instruction(..) => false,
    })
}

/// `Character.isWhitespace`, which leaves out the non-breaking spaces.
fn is_java_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{1680}' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200A}' | '\u{2028}'
        | '\u{2029}' | '\u{205F}' | '\u{3000}')
}

/// Axis's message for a value that is not of its type; checked are the basic numbers and booleans only.
pub(super) fn complaint(local: &str, text: &str) -> Option<String> {
    let text = trim_xml_space(text);
    let is_read = text.is_empty()
        || match local {
            "boolean" if text.starts_with(['0', '1', 'f', 'F', 't', 'T']) => true,
            "boolean" => return Some("java.lang.NumberFormatException: Invalid boolean".to_owned()),
            "byte" | "short" => match text.parse::<i32>() {
                Ok(value) if local == "byte" && i8::try_from(value).is_ok() => true,
                Ok(value) if local == "short" && i16::try_from(value).is_ok() => true,
                Ok(_) => {
                    let range = format!("Value out of range. Value:\"{text}\" Radix:10");
                    return Some(format!("java.lang.NumberFormatException: {range}"));
                }
                Err(_) => false,
            },
            "int" => text.parse::<i32>().is_ok(),
            "long" => text.parse::<i64>().is_ok(),
            "float" | "double" => is_java_float(text),
            _ => true,
        };
    (!is_read).then(|| format!("java.lang.NumberFormatException: For input string: \"{text}\""))
}

/// Is the text a floating point number in Java's syntax, or INF of XML Schema?
fn is_java_float(text: &str) -> bool {
    if ["INF", "-INF"].contains(&text) {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "NaN" || unsigned == "Infinity" {
        return true;
    }
    let number = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.') && number.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_of_values_as_java_does() {
        for good in
            [("int", " -5 "), ("int", ""), ("float", "1e5f"), ("double", "-INF"), ("boolean", "Falsch"), ("date", "x")]
        {
            assert_eq!(complaint(good.0, good.1), None, "{good:?}");
        }
        for (local, text, message) in [
            ("int", "2147483648", "For input string: \"2147483648\""),
            ("byte", "128", "Value out of range. Value:\"128\" Radix:10"),
            ("short", "x", "For input string: \"x\""),
            ("boolean", "yes", "Invalid boolean"),
            ("float", "infinity", "For input string: \"infinity\""),
        ] {
            assert_eq!(complaint(local, text), Some(format!("java.lang.NumberFormatException: {message}")));
        }
    }
}
