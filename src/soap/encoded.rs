//! Makes plain messages of encoded messages (SOAP 1.1, section 5): a reference (`href`) is replaced by the element with that
//! `id`, and the items of arrays get the name of the plan, whatever a server calls them.
//!
//! Rule: a hostile message that refers to itself, or to much again and again, ends at `MOST_ELEMENTS`.

use std::collections::HashMap;

use crate::contract::{Content, ElementPlan};
use crate::xml::{Attribute, Element, Name, Node, SOAP_ENC_NS, XSI_NS, trim_xml_space};

/// Most elements of a message with references.
const MOST_ELEMENTS: usize = 100_000;
/// Most items of an array that is not transmitted whole.
const MOST_PLACED: usize = 10_000;
/// Most references in a chain.
const MOST_DEEP: usize = 60;

/// The envelope with references resolved, without their targets in the body; `None` for an envelope without references.
pub fn without_references(root: &Element) -> Option<Element> {
    let mut targets = HashMap::new();
    let mut has_references = false;
    each(root, &mut |element| {
        if let Some(id) = element.attribute("", "id") {
            targets.entry(id).or_insert(element);
        }
        has_references |= reference(element).is_some();
    });
    if !has_references {
        return None;
    }
    let mut follower = Follower { targets, left: MOST_ELEMENTS, open: Vec::new() };
    let mut plain = follower.copy(root);
    for node in &mut plain.children {
        if let Node::Element(body) = node
            && &*body.name.local == "Body"
        {
            let is_target = |node: &Node| matches!(node, Node::Element(child) if child.attribute("", "id").is_some());
            let is_whole = body.children.iter().all(is_target);
            let mut is_first = true;
            body.children.retain(|node| {
                // A message with an id comes before the targets of its references.
                let is_message = is_whole && std::mem::replace(&mut is_first, false);
                is_message || !is_target(node)
            });
        }
    }
    Some(plain)
}

/// Gives the items of arrays the name that the plan has for them, and puts them where a partially transmitted or sparse
/// array says (SOAP 1.1, 5.4.2.1 and 5.4.2.2): items that were not transmitted are nil.
pub fn name_items(plan: &ElementPlan, element: &mut Element) {
    let Content::Complex(group) = &plan.content else { return };
    let item = plan.array.as_ref().and_then(|_| group.elements().next());
    if item.is_some() {
        place_items(element);
    }
    for child in &mut element.children {
        let Node::Element(child) = child else { continue };
        if let Some(item) = item {
            child.name = item.name.clone();
        }
        let named = item.or_else(|| group.elements().find(|plan| plan.name.local == child.name.local));
        if let Some(plan) = named {
            name_items(plan, child);
        }
    }
}

/// Gives the first part of an answer, the return value, the name that the plan has: a server may choose any name (SOAP 1.1,
/// 7.1).
pub fn name_result(plan: &ElementPlan, element: &mut Element) {
    let Content::Complex(group) = &plan.content else { return };
    let Some(result) = group.elements().next() else { return };
    let is_other = |child: &Element| !group.elements().any(|part| part.name.local == child.name.local);
    let first = element.children.iter_mut().find_map(|node| match node {
        Node::Element(child) => Some(child),
        _ => None,
    });
    if let Some(first) = first.filter(|first| is_other(first)) {
        first.name = result.name.clone();
    }
}

/// Puts the items of an array in the order of their positions. An array that would be too long stays as received.
fn place_items(array: &mut Element) {
    let offset = array.attribute(SOAP_ENC_NS, "offset").and_then(position).unwrap_or(0);
    let is_placed = |item: &Element| item.attribute(SOAP_ENC_NS, "position").is_some();
    if offset == 0 && !array.elements().any(is_placed) {
        return;
    }
    let mut next = offset;
    let mut placed: Vec<(usize, Element)> = Vec::new();
    for item in array.elements() {
        let at = item.attribute(SOAP_ENC_NS, "position").and_then(position).unwrap_or(next);
        next = at.saturating_add(1);
        let mut item = item.clone();
        item.attributes.retain(|attribute| !attribute.name.is(SOAP_ENC_NS, "position"));
        placed.push((at, item));
    }
    placed.sort_by_key(|(at, _)| *at);
    if placed.last().is_some_and(|(at, _)| *at >= MOST_PLACED) {
        return;
    }
    array.children.clear();
    for (at, item) in placed {
        while array.children.len() < at {
            array.children.push(Node::Element(nil_item(&item)));
        }
        array.children.push(Node::Element(item));
    }
}

/// The position in brackets, counted from 0; `None` for one of several dimensions.
fn position(written: &str) -> Option<usize> {
    trim_xml_space(written).strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn nil_item(like: &Element) -> Element {
    let nil = Attribute { name: Name::new(XSI_NS, "nil"), prefix: "xsi".into(), value: "true".to_owned() };
    Element { attributes: vec![nil], ..like.clone_head() }
}

fn reference(element: &Element) -> Option<&str> {
    element.attribute("", "href")?.strip_prefix('#')
}

fn each<'e>(element: &'e Element, take: &mut impl FnMut(&'e Element)) {
    take(element);
    element.elements().for_each(|child| each(child, take));
}

struct Follower<'e> {
    targets: HashMap<&'e str, &'e Element>,
    /// Elements that may still be copied.
    left: usize,
    /// The references that are being followed.
    open: Vec<&'e str>,
}

impl<'e> Follower<'e> {
    fn copy(&mut self, element: &'e Element) -> Element {
        self.left = self.left.saturating_sub(1);
        let mut made = element.clone_head();
        let Some(id) = reference(element) else {
            self.copy_content(element, &mut made);
            return made;
        };
        let is_followed = self.left > 0 && self.open.len() < MOST_DEEP && !self.open.contains(&id);
        if let Some(target) = self.targets.get(id).copied().filter(|_| is_followed) {
            made.attributes = target.attributes.iter().filter(|a| !a.name.is("", "id")).cloned().collect();
            made.declarations.extend(target.declarations.iter().cloned());
            self.open.push(id);
            match reference(target) {
                Some(_) => made.children = self.copy(target).children,
                None => self.copy_content(target, &mut made),
            }
            self.open.pop();
        }
        made
    }

    fn copy_content(&mut self, element: &'e Element, made: &mut Element) {
        for node in &element.children {
            match node {
                Node::Element(_) if self.left == 0 => {}
                Node::Element(child) => made.children.push(Node::Element(self.copy(child))),
                other => made.children.push(other.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::{contract, fields};
    use crate::request::{Fields, RequestType};
    use crate::soap::{decode, envelope};
    use crate::xml::{Limits, parse};

    fn plain(body: &str) -> Element {
        let text = format!(
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>{body}</s:Body></s:Envelope>"
        );
        without_references(&parse(&text, Limits::default()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_referred_to_stands_in_its_place() {
        let root = plain(
            "<r><a href='#1'/><b href='#2'/><c>3</c></r><multiRef id='1' x='y'>one<in href='#2'/></multiRef>\
             <multiRef id='2'>two</multiRef>",
        );
        let child = envelope::open(&root).unwrap().child.unwrap();
        let texts: Vec<String> = child.elements().map(Element::text).collect();
        assert_eq!(texts, ["one", "two", "3"]);
        let first = child.elements().next().unwrap();
        assert_eq!((first.attribute("", "x"), first.elements().next().unwrap().text().as_str()), (Some("y"), "two"));
        assert!(without_references(&parse("<a><b id='1'/></a>", Limits::default()).unwrap()).is_none());
    }

    /// The values of a request whose array is transmitted like that.
    fn read(array: &str) -> Fields {
        let contract = contract("encoded");
        let operation = contract.operation(RequestType::named("ADD_SUBSCRIPTIONS")).unwrap();
        let text = format!(
            "<t:add xmlns:t='urn:encoded' xmlns:e='http://schemas.xmlsoap.org/soap/encoding/'><order>{array}</order></t:add>"
        );
        let mut child = parse(&text, Limits::default()).unwrap();
        name_items(&operation.input.root, &mut child);
        decode::request(operation, &child).unwrap()
    }

    #[test]
    fn items_stand_at_their_positions() {
        let right = |attributes: &str, product: &str| format!("<r {attributes}><product>{product}</product></r>");
        let values = |array: &str, expected: &[&str]| {
            assert_eq!(read(array), fields(&[("service_ca_id", expected)]), "{array}");
        };
        let (one, two) = (right("", "1"), right("", "2"));
        values(&format!("<rights e:arrayType='t:Right[2]'>{one}{two}</rights>"), &["1", "2"]);
        values(&format!("<rights e:arrayType='t:Right[4]' e:offset='[2]'>{one}{two}</rights>"), &["", "", "1", "2"]);
        let sparse = right("e:position='[3]'", "4") + &right("e:position='[1]'", "2") + &right("", "3");
        values(&format!("<rights e:arrayType='t:Right[9]'>{sparse}</rights>"), &["", "2", "3", "4"]);
        // An item with a position that is too large, or of several dimensions, stays at its place.
        let hostile = right("e:position='[9999999999999999]'", "1") + &right("e:position='[1,2]'", "2");
        values(&format!("<rights e:offset='[99999999999999999999999]'>{hostile}</rights>"), &["1", "2"]);
    }

    #[test]
    fn what_refers_to_itself_or_too_often_ends() {
        let root = plain("<r><a href='#1'/></r><m id='1'><b href='#1'/></m>");
        assert!(envelope::open(&root).unwrap().child.is_some());
        let bomb: String =
            (0..50).map(|n| format!("<m id='{n}'>{}</m>", format!("<b href='#{}'/>", n + 1).repeat(10))).collect();
        let root = plain(&format!("<r><a href='#0'/></r>{bomb}<m id='50'/>"));
        let mut count = 0;
        each(&root, &mut |_| count += 1);
        assert!(count <= MOST_ELEMENTS + 20, "{count}");
    }
}
