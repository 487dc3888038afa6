//! Checks a message against its plan: the content model, attributes, `xsi:nil`, and the facets of every value.
//!
//! XML Schema demands that each element of a content model can be assigned to one particle without looking ahead
//! (unique particle attribution), so one pass over the children decides. A text with a blank is not known yet, and counts as
//! valid.

use std::sync::Arc;

use super::operation::SoapVersion;
use super::plan::{Compositor, Content, ElementPlan, Group, Message, Particle};
use super::simple::SimpleType;
use crate::xml::{BLANK, Element, Name, Node, SOAP_ENC_NS, XML_NS, XSI_NS, is_xml_space, trim_xml_space};

/// A violation of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The element, from the message's root: `/CreatePairing/CreatePairingRequest/CaClientIds/CaClientId[2]`.
    pub path: String,
    /// The violation, as a clause.
    pub message: String,
}

/// Most violations that are reported of a message.
const MOST_VIOLATIONS: usize = 20;

/// Checks the child of a body; returns no violations for a valid message.
pub fn message(message: &Message, body_child: &Element) -> Vec<Violation> {
    let mut checker = Checker::default();
    if body_child.name == message.root.name {
        checker.element(&message.root, body_child, None);
    } else {
        checker.report(format!("'{}' was expected, not '{}'", message.root.name, body_child.name));
    }
    checker.violations
}

/// A text with a blank, and the type that the value must have.
pub(super) struct BlankValue {
    pub(super) text: String,
    /// The local name of the element or attribute.
    pub(super) local: String,
    pub(super) simple: Arc<SimpleType>,
}

/// Checks an element with blanks; returns the types that their values must have.
pub(super) fn element(plan: &ElementPlan, element: &Element) -> (Vec<Violation>, Vec<BlankValue>) {
    let mut checker = Checker::default();
    checker.element(plan, element, None);
    (checker.violations, checker.blanks)
}

/// State of one message.
#[derive(Default)]
struct Checker<'m> {
    violations: Vec<Violation>,
    blanks: Vec<BlankValue>,
    /// Local names from the root, with numbers for repeatable elements.
    path: Vec<(&'m str, Option<usize>)>,
}

/// The children of an element, and the position of the check.
struct Children<'m> {
    elements: Vec<&'m Element>,
    next: usize,
    /// A child was not expected, so the children behind are not checked.
    is_lost: bool,
}

impl<'m> Children<'m> {
    fn peek(&self) -> Option<&'m Element> {
        self.elements.get(self.next).copied()
    }
}

impl<'m> Checker<'m> {
    fn report(&mut self, message: String) {
        if self.violations.len() < MOST_VIOLATIONS {
            let mut path = String::new();
            for (name, number) in &self.path {
                path.push('/');
                path.push_str(name);
                if let Some(number) = number {
                    path.push_str(&format!("[{number}]"));
                }
            }
            self.violations.push(Violation { path, message });
        }
    }

    fn element(&mut self, plan: &ElementPlan, element: &'m Element, number: Option<usize>) {
        self.path.push((&element.name.local, number));
        self.attributes(plan, element);
        let nil = element.attribute(XSI_NS, "nil").map(trim_xml_space);
        if nil.is_some() && !plan.nillable {
            self.report("may not be nil".to_owned());
        }
        let is_nil = matches!(nil, Some("true" | "1"));
        match &plan.content {
            _ if is_nil => {
                if element.elements().next().is_some() || !element.text().is_empty() {
                    self.report("is nil, and must be empty".to_owned());
                }
            }
            Content::Unread(_) => {}
            Content::Simple(simple, _) if simple.is_any_type() => {}
            Content::Simple(simple, _) => {
                if element.elements().next().is_some() {
                    self.report("holds a value, not elements".to_owned());
                } else if let Err(must) = self.check(simple, plan.text(element), &plan.name.local) {
                    self.report(must);
                }
            }
            Content::Complex(group) => {
                if !plan.is_mixed && has_text(element) {
                    self.report("holds elements, not text".to_owned());
                }
                let mut children = Children { elements: element.elements().collect(), next: 0, is_lost: false };
                self.group(group, &mut children);
                if let Some(child) = children.peek().filter(|_| !children.is_lost) {
                    self.report(format!("'{}' is not expected here", child.name));
                }
            }
        }
        self.path.pop();
    }

    fn check(&mut self, simple: &Arc<SimpleType>, text: String, local: &str) -> Result<(), String> {
        if text.contains(BLANK) {
            self.blanks.push(BlankValue { text, local: local.to_owned(), simple: Arc::clone(simple) });
            return Ok(());
        }
        simple.check(&text)
    }

    fn attributes(&mut self, plan: &ElementPlan, element: &Element) {
        for attribute in &plan.attributes {
            match element.attributes.iter().find(|found| found.name == attribute.name) {
                Some(found) => {
                    let local = &attribute.name.local;
                    if let Err(must) = self.check(&attribute.simple, found.value.clone(), local) {
                        self.report(format!("attribute '{local}' {must}"));
                    }
                }
                None if attribute.required => self.report(format!("attribute '{}' is missing", attribute.name.local)),
                None => {}
            }
        }
        if matches!(plan.content, Content::Unread(_)) {
            return;
        }
        let is_known = |name: &Name| plan.attributes.iter().any(|attribute| attribute.name == *name);
        for found in &element.attributes {
            let is_foreign = plan.takes_any_attribute
                || matches!(&*found.name.namespace, XSI_NS | XML_NS | SOAP_ENC_NS)
                || found.name.is(SoapVersion::V11.namespace(), "encodingStyle");
            if !is_foreign && !is_known(&found.name) {
                self.report(format!("attribute '{}' is not expected here", found.name));
            }
        }
    }

    /// An occurrence of a group.
    fn group(&mut self, group: &Group, children: &mut Children<'m>) {
        match group.compositor {
            Compositor::Sequence => group.members.iter().for_each(|member| self.particle(member, children)),
            Compositor::Choice => {
                let branch = children.peek().and_then(|next| group.members.iter().find(|m| may_start(m, &next.name)));
                match branch {
                    Some(branch) => self.particle(branch, children),
                    None if is_group_emptiable(group) => {}
                    None => self.missing(&format!("one of {}", first_names(group)), children),
                }
            }
            Compositor::All => {
                let mut waiting: Vec<&Particle> = group.members.iter().collect();
                while let Some(next) = children.peek() {
                    let Some(at) = waiting.iter().position(|member| may_start(member, &next.name)) else { break };
                    self.particle(waiting.swap_remove(at), children);
                }
                waiting.into_iter().for_each(|member| self.particle(member, children));
            }
        }
    }

    /// All occurrences of a particle.
    fn particle(&mut self, particle: &Particle, children: &mut Children<'m>) {
        let occurs = particle.occurs();
        let mut count = 0;
        while let Some(next) = children.peek().filter(|next| may_start(particle, &next.name)) {
            if children.is_lost || occurs.max.is_some_and(|max| count >= max) {
                break;
            }
            count += 1;
            let before = children.next;
            match particle {
                Particle::Element(plan) => {
                    children.next += 1;
                    let number = usize::try_from(count).ok().filter(|_| occurs.is_many());
                    self.element(plan, next, number);
                }
                Particle::Group(group) => self.group(group, children),
                Particle::Open(_) => children.next += 1,
            }
            if children.next == before {
                break;
            }
        }
        if count < occurs.min && !children.is_lost {
            match particle {
                Particle::Element(plan) => self.missing(&format!("'{}'", plan.name.local), children),
                Particle::Group(group) if is_group_emptiable(group) => {}
                Particle::Group(group) => self.group(group, children),
                // A particle that is not understood is never missed.
                Particle::Open(open) if !open.unread.is_empty() => {}
                Particle::Open(_) => self.missing("any element", children),
            }
        }
    }

    fn missing(&mut self, wanted: &str, children: &mut Children<'m>) {
        match children.peek() {
            _ if children.is_lost => {}
            Some(found) => {
                self.report(format!("'{}' is not expected here, but {wanted}", found.name));
                children.is_lost = true;
            }
            None => self.report(format!("{wanted} is missing")),
        }
    }
}

/// Can an element of that name come first in a particle?
fn may_start(particle: &Particle, name: &Name) -> bool {
    match particle {
        Particle::Element(plan) => plan.name == *name,
        Particle::Group(group) => may_start_group(group, name),
        Particle::Open(open) => open.namespaces.has(&name.namespace),
    }
}

fn may_start_group(group: &Group, name: &Name) -> bool {
    let is_sequence = group.compositor == Compositor::Sequence;
    for member in &group.members {
        if may_start(member, name) {
            return true;
        }
        if is_sequence && !is_emptiable(member) {
            return false;
        }
    }
    false
}

/// May a particle be absent?
fn is_emptiable(particle: &Particle) -> bool {
    particle.occurs().min == 0
        || match particle {
            Particle::Element(_) => false,
            Particle::Group(group) => is_group_emptiable(group),
            Particle::Open(open) => !open.unread.is_empty(),
        }
}

fn is_group_emptiable(group: &Group) -> bool {
    match group.compositor {
        Compositor::Sequence | Compositor::All => group.members.iter().all(is_emptiable),
        Compositor::Choice => group.members.is_empty() || group.members.iter().any(is_emptiable),
    }
}

/// The names of the elements that may come first in a group.
fn first_names(group: &Group) -> String {
    let firsts = group.elements().filter(|plan| may_start_group(group, &plan.name));
    firsts.map(|plan| &*plan.name.local).collect::<Vec<_>>().join(", ")
}

/// Is there more than white space between the elements?
fn has_text(element: &Element) -> bool {
    element.children.iter().any(|node| match node {
        Node::Text(text) | Node::CData(text) => !text.chars().all(is_xml_space),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::contract::Contract;
    use crate::contract::tests::contract;
    use crate::request::RequestType;
    use crate::xml::{Limits, parse};

    fn check(contract: &Contract, request_type: RequestType, text: &str) -> Vec<String> {
        let operation = contract.operation(request_type).unwrap();
        let violations = super::message(&operation.input, &parse(text, Limits::default()).unwrap());
        violations.into_iter().map(|violation| format!("{} {}", violation.path, violation.message)).collect()
    }

    #[test]
    fn checks_content_attributes_and_facets() {
        let contract = contract("types");
        let display = |inner: &str| {
            let text = format!(
                "<Display xmlns='urn:types' version='1' mode='m' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
                 xsi:schemaLocation='a b' xsi:type='DisplayType'> <Cards>smrt1 smrt2</Cards>{inner}</Display>"
            );
            check(&contract, RequestType::named("DISPLAY_FINGERPRINT"), &text)
        };
        let tail = "<Height>1</Height><End>end</End>";
        let nothing: [&str; 0] = [];
        assert_eq!(display(&format!("<For>1</For>{tail}")), nothing);
        assert_eq!(display(&format!("<For>1</For><Position><Y>1</Y><X>2</X></Position>{tail}")), nothing);
        assert_eq!(display("<For>1</For><Height xsi:nil='true'/><Slot/><End/>"), nothing);
        for (inner, expected) in [
            (tail.to_owned(), "/Display '{urn:types}Height' is not expected here, but one of At, For"),
            (
                format!("<For>1</For><At>2026-01-01T00:00:00</At>{tail}"),
                "/Display '{urn:types}At' is not expected here, but 'Height'",
            ),
            (format!("<For>x</For>{tail}"), "/Display/For must be a whole number"),
            (format!("<For><b/></For>{tail}"), "/Display/For holds a value, not elements"),
            (format!("<For a='b'>1</For>{tail}"), "/Display/For attribute 'a' is not expected here"),
            (format!("<For xsi:nil='1'/>{tail}"), "/Display/For may not be nil"),
            (format!("<For>1</For><Position><Y>1</Y></Position>{tail}"), "/Display/Position 'X' is missing"),
            (format!("<For>1</For>text{tail}"), "/Display holds elements, not text"),
            ("<For>1</For>".to_owned(), "/Display 'Height' is missing\n/Display 'End' is missing"),
            (format!("<For>1</For>{tail}<Gone/>"), "/Display '{urn:types}Gone' is not expected here"),
            (
                "<For>1</For><Height xsi:nil='true'>1</Height><End>end</End>".to_owned(),
                "/Display/Height is nil, and must be empty",
            ),
            ("<For>1</For><End>end</End>".to_owned(), "/Display '{urn:types}End' is not expected here, but 'Height'"),
            ("<For>1</For><Height>1</Height><End>start</End>".to_owned(), "/Display/End must be 'end'"),
        ] {
            assert_eq!(display(&inner).join("\n"), expected, "{inner}");
        }
        let text = "<Display xmlns='urn:types' version='2'/>";
        let found = check(&contract, RequestType::named("DISPLAY_FINGERPRINT"), text);
        assert_eq!(
            found[..3],
            [
                "/Display attribute 'version' must be '1.0'",
                "/Display attribute 'mode' is missing",
                "/Display 'Cards' is missing"
            ]
        );
        assert_eq!(
            check(&contract, RequestType::named("DISPLAY_FINGERPRINT"), "<Display/>"),
            [" '{urn:types}Display' was expected, not 'Display'"]
        );
    }

    #[test]
    fn numbers_what_repeats_and_stops_telling() {
        let contract = contract("types");
        let pair = |inner: &str| {
            check(&contract, RequestType::named("CREATE_PAIRING"), &format!("<Pair xmlns='urn:types'>{inner}</Pair>"))
        };
        assert_eq!(
            pair("<Box>1</Box><Card id='smrt1' kind='card'/><Card id='smrt2' kind='card' note='never written'/>").len(),
            0
        );
        assert_eq!(pair(""), ["/Pair one of Card, Box is missing"]);
        assert_eq!(pair(&"<Box><a/></Box>".repeat(100)).len(), 20);
        let add = |cards: &str, items: &str| {
            let text = format!("<Add xmlns='urn:types' version='1.0' mode='m'>{cards}<Items>{items}</Items></Add>");
            check(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &text)
        };
        let two = "<Product kind='svc'>1</Product><Product kind='svc'>2</Product>";
        assert_eq!(
            add("<Card>smrt1</Card><Card>x</Card>", two),
            ["/Add/Card[2] must be of the form [0-9]{11} or smrt[0-9]+"]
        );
        let three = "<Card>smrt1</Card>".repeat(3);
        assert_eq!(add(&three, two), ["/Add '{urn:types}Card' is not expected here, but 'Items'"]);
        assert_eq!(add("<Card>smrt1</Card>", "<Product kind='svc'>1</Product>"), ["/Add/Items 'Product' is missing"]);
    }
}
