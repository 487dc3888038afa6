//! The parts of a Fault element (`SOAPFaultBuilder`, `SOAPFaultCodeBuilder`, `SOAPFaultReasonBuilder`).
//!
//! In SOAP 1.1 the parts go by their local names whatever their namespace, and the last of several counts. In SOAP 1.2
//! the detail is read but never kept: Axis keeps children of an element `detail`, and there it is called Detail.

use super::SOAP12_NS;
use super::dump::Dump;
use super::entries::{self, Entry};
use super::message::Message;
use crate::xml::{Element, Name};

/// The content of a Fault element.
#[derive(Default)]
pub(super) struct Fault {
    /// The code, followed by SOAP 1.2's subcodes, outermost first; `None` for an element without its value.
    codes: Vec<Option<Name>>,
    pub(super) string: Option<String>,
    actor: Option<String>,
    node: Option<String>,
    entries: Vec<Entry>,
    /// True if Axis waits for the value of a detail that never comes, and so never builds the fault.
    pub(super) is_waiting: bool,
}

impl Fault {
    pub(super) fn read_fault<'e>(message: &mut Message<'e>, element: &'e Element) -> Self {
        let mut fault = Self::default();
        message.forbid_encoding(element);
        message.children(element, |message, child| {
            if message.is_soap12() {
                fault.read_soap12(message, child);
            } else {
                fault.read_soap11(message, child);
            }
            if &*child.name.local == "detail" {
                fault.entries = entries::keep(message, child).unwrap_or(std::mem::take(&mut fault.entries));
            }
        });
        if message.is_soap12() && fault.codes.is_empty() && !fault.is_waiting {
            message.refuse_by(
                "java.lang.NullPointerException: Cannot invoke \
                 \"org.apache.axis.message.SOAPFaultCodeBuilder.getFaultCode()\" because \"this.code\" is null",
            );
        }
        fault
    }

    fn read_soap11<'e>(&mut self, message: &mut Message<'e>, child: &'e Element) {
        let part = match &*child.name.local {
            "faultcode" => {
                if let Some(value) = message.value(child)
                    && &*child.name.namespace != SOAP12_NS
                {
                    self.codes = vec![value.map(|text| message.code(&text))];
                }
                return;
            }
            "faultstring" => &mut self.string,
            "faultactor" => &mut self.actor,
            "detail" => return entries::check(message, child, &mut self.is_waiting),
            _ => return message.record(child),
        };
        if let Some(value) = message.value(child)
            && &*child.name.namespace != SOAP12_NS
        {
            *part = value;
        }
    }

    fn read_soap12<'e>(&mut self, message: &mut Message<'e>, child: &'e Element) {
        match &*child.name.local {
            part @ ("Role" | "Node") => {
                let value = message.value(child);
                if let (Some(value), true) = (value, message.is_soap(child, part)) {
                    *(if part == "Role" { &mut self.actor } else { &mut self.node }) = value;
                }
            }
            "Code" if message.is_soap(child, "Code") => self.codes = read_codes(message, child),
            "Reason" if message.is_soap(child, "Reason") => {
                message.check_encoding(child);
                message.children(child, |message, text| {
                    if !message.is_soap(text, "Text") {
                        message.record(text);
                    } else if let Some(value) = message.value(text) {
                        self.string = value;
                    }
                });
            }
            "Detail" if message.is_soap(child, "Detail") => {
                message.forbid_encoding(child);
                entries::check(message, child, &mut self.is_waiting);
            }
            _ => message.record(child),
        }
    }

    /// The code as printed; empty for none.
    pub(super) fn code(&self) -> String {
        self.codes.first().map(printed).unwrap_or_default()
    }

    pub(super) fn dump(&self) -> String {
        let subcodes: Vec<String> = self.codes.iter().skip(1).map(printed).collect();
        let string = self.string.as_deref().unwrap_or_default();
        let code = self.code();
        let dump = Dump::new(&code, string)
            .subcodes(&subcodes)
            .actor_and_node(self.actor.as_deref().unwrap_or_default(), self.node.as_deref().unwrap_or_default());
        self.entries.iter().fold(dump, |dump, e| dump.entry(&e.name.namespace, &e.name.local, &e.inner)).finish()
    }
}

fn printed(code: &Option<Name>) -> String {
    code.as_ref().map(Name::to_string).unwrap_or_default()
}

/// The Value of a Code or Subcode, followed by those of the Subcodes inside.
fn read_codes<'e>(message: &mut Message<'e>, code: &'e Element) -> Vec<Option<Name>> {
    let (mut own, mut inner) = (None, Vec::new());
    message.check_encoding(code);
    message.children(code, |message, child| {
        if message.is_soap(child, "Value") {
            if let Some(value) = message.value(child) {
                own = value.map(|text| message.code(&text));
            }
        } else if message.is_soap(child, "Subcode") {
            inner = read_codes(message, child);
        } else {
            message.record(child);
        }
    });
    std::iter::once(own).chain(inner).collect()
}
