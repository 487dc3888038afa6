//! Writes SOAP faults (1.1: section 4.4; 1.2 part 1: section 5.4): the simulator's, and the gateway's own where it answers
//! in upstream's place.

use crate::contract::SoapVersion;
use crate::xml::{InvalidChar, XmlWriter};

/// Namespace of the details that Axis adds to a fault.
const AXIS: &str = "http://xml.apache.org/axis/";

/// A fault to be written.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Prefix of the envelope's namespace.
    pub prefix: &'a str,
    /// True blames the client's message.
    pub is_clients: bool,
    /// A subcode in Axis's way, left out in SOAP 1.2, which has subcodes of its own.
    pub subcode: Option<&'a str>,
    /// A vendor's code in place of side and subcode, without a namespace; in SOAP 1.1 only.
    pub bare_code: Option<&'a str>,
    /// The fault string.
    pub text: &'a str,
    /// The host name, a detail that Axis adds.
    pub host: Option<&'a str>,
}

impl Fault<'_> {
    /// The fault in its envelope.
    ///
    /// # Errors
    /// The text holds a character that XML cannot carry.
    pub fn write(&self, version: SoapVersion) -> Result<Vec<u8>, InvalidChar> {
        let mut writer = XmlWriter::new();
        let tag = |local: &str| format!("{}:{local}", self.prefix);
        let soap = format!("xmlns:{}", self.prefix);
        writer.start(&tag("Envelope"), &[(&soap, version.namespace())])?;
        writer.start(&tag("Body"), &[])?;
        writer.start(&tag("Fault"), &[])?;
        let detail = match version {
            SoapVersion::V11 => {
                let code = tag(if self.is_clients { "Client" } else { "Server" });
                let subcode = self.subcode.map(|subcode| format!(".{subcode}")).unwrap_or_default();
                let code = self.bare_code.map_or_else(|| format!("{code}{subcode}"), str::to_owned);
                writer.leaf("faultcode", &[], &code)?;
                writer.leaf("faultstring", &[], self.text)?;
                "detail".to_owned()
            }
            SoapVersion::V12 => {
                writer.start(&tag("Code"), &[])?;
                writer.leaf(&tag("Value"), &[], &tag(if self.is_clients { "Sender" } else { "Receiver" }))?;
                writer.end(&tag("Code"));
                writer.start(&tag("Reason"), &[])?;
                writer.leaf(&tag("Text"), &[("xml:lang", "en")], self.text)?;
                writer.end(&tag("Reason"));
                tag("Detail")
            }
        };
        if let Some(host) = self.host {
            writer.start(&detail, &[])?;
            writer.leaf("ns1:hostname", &[("xmlns:ns1", AXIS)], host)?;
            writer.end(&detail);
        }
        for local in ["Fault", "Body", "Envelope"] {
            writer.end(&tag(local));
        }
        Ok(writer.finish())
    }
}
