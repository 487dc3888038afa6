//! The text that Apache Axis 1.4's own client prints for an answer (`AxisFault.dumpToString()`), byte for byte.
//!
//! CRM.COM stores that text as a request's error_description, so what Axis does to a fault on the way is kept too: it
//! records each entry of the detail, writes it out with its own choice of prefixes and reads it back ([`recording`],
//! [`print`]), and where it refuses a message it prints its own exception in place of the fault ([`message`]). Left out
//! are the two details of Axis's own process, its stack trace and its host name: they say nothing about the answer.
//!
//! Where Axis prints nothing that the answer alone decides, this is what we do:
//! - a fault without a code (Axis fails on it while printing): the code is printed empty;
//! - a Fault that is not the first entry of the Body, or in a SOAP 1.2 envelope that has attributes (Axis takes it for
//!   the result of the call): printed as if Axis had seen it;
//! - a control character in the body of an HTTP error (Axis fails while printing): the complaint takes the detail's
//!   place, as Axis does it in the fault string.
//!
//! Not followed: values by reference to an earlier `id` (read as absent, as Axis does with a later one), the value
//! checks of `xsi:type` beyond the basic numbers and booleans, names that only XML 1.0's fifth edition allows, and
//! processing instructions outside the root element, which the tree does not hold.

mod dump;
mod entries;
mod envelope;
mod fault;
mod message;
mod prefixes;
mod print;
mod recording;
mod values;

use crate::xml::Element;

use dump::Dump;

/// Namespace of SOAP 1.1's envelope.
const SOAP11_NS: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Namespace of SOAP 1.2's envelope.
const SOAP12_NS: &str = "http://www.w3.org/2003/05/soap-envelope";
/// Namespace of Axis's own fault codes and details.
const AXIS_NS: &str = "http://xml.apache.org/axis/";

/// What Axis makes of a fault or of an HTTP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisFault {
    /// The fault's code, `{namespace}local` or `local`; that of the message also where Axis prints its own exception.
    pub code: String,
    /// The fault's string, unescaped; that of the message also where Axis prints its own exception.
    pub string: String,
    /// `dumpToString()`, ending in a line feed.
    pub text: String,
}

/// What Axis prints for a SOAP 1.1 or 1.2 envelope; `None` when its body holds no fault.
pub fn soap_fault(envelope: &Element) -> Option<AxisFault> {
    envelope::read(envelope)
}

/// Does Axis report this answer as an HTTP error, without reading the body as SOAP? (`HTTPSender.readFromSocket`)
///
/// Its rule for a SOAP 1.1 call: anything but 2xx, and but 5xx with a content type other than text/html. Axis follows
/// 302 and 307 with a Location; we do not, and report them like the rest.
pub fn is_http_error(status: u16, content_type: Option<&str>) -> bool {
    match status {
        200..=299 => false,
        500..=599 => content_type.is_none_or(|value| value.trim().starts_with("text/html")),
        _ => true,
    }
}

/// What Axis prints for an HTTP status that it reports without reading the body as SOAP.
///
/// `reason` is the status line's, empty for none; `body` is the text as it came, line ends included.
pub fn http_error(status: u16, reason: &str, body: &str) -> AxisFault {
    // Axis takes the status line for a header: a colon ends it. Without a reason it takes the status again.
    let reason = reason.split_once(':').map_or(reason, |(before, _)| before);
    let reason = if reason.trim().is_empty() { format!("{status} {reason}") } else { reason.to_owned() };
    let code = format!("{{{AXIS_NS}}}HTTP");
    let string = format!("({status}){reason}");
    let returned = dump::encode(&format!("return code:  {status}\n{body}")).unwrap_or_else(|complaint| complaint);
    let text = Dump::new(&code, &string)
        .entry("", "", &returned)
        .entry(AXIS_NS, "HttpErrorCode", &status.to_string())
        .finish();
    AxisFault { code, string, text }
}
