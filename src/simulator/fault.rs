//! Faults as the two servers word them that a gateway meets: Apache CXF (Conax, by the public evidence) and Apache Axis.

use crate::contract::SoapVersion;
use crate::xml::{InvalidChar, XmlWriter};

/// Namespace of the details that Axis adds to a fault.
const AXIS: &str = "http://xml.apache.org/axis/";
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
    try_write(prefix, code, text, host).unwrap_or_else(|_| cxf("Fault"))
}

fn try_write(prefix: &str, code: &str, text: &str, host: Option<&str>) -> Result<Vec<u8>, InvalidChar> {
    let mut writer = XmlWriter::new();
    let tag = |local: &str| format!("{prefix}:{local}");
    writer.start(&tag("Envelope"), &[(&format!("xmlns:{prefix}"), SoapVersion::V11.namespace())])?;
    writer.start(&tag("Body"), &[])?;
    writer.start(&tag("Fault"), &[])?;
    for (name, value) in [("faultcode", code), ("faultstring", text)] {
        writer.start(name, &[])?;
        writer.text(value)?;
        writer.end(name);
    }
    if let Some(host) = host {
        writer.start("detail", &[])?;
        writer.start("ns1:hostname", &[("xmlns:ns1", AXIS)])?;
        writer.text(host)?;
        writer.end("ns1:hostname");
        writer.end("detail");
    }
    for local in ["Fault", "Body", "Envelope"] {
        writer.end(&tag(local));
    }
    Ok(writer.finish())
}
