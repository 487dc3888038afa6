//! Faults as the two servers word them that a gateway meets: Apache CXF (Conax, by the public evidence) and Apache Axis.

use crate::soap::fault;

/// Host name shown in an Axis fault.
const HOST: &str = "conax-simulator";

/// A fault as CXF writes it: no declaration of its own, no detail.
pub(super) fn cxf(text: &str) -> Vec<u8> {
    write("soap", "soap:Server", text, None)
}

/// A fault as Axis 1.4 writes it: the host name as detail.
pub(super) fn axis(text: &str) -> Vec<u8> {
    write("soapenv", "soapenv:Server.userException", text, Some(HOST))
}

/// Text that came with a request may hold what XML cannot carry: then the fault says nothing of it.
fn write(prefix: &str, code: &str, text: &str, host: Option<&str>) -> Vec<u8> {
    fault::write(prefix, code, text, host).unwrap_or_else(|_| cxf("Fault"))
}
