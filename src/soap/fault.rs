//! Writes SOAP 1.1 faults (section 4.4): the simulator's, and the gateway's own where it answers in upstream's place.

use crate::contract::SoapVersion;
use crate::xml::{InvalidChar, XmlWriter};

/// Namespace of the details that Axis adds to a fault.
const AXIS: &str = "http://xml.apache.org/axis/";

/// A fault; `host` is the detail that Axis adds.
///
/// # Errors
/// The text holds what XML cannot carry.
pub fn write(prefix: &str, code: &str, text: &str, host: Option<&str>) -> Result<Vec<u8>, InvalidChar> {
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
