//! Faults in the wording of the two servers behind a gateway: Apache CXF (Conax, by public evidence) and Apache Axis.

use crate::contract::SoapVersion;
use crate::soap::fault::Fault;

/// Host name in an Axis fault.
const HOST: &str = "conax-simulator";

/// A fault in CXF's form: without XML declaration and detail.
pub(super) fn cxf(soap: SoapVersion, text: &str) -> Vec<u8> {
    write(soap, Fault { prefix: "soap", is_clients: false, subcode: None, text, host: None })
}

/// A fault in Axis 1.4's form: with the host name as detail.
pub(super) fn axis(soap: SoapVersion, text: &str) -> Vec<u8> {
    let subcode = Some("userException");
    write(soap, Fault { prefix: "soapenv", is_clients: false, subcode, text, host: Some(HOST) })
}

/// A text taken from a request may have characters that XML cannot carry; the fault then leaves the text out.
fn write(soap: SoapVersion, fault: Fault<'_>) -> Vec<u8> {
    fault.write(soap).unwrap_or_else(|_| cxf(soap, "Fault"))
}
