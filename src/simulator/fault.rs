//! Faults in the wording of the two servers behind a gateway: Apache CXF (Conax, by public evidence) and Apache Axis.

use crate::contract::SoapVersion;
use crate::soap::fault::Fault;

/// Host name in an Axis fault.
const HOST: &str = "conax-simulator";

/// A fault in CXF's form: without XML declaration and detail.
pub(super) fn cxf(soap: SoapVersion, text: &str) -> Vec<u8> {
    write(soap, Fault { prefix: "soap", is_clients: false, subcode: None, bare_code: None, text, host: None })
}

/// A fault in Axis 1.4's form: with the host name as detail.
pub(super) fn axis(soap: SoapVersion, text: &str) -> Vec<u8> {
    let subcode = Some("userException");
    write(soap, Fault { prefix: "soapenv", is_clients: false, subcode, bare_code: None, text, host: Some(HOST) })
}

/// A fault with a code of the vendor, and a fault string made from the code, as Panaccess writes it.
pub(super) fn bare(soap: SoapVersion, code: &str) -> Vec<u8> {
    let text = format!("txt_{code}");
    write(
        soap,
        Fault { prefix: "soap", is_clients: false, subcode: None, bare_code: Some(code), text: &text, host: None },
    )
}

/// A text from a request may have characters that XML does not allow; the fault then leaves the text out.
fn write(soap: SoapVersion, fault: Fault<'_>) -> Vec<u8> {
    fault.write(soap).unwrap_or_else(|_| cxf(soap, "Fault"))
}
