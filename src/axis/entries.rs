//! The entries of a fault's detail (`SOAPFaultDetailsBuilder`, `SOAPFaultBuilder.onEndChild`): Axis's checks while
//! reading the entries, and the parts that Axis keeps for printing.

use super::message::Message;
use super::values::{self, Deserializer, has_text};
use super::{print, recording};
use crate::xml::{Element, Name, Node};

/// An entry as printed.
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) inner: String,
}

/// Reads the entries as Axis does, which tries to read entries of known types.
pub(super) fn check<'e>(message: &mut Message<'e>, detail: &'e Element, is_waiting: &mut bool) {
    message.check_encoding(detail);
    message.children(detail, |message, entry| {
        if &*entry.name.local == "exceptionName" {
            if message.value(entry) == Some(None) {
                message.refuse_by("java.lang.NullPointerException");
            }
            return;
        }
        let Some(deserializer) = values::deserializer(message, entry) else { return message.record(entry) };
        *is_waiting =
            matches!(deserializer, Deserializer::Missing) || message.is_reference(entry) && !values::is_nil(entry);
        if let (Deserializer::Simple(name), false) = (deserializer, message.is_reference(entry)) {
            if let Some(Some(text)) = message.value(entry)
                && let Some(complaint) = values::complaint(&name.local, &text)
            {
                message.refuse_by(&complaint);
            }
        } else {
            message.record(entry);
        }
    });
}

/// The entries as printed; `None` if there are none, and the entries of an earlier detail count.
pub(super) fn keep<'e>(message: &mut Message<'e>, detail: &'e Element) -> Option<Vec<Entry>> {
    let (mut kept, mut is_empty) = (Vec::new(), true);
    for node in &detail.children {
        if let Node::Element(entry) = node {
            is_empty = false;
            kept.extend(print_entry(message, entry));
        } else if message.is_soap12() {
            is_empty &= !refuse_text(message, std::slice::from_ref(node));
        }
    }
    // Axis's reader of SOAP 1.1's detail puts all text behind the entries.
    if !message.is_soap12() {
        is_empty &= !refuse_text(message, &detail.children);
    }
    (!is_empty).then_some(kept)
}

/// Refuses text: Axis puts it into an element of another document, which Axis's DOM refuses.
fn refuse_text(message: &mut Message<'_>, nodes: &[Node]) -> bool {
    let has_text = has_text(nodes);
    if has_text {
        message.refuse_by(
            "org.w3c.dom.DOMException: WRONG_DOCUMENT_ERR: A node is used in a different document than the one that \
             created it.",
        );
    }
    has_text
}

fn print_entry(message: &mut Message<'_>, entry: &Element) -> Option<Entry> {
    let printed = recording::record(entry, message.preferred(), message.room).and_then(|recorded| {
        message.room = message.room.saturating_sub(recorded.len());
        let entry = print::read_back(&recorded)?;
        Ok(Entry { inner: print::inner(&entry), name: entry.name })
    });
    printed.map_err(|exception| message.refuse_by(&exception)).ok()
}
