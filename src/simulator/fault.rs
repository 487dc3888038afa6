//! Faults as the two servers word them that a gateway meets: Apache CXF (Conax, by the public evidence) and Apache Axis.

use crate::contract::SoapVersion;
use crate::soap::fault::Fault;

/// Host name shown in an Axis fault.
const HOST: &str = "conax-simulator";

/// A fault as CXF writes it: no declaration of its own, no detail.
pub(super) fn cxf(soap: SoapVersion, text: &str) -> Vec<u8> {
    write(soap, Fault { prefix: "soap", is_clients: false, subcode: None, text, host: None })
}

/// A fault as Axis 1.4 writes it: the host name as detail.
pub(super) fn axis(soap: SoapVersion, text: &str) -> Vec<u8> {
    let subcode = Some("userException");
    write(soap, Fault { prefix: "soapenv", is_clients: false, subcode, text, host: Some(HOST) })
}

/// Text that came with a request may hold what XML cannot carry: then the fault says nothing of it.
fn write(soap: SoapVersion, fault: Fault<'_>) -> Vec<u8> {
    fault.write(soap).unwrap_or_else(|_| cxf(soap, "Fault"))
}
