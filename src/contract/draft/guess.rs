//! Guesses by names: the operation of a request type, the element of a parameter, and the status of an answer.

use super::super::value::Primitive;
use super::Offered;
use super::leaves::{Leaf, LeafKind};
use crate::request::RequestType;

/// Words that mean the same at operators and at vendors.
const SYNONYMS: [(&str, &[&str]); 10] = [
    ("smartcard", &["card", "client", "viewing", "sn"]),
    ("stb", &["box", "module", "device", "decoder", "receiver"]),
    ("service", &["product", "package", "subscription", "entitlement", "offer"]),
    ("subscriptions", &["subscription", "product", "package", "entitlement"]),
    ("pairing", &["pair"]),
    ("cancel", &["remove", "delete", "terminate"]),
    ("message", &["text", "body"]),
    ("start", &["from", "begin", "activation"]),
    ("end", &["to", "until", "expiry"]),
    ("session", &["ticket", "token", "sid"]),
];

/// Names that the status of an answer has, the likeliest first.
const STATUS: [&str; 9] =
    ["status", "success", "statuscode", "result", "resultcode", "returncode", "return", "code", "error"];

/// Beginnings of listed statuses that mean success.
const GOOD: [&str; 5] = ["ok", "success", "complete", "accept", "true"];

/// Is an element named like a secret?
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "pwd", "secret", "token", "key", "pin"].iter().any(|part| name.contains(part))
}

/// The likeness of two names: twice the number of shared words.
fn likeness(wanted: &str, found: &str) -> usize {
    let found = words(found);
    let is_said = |word: &String| {
        let synonyms = SYNONYMS.iter().find(|(known, _)| known == word).map_or(&[][..], |(_, synonyms)| synonyms);
        found.iter().any(|found| found == word || synonyms.contains(&found.as_str()))
    };
    2 * words(wanted).iter().filter(|word| is_said(word)).count()
}

/// The words of a name, in small letters: `addSubscriptions`, `add_subscriptions` and `AddSubscriptions` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            was_lower = false;
            words.push(String::new());
            continue;
        }
        if words.is_empty() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty() && !matches!(word.as_str(), "id" | "ca" | "ids" | "set" | "for"));
    words
}

/// The operation whose name is most like a request type's, if any is.
pub(super) fn operation<'o, 'w>(request_type: RequestType, offered: &'o [Offered<'w>]) -> Option<&'o Offered<'w>> {
    let wanted = request_type.as_str().to_lowercase();
    let scored = offered.iter().map(|offered| (likeness(&wanted, &offered.name), offered));
    let surplus = |offered: &Offered<'_>| usize::MAX - words(&offered.name).len();
    let best = scored.max_by_key(|(score, offered)| (*score, surplus(offered)))?;
    // A guess with less than half of the words would mislead.
    (best.0 > words(&wanted).len()).then_some(best.1)
}

/// The value for a parameter: the likeliest by name, else a mandatory value, else any.
pub(super) fn parameter<'l, 'm>(name: &str, leaves: &'l [Leaf<'m>], taken: &[&str]) -> Option<(&'l Leaf<'m>, bool)> {
    let free =
        || leaves.iter().filter(|leaf| matches!(leaf.kind, LeafKind::Value(_)) && !taken.contains(&leaf.path.as_str()));
    let scored = free().map(|leaf| (2 * likeness(name, &leaf.path) + usize::from(leaf.is_mandatory()), leaf));
    let best = scored.rev().max_by_key(|(score, _)| *score)?;
    let takes_text =
        |leaf: &&&Leaf<'_>| matches!(leaf.kind, LeafKind::Value(simple) if simple.check("01450253313").is_ok());
    match best.0 {
        0 | 1 => {
            let mandatory = free().filter(|leaf| leaf.is_mandatory());
            let any = mandatory.clone().find(|leaf| takes_text(&leaf)).or(free().find(|leaf| takes_text(&leaf)));
            any.or(mandatory.clone().next()).or(free().next()).map(|leaf| (leaf, false))
        }
        _ => Some((best.1, true)),
    }
}

/// The value of an answer that is a result, if a name is like the result's.
pub(super) fn result<'l, 'm>(name: &str, leaves: &'l [Leaf<'m>]) -> Option<&'l Leaf<'m>> {
    let values = leaves.iter().filter(|leaf| matches!(leaf.kind, LeafKind::Value(_)));
    let scored = values.map(|leaf| (likeness(name, &leaf.path), leaf)).filter(|(score, _)| *score > 0);
    scored.rev().max_by_key(|(score, _)| *score).map(|(_, leaf)| leaf)
}

/// The likeliest status among an answer's values.
pub(super) fn status<'l, 'm>(leaves: &'l [Leaf<'m>]) -> Option<&'l Leaf<'m>> {
    let values = || leaves.iter().filter(|leaf| matches!(leaf.kind, LeafKind::Value(_)));
    let named = |wanted: &str, is_whole: bool| {
        values().find(|leaf| {
            let name = leaf.name.to_lowercase();
            if is_whole { name == wanted } else { name.contains(wanted) }
        })
    };
    let whole = STATUS.iter().find_map(|wanted| named(wanted, true));
    whole
        .or_else(|| STATUS.iter().find_map(|wanted| named(wanted, false)))
        .or_else(|| values().find(|leaf| leaf.is_mandatory()))
}

/// The status codes to begin with: code and class.
pub(super) fn status_codes<'l>(leaf: &'l Leaf<'_>) -> Vec<(&'l str, &'static str)> {
    let LeafKind::Value(simple) = &leaf.kind else { return Vec::new() };
    let listed = simple.enumerated();
    let good = listed.iter().find(|value| GOOD.iter().any(|good| value.to_lowercase().starts_with(good)));
    let yes = match simple.primitive() {
        _ if !listed.is_empty() => good.or(listed.first()).map_or("", String::as_str),
        Primitive::Boolean if simple.check("true").is_ok() => "true",
        Primitive::Boolean => "1",
        Primitive::Decimal | Primitive::Integer | Primitive::Float if simple.check("0").is_ok() => "0",
        _ if simple.check("OK").is_ok() => "OK",
        _ => ">= 0",
    };
    let mut codes = vec![(yes, "completed"), ("*", "rejected")];
    if !leaf.is_mandatory() {
        codes.push(("", "completed"));
    }
    codes
}
