//! The layout of `AxisFault.dumpToString()`, and the escaping in all its parts (`AbstractXMLEncoder.encode`).

/// The parts of a fault, in the order of printing.
pub(super) struct Dump<'a> {
    code: &'a str,
    subcodes: &'a [String],
    string: &'a str,
    actor: &'a str,
    node: &'a str,
    details: String,
}

impl<'a> Dump<'a> {
    pub(super) fn new(code: &'a str, string: &'a str) -> Self {
        Self { code, subcodes: &[], string, actor: "", node: "", details: String::new() }
    }

    /// SOAP 1.2's subcodes, outermost first.
    pub(super) fn subcodes(mut self, subcodes: &'a [String]) -> Self {
        self.subcodes = subcodes;
        self
    }

    /// SOAP 1.1's faultactor, or SOAP 1.2's Role and Node; empty for none.
    pub(super) fn actor_and_node(mut self, actor: &'a str, node: &'a str) -> Self {
        (self.actor, self.node) = (actor, node);
        self
    }

    /// An entry of the detail; `inner` is XML already.
    pub(super) fn entry(mut self, namespace: &str, local: &str, inner: &str) -> Self {
        self.details.extend(["\n\t{", namespace, "}", local, ":", inner]);
        self
    }

    pub(super) fn finish(self) -> String {
        let mut out = format!("AxisFault\n faultCode: {}\n faultSubcode: ", encoded(self.code));
        for subcode in self.subcodes {
            out.extend(["\n", subcode.as_str()]);
        }
        for (name, value) in [("String", self.string), ("Actor", self.actor), ("Node", self.node)] {
            out.extend(["\n fault", name, ": ", &encoded(value)]);
        }
        out.extend(["\n faultDetail: ", &self.details, "\n"]);
        out
    }
}

/// The escaped text; a text with a forbidden control character is replaced by Axis's complaint, as in a fault string.
fn encoded(text: &str) -> String {
    encode(text).unwrap_or_else(|complaint| complaint)
}

/// Escapes markup and double quotes; all other characters stay, line ends included.
///
/// # Errors
/// Axis's complaint about the first control character that XML cannot carry.
pub(super) fn encode(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' | '\u{20}'.. => out.push(c),
            _ => {
                let before = text.get(..at).unwrap_or_default();
                return Err(format!("The char '0x{:x}' after '{before}' is not a valid XML character.", u32::from(c)));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_out_every_part() {
        let subcodes = ["{urn:a}B".to_owned(), "C".to_owned()];
        let text = Dump::new("{urn:a}A", "it's \"<é>\"\r\n")
            .subcodes(&subcodes)
            .actor_and_node("&", "")
            .entry("", "x", "null")
            .entry("urn:d", "y", "<z/>")
            .finish();
        assert_eq!(
            text,
            "AxisFault\n faultCode: {urn:a}A\n faultSubcode: \n{urn:a}B\nC\n faultString: it's &quot;&lt;é&gt;&quot;\r\n\
             \n faultActor: &amp;\n faultNode: \n faultDetail: \n\t{}x:null\n\t{urn:d}y:<z/>\n"
        );
    }

    #[test]
    fn complains_about_control_characters() {
        let complaint = "The char '0x1b' after 'a<\n' is not a valid XML character.";
        assert_eq!(encode("a<\n\u{1b}b\u{1}"), Err(complaint.to_owned()));
        assert!(Dump::new("", "a<\n\u{1b}b").finish().contains(complaint));
    }
}
