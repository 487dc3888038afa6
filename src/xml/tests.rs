//! Compares the reader with roxmltree over randomly damaged messages: a message that roxmltree refuses is refused, and both
//! read all others as the same tree.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{Element, Limits, Node, parse};

const MESSAGES: [&str; 4] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?>\n<!-- a -->\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/\
     soap/envelope/\"><soap:Body><CreatePairingResponse xmlns='urn:p' xmlns:c=\"urn:c\"><c:Status code = 'O&amp;K' c:code='&#x41;'>\
     OK</c:Status><Message xml:lang=\"el\">a &lt; b\r\n&#13;<![CDATA[<c> & ]] >]]> d</Message></CreatePairingResponse>\
     </soap:Body></soap:Envelope>\n<?end of it?>",
    "<a xmlns='u' xmlns:p='u' xmlns:q='v'><p:b q:c='1' c='2' p:c='\t3\n'/><b xmlns=''><?x y z?>&quot;&apos;&gt;</b ></a >",
    "<S:Envelope xmlns:S='urn:s'><S:Header/><S:Body><S:Fault><faultcode>S:Server</faultcode><faultstring xmlns:S='urn:t'>\
     <S:no/>ό\u{10348}</faultstring><detail><e:x xmlns:e='urn:e' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>\
     </detail></S:Fault></S:Body></S:Envelope>",
    "\u{FEFF}<r><x.1-·_ y:z='' xmlns:y='urn:y'>1<!---->2<y:w/>3</x.1-·_></r>",
];

/// Pieces of text that change the meaning where they are put.
const PIECES: [&str; 58] = [
    "<",
    ">",
    "/",
    "</",
    "/>",
    "'",
    "\"",
    "&",
    ";",
    "#",
    "=",
    ":",
    " ",
    "\t",
    "\r",
    "\n",
    "-",
    "--",
    "]]>",
    "<!--",
    "-->",
    "!",
    "?",
    "<?",
    "?>",
    "<![CDATA[",
    "<!DOCTYPE a>",
    "<?xml version='1.0'?>",
    "<?xml?>",
    "<?XML a?>",
    "<?x:y?>",
    "&#0;",
    "&#x;",
    "&#65",
    "&#X41;",
    "&#+65;",
    "&#xD800;",
    "&#xFFFE;",
    "&#x110000;",
    "&nbsp;",
    "&amp",
    "\u{0}",
    "\u{1}",
    "\u{85}",
    "\u{A0}",
    "\u{B7}",
    "\u{FEFF}",
    "\u{FFFE}",
    "é",
    "a",
    "1",
    " a='1'",
    "a='2'",
    " xmlns='u'",
    " xmlns:p='v'",
    " xmlns:p=''",
    " xmlns:xml='u'",
    "<a/>",
];

/// A random name, value or piece.
const NAMES: [&str; 8] = [
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
    "xml",
    "xmlns",
    "xmlns:xmlns",
    "version",
    "1.1",
    "p:q:r",
];

/// Damages a text in one place.
fn damage(text: &mut String, random: &mut StdRng) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |random: &mut StdRng| places[random.random_range(0..places.len())];
    let (at, other) = (place(random), place(random));
    let (from, to) = (at.min(other), at.max(other));
    let near = places.iter().copied().find(|place| *place >= at + random.random_range(0..4)).unwrap_or(at);
    let copied = text[from..to].to_owned();
    match random.random_range(0..8) {
        0..=2 => text.insert_str(at, PIECES[random.random_range(0..PIECES.len())]),
        3 => text.replace_range(at..near, PIECES[random.random_range(0..PIECES.len())]),
        4 => text.replace_range(at..near, ""),
        5 if copied.len() < 60 => text.insert_str(to, &copied),
        6 if copied.len() < 60 => text.insert_str(place(random).max(to), &copied),
        5 | 6 => text.replace_range(from..to, ""),
        _ => {
            let is_name = |c: char| c.is_alphanumeric() || "._-:".contains(c);
            let from = text[..at].rfind(|c| !is_name(c)).map_or(0, |at| text.ceil_char_boundary(at + 1));
            let to = text[at..].find(|c| !is_name(c)).map_or(text.len(), |length| at + length);
            text.replace_range(from..to, NAMES[random.random_range(0..NAMES.len())]);
        }
    }
}

/// A tree as one text, of its elements, attributes and texts only.
fn ours(element: &Element, out: &mut String) {
    let name = &element.name;
    out.push_str(&format!("<{:?} {:?}", name.namespace, name.local));
    for attribute in &element.attributes {
        let (name, value) = (&attribute.name, &attribute.value);
        out.push_str(&format!(" {:?} {:?}={value:?}", name.namespace, name.local));
    }
    out.push('>');
    for node in &element.children {
        match node {
            Node::Element(child) => ours(child, out),
            Node::Text(text) | Node::CData(text) => out.push_str(&text.replace('<', "&lt;")),
            Node::Comment(_) | Node::Instruction(..) => {}
        }
    }
    out.push_str("</>");
}

fn theirs(element: roxmltree::Node<'_, '_>, out: &mut String) {
    let name = element.tag_name();
    out.push_str(&format!("<{:?} {:?}", name.namespace().unwrap_or_default(), name.name()));
    for attribute in element.attributes() {
        let (namespace, value) = (attribute.namespace().unwrap_or_default(), attribute.value());
        out.push_str(&format!(" {namespace:?} {:?}={value:?}", attribute.name()));
    }
    out.push('>');
    for child in element.children() {
        if child.is_element() {
            theirs(child, out);
        } else if let Some(text) = child.text().filter(|_| child.is_text()) {
            out.push_str(&text.replace('<', "&lt;"));
        }
    }
    out.push_str("</>");
}

#[test]
fn another_reader_says_the_same_of_damaged_messages() {
    let mut random = StdRng::seed_from_u64(9);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..5000 {
        let mut text = MESSAGES[round % MESSAGES.len()].to_owned();
        for _ in 0..random.random_range(0..4) {
            damage(&mut text, &mut random);
        }
        // Readers see one kind of line end (XML 1.0, 2.11), except roxmltree behind a reference.
        let in_lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let (mut our_tree, mut their_tree) = (String::new(), String::new());
        match (parse(&text, Limits::default()), roxmltree::Document::parse(&in_lines)) {
            (Ok(root), Ok(document)) => {
                ours(&root, &mut our_tree);
                theirs(document.root_element(), &mut their_tree);
                assert_eq!(our_tree, their_tree, "of\n{text:?}");
                taken += 1;
            }
            (Ok(_), Err(error)) => panic!("taken, though it is not well-formed ({error}):\n{text:?}"),
            (Err(_), _) => refused += 1,
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
}
