//! The payload of an answer as JSON, typed by the schema: a repeatable element is an array, even with one entry or none; an
//! absent element is null, or the empty list that it would hold; a value is a string, also if it is all digits, and only
//! xs:boolean is true or false.
//!
//! Names are the elements' local names, attributes have an `@` before theirs. What the bindings read as status,
//! reference number and message stands in the record already, and is left out.

use serde_json::{Map, Value};

use crate::contract::{Content, ElementPlan, Group, Message, Particle, SimpleType, ValueSource};
use crate::xml::{Element, XSI_NS};

/// The payload of an answer, from the child of its body.
pub fn payload(message: &Message, body_child: &Element) -> Value {
    of_element(&message.root, body_child)
}

fn of_element(plan: &ElementPlan, element: &Element) -> Value {
    if matches!(element.attribute(XSI_NS, "nil"), Some("true" | "1")) {
        return Value::Null;
    }
    let mut attributes = Map::new();
    for attribute in &plan.attributes {
        let found = element.attributes.iter().find(|found| found.name.local == attribute.name.local);
        let value = found.map_or(Value::Null, |found| of_text(&attribute.simple, &found.value));
        attributes.insert(format!("@{}", attribute.name.local), value);
    }
    match &plan.content {
        Content::Simple(simple, _) if attributes.is_empty() => of_text(simple, &plan.text(element)),
        Content::Simple(simple, _) => {
            attributes.insert("value".to_owned(), of_text(simple, &plan.text(element)));
            Value::Object(attributes)
        }
        // Content that is not understood is shown as text.
        Content::Unread(_) if element.elements().next().is_some() => Value::Null,
        Content::Unread(_) => Value::String(element.text()),
        Content::Complex(group) => {
            add_children(group, element, false, &mut attributes);
            Value::Object(attributes)
        }
    }
}

/// Adds every element of a group; inside a repeatable group every element is repeatable.
fn add_children(group: &Group, element: &Element, repeats: bool, object: &mut Map<String, Value>) {
    let repeats = repeats || group.occurs.is_many();
    for member in &group.members {
        let plan = match member {
            Particle::Group(inner) => {
                add_children(inner, element, repeats, object);
                continue;
            }
            Particle::Open(_) => continue,
            Particle::Element(plan) if is_outcome(plan) => continue,
            Particle::Element(plan) => plan,
        };
        let mut found =
            element.elements().filter(|child| child.name.local == plan.name.local).map(|child| of_element(plan, child));
        let value = match repeats || plan.occurs.is_many() {
            true => Value::Array(found.collect()),
            false => found.next().unwrap_or_else(|| of_absent(plan)),
        };
        object.insert(plan.name.local.to_string(), value);
    }
}

/// An absent element is null; an absent element that only holds a list is the empty list.
fn of_absent(plan: &ElementPlan) -> Value {
    let Content::Complex(group) = &plan.content else { return Value::Null };
    let mut lists = Map::new();
    for member in &group.members {
        match member {
            Particle::Element(item) if item.occurs.is_many() && plan.attributes.is_empty() => {
                lists.insert(item.name.local.to_string(), Value::Array(Vec::new()));
            }
            _ => return Value::Null,
        }
    }
    if lists.is_empty() { Value::Null } else { Value::Object(lists) }
}

/// Does an element hold nothing but the outcome?
fn is_outcome(plan: &ElementPlan) -> bool {
    match &plan.content {
        Content::Simple(_, source) => {
            matches!(source, Some(ValueSource::Status | ValueSource::Reference | ValueSource::Message))
        }
        Content::Unread(_) => false,
        Content::Complex(group) => {
            let mut elements = group.elements().peekable();
            elements.peek().is_some() && elements.all(is_outcome)
        }
    }
}

fn of_text(simple: &SimpleType, text: &str) -> Value {
    let text = simple.normalise(text);
    match simple.item() {
        Some(item) => text.split(' ').filter(|word| !word.is_empty()).map(|word| of_text(item, word)).collect(),
        None => match simple.truth(&text) {
            Some(truth) => Value::Bool(truth),
            None => Value::String(text.into_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, ContractSource};
    use crate::request::RequestType;
    use crate::xml::{Limits, parse};
    use serde_json::json;

    fn read_payload(request_type: RequestType, text: &str) -> Value {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        payload(
            contract.operation(request_type).unwrap().output.as_ref().unwrap(),
            &parse(text, Limits::default()).unwrap(),
        )
    }

    #[test]
    fn what_may_repeat_is_always_an_array_and_digits_are_strings() {
        let status =
            "<TransactionStatus><StatusCode>OK</StatusCode><TransactionId>1</TransactionId></TransactionStatus>";
        let request_type = RequestType::named("GET_ACTIVE_SUBSCRIPTIONS");
        let answer =
            |rows: &str| read_payload(request_type, &format!("<R>{status}<Subscriptions>{rows}</Subscriptions></R>"));
        assert_eq!(answer(""), json!({"Subscriptions": {"Subscription": []}}));
        let one = "<Subscription><ProductId>00001</ProductId><EndTime>2026-01-01T00:00:00</EndTime></Subscription>";
        let row = json!({"ProductId": "00001", "StartTime": null, "EndTime": "2026-01-01T00:00:00"});
        assert_eq!(answer(one), json!({"Subscriptions": {"Subscription": [row]}}));
        assert_eq!(answer(&one.repeat(2)), json!({"Subscriptions": {"Subscription": [row, row]}}));
        let request_type = RequestType::named("GET_PAIRING_STATUS_FOR_CARD");
        let unpaired = read_payload(request_type, &format!("<R>{status}<PairingStatus>NOT_PAIRED</PairingStatus></R>"));
        assert_eq!(unpaired, json!({"PairingStatus": "NOT_PAIRED", "PairingModuleIds": {"PairingModuleId": []}}));
        assert_eq!(read_payload(RequestType::named("CREATE_PAIRING"), &format!("<R>{status}</R>")), json!({}));
    }
}
