//! The subject of an exchange: the operation, the smartcards and the fault, so that lists show them and searches find
//! them without reading bodies.
//!
//! Rule: a subject holds only facts that are certain. A body that is cut, large or no SOAP message has an empty subject.

use std::collections::HashSet;

use super::Exchange;
use crate::axis;
use crate::contract::{Contract, ValueSource};
use crate::request::{DEVICE_FIELDS, STB_ID};
use crate::soap::{envelope, texts};
use crate::xml::{self, Element, Limits, Node};

/// Bytes of a body that is looked into, at most: what is larger is rare, and reading it takes time.
const MOST_BYTES: usize = 256 << 10;
/// Cards that are told, at most.
const MOST_CARDS: usize = 16;
/// Characters of a card or an operation that are told, at most.
const LONGEST: usize = 64;
/// Characters of a fault that are told, at most.
const LONGEST_FAULT: usize = 500;

/// The subject of an exchange, as far as known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The local name of the message in the request.
    pub operation: Option<String>,
    /// CA IDs of the smartcards in the request.
    pub cards: Vec<String>,
    /// Words and code of the fault in the answer.
    pub fault: Option<String>,
}

/// Finds what exchanges are about, by a contract.
pub struct Subjects {
    /// Local names of the elements that hold the CA ID of a smartcard.
    card_names: HashSet<String>,
}

impl Subjects {
    /// By the names that the bindings fill with smartcards.
    pub fn of(contract: &Contract) -> Self {
        let fields = contract.operations().flat_map(|operation| &operation.input_fields);
        let is_card = |source: &ValueSource| match source {
            ValueSource::Field(name) => DEVICE_FIELDS.contains(&name.as_str()) && name != STB_ID,
            _ => false,
        };
        let cards = fields.filter(|field| is_card(&field.source));
        let names = cards.filter_map(|field| field.path.rsplit(['/', '@']).next().map(str::to_owned));
        Self { card_names: names.collect() }
    }

    /// The subject of an exchange.
    pub fn find(&self, exchange: &Exchange) -> Subject {
        let mut subject = Subject::default();
        if let Some(root) = message_of(&exchange.request)
            && let Ok(opened) = envelope::open(&root)
            && let Some(child) = opened.child
        {
            subject.operation = Some(cut(&child.name.local, LONGEST));
            self.take_cards(child, &mut subject.cards);
        }
        if let Some(answer) = &exchange.answer
            && let Some(root) = message_of(&answer.message)
            && let Some(fault) = axis::soap_fault(&root)
        {
            subject.fault = Some(cut(&format!("{} ({})", fault.string, fault.code), LONGEST_FAULT));
        }
        subject
    }

    fn take_cards(&self, element: &Element, cards: &mut Vec<String>) {
        let mut take = |value: &str| {
            let card = cut(value.trim(), LONGEST);
            if cards.len() < MOST_CARDS && !card.is_empty() && !cards.contains(&card) {
                cards.push(card);
            }
        };
        if self.card_names.contains(&*element.name.local) {
            take(&element.text());
        }
        let attributes = element.attributes.iter().filter(|a| self.card_names.contains(&*a.name.local));
        attributes.for_each(|attribute| take(&attribute.value));
        for child in &element.children {
            if let Node::Element(child) = child {
                self.take_cards(child, cards);
            }
        }
    }
}

fn message_of(message: &super::Message) -> Option<Element> {
    if message.is_truncated || message.body.len() > MOST_BYTES {
        return None;
    }
    let text = texts::parts(&message.body, message.header("content-type")).root?;
    xml::parse(&text, Limits::default()).ok()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
