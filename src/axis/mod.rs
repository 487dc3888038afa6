//! The text that Apache Axis 1.4's own client prints for an answer (`AxisFault.dumpToString()`), byte for byte.
//!
//! CRM.COM stores that text as a request's error_description, so Axis's changes to a fault are reproduced too: Axis
//! records each entry of the detail, writes it out with prefixes of its own choice and reads it back (`recording`,
//! `print`), and prints an exception in place of a fault that it refuses (`message`). Left out are two details about
//! Axis's own process, stack trace and host name: they say nothing about the answer.
//!
//! Where the answer alone does not determine Axis's text, the gateway prints:
//! - for a fault without a code (Axis fails while printing): an empty code;
//! - for a Fault that is not the first entry of the Body, or that has attributes in a SOAP 1.2 envelope (Axis reads the
//!   fault as the result of the call): the fault as if Axis had recognized it;
//! - for a control character in the body of an HTTP error (Axis fails while printing): Axis's complaint in place of the
//!   detail, as in a fault string;
//! - for entries that exceed 64 MiB when written out: Java's message for the end of its memory.
//!
//! Not followed: SOAP encoding and typed entries beyond simple values (arrays, maps, DOM and attachment types, values
//! by reference to an earlier `id`, a 1.2 encodingStyle in the encoding's namespace), checks of simple values other
//! than the basic numbers and booleans, Axis's exception classes by exceptionName for a 1.2 fault without Code, names
//! that only XML 1.0's fifth edition allows, and processing instructions outside the root element, which the tree does
//! not hold.
//!
//! The measure is Debian's build of Axis 1.4 on Java 17 (`oracle/axis-dump`). That build escapes namespace URIs, which
//! the first release did not, and Java's own words in an exception (null pointers, casts) are those of that version.

mod dump;
mod entries;
mod envelope;
mod fault;
mod http_error;
mod message;
mod prefixes;
mod print;
mod recording;
mod values;

use crate::xml::Element;

pub use http_error::{http_error, is_http_error};

/// Namespace of SOAP 1.1's envelope.
const SOAP11_NS: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Namespace of SOAP 1.2's envelope.
const SOAP12_NS: &str = "http://www.w3.org/2003/05/soap-envelope";
/// Namespace of Axis's own fault codes and details.
const AXIS_NS: &str = "http://xml.apache.org/axis/";

/// Axis's reading of a fault or of an HTTP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisFault {
    /// The fault's code, `{namespace}local` or `local`; that of the message also where Axis prints its own exception.
    pub code: String,
    /// The fault's string, unescaped; that of the message also where Axis prints its own exception.
    pub string: String,
    /// `dumpToString()`, ending in a line feed.
    pub text: String,
}

/// The text that Axis prints for a SOAP 1.1 or 1.2 envelope; `None` if the body has no fault.
///
/// ```
/// use conax_gateway::axis;
/// use conax_gateway::xml::{Limits, parse};
///
/// let envelope = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>
///     <faultcode>not_logged_in</faultcode><faultstring>txt_not_logged_in</faultstring>
/// </s:Fault></s:Body></s:Envelope>"#;
/// let fault = axis::soap_fault(&parse(envelope, Limits::default())?).expect("it is a fault");
/// assert_eq!(fault.code, "not_logged_in");
/// assert!(fault.text.starts_with("AxisFault\n faultCode: not_logged_in\n faultSubcode: \n"));
/// # Ok::<(), conax_gateway::xml::XmlError>(())
/// ```
pub fn soap_fault(envelope: &Element) -> Option<AxisFault> {
    envelope::read_fault(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Limits, parse};

    fn read_fault(envelope: &str) -> Option<AxisFault> {
        soap_fault(&parse(envelope, Limits::default()).unwrap())
    }

    fn envelope(namespace: &str, body: &str) -> String {
        format!("<s:Envelope xmlns:s='{namespace}'><s:Body>{body}</s:Body></s:Envelope>")
    }

    #[test]
    fn finds_no_fault_where_there_is_none() {
        let fault = "<s:Fault><faultcode>c</faultcode></s:Fault>";
        assert_eq!(read_fault(&envelope("urn:other", fault)), None);
        assert_eq!(read_fault(&envelope(SOAP11_NS, "<Fault/><a><s:Fault/></a>")), None);
        let in_header = format!("<s:Envelope xmlns:s='{SOAP11_NS}'><s:Header>{fault}</s:Header><s:Body/></s:Envelope>");
        assert_eq!(read_fault(&in_header), None);
        assert_eq!(read_fault(&envelope(SOAP11_NS, &format!("<first/>{fault}"))).unwrap().code, "c");
    }

    #[test]
    fn keeps_the_code_and_string_where_axis_prints_its_own_exception() {
        let body = "<s:Fault><faultcode>s:Server</faultcode><faultstring>why</faultstring>\
                    <detail>\n<a>\n\u{1F600}</a></detail></s:Fault>";
        let fault = read_fault(&envelope(SOAP11_NS, body)).unwrap();
        assert_eq!((fault.code, fault.string), (format!("{{{SOAP11_NS}}}Server"), "why".to_owned()));
        assert_eq!(
            fault.text,
            format!(
                "AxisFault\n faultCode: {{{SOAP11_NS}}}Server.userException\n faultSubcode: \n faultString: \
                 org.xml.sax.SAXException: Fatal Error: URI=null Line=2: Character reference &quot;&amp;#xD83D&quot; is \
                 an invalid XML character.\n faultActor: \n faultNode: \n faultDetail: \n"
            )
        );
    }

    #[test]
    fn prints_a_missing_code_empty() {
        let text = read_fault(&envelope(SOAP11_NS, "<s:Fault/>")).unwrap().text;
        assert_eq!(
            text,
            "AxisFault\n faultCode: \n faultSubcode: \n faultString: \n faultActor: \n faultNode: \n faultDetail: \n"
        );
    }
}
