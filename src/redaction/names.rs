//! What is personal by its name: the elements that the bindings fill with cards, boxes, PINs and messages, whatever an
//! operator's WSDL calls them; parameters of the JSON face; and names that people have given such things everywhere.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use regex::{Regex, bytes};

use super::markup::DECLARATION;
use crate::contract::{BoundField, Contract, ValueSource};
use crate::request::{DEVICE_FIELDS, RequestType};

/// The parameter that is what somebody says to somebody.
const MESSAGE: &str = "message";
/// Keys of the JSON face, besides: people, and what leads to them.
const KEYS: [&str; 4] = ["person_name", "username", "email", "serial_number"];
/// Objects of the JSON face of which every text is personal: customers, and who works for the operator.
const OBJECTS: [&str; 6] = [
    "subscription_identifier",
    "smartcard_identifier",
    "created_by_unit",
    "updated_by_unit",
    "created_by_business_unit",
    "updated_by_business_unit",
];
/// Elements that are secret whatever the contract: WS-Security brings one, and operators' own services may have PINs.
const SECRET_ELEMENTS: [&str; 2] = ["Password", "Pin"];
/// The ends of the paths of fault codes, SOAP 1.1 and 1.2: words of the protocol, whatever somebody is called.
const FAULT_CODES: [&[&str]; 3] = [&["faultcode"], &["code", "value"], &["subcode", "value"]];
/// Keys of the JSON face whose values are words of the protocol, or references.
const WORDS: [&str; 9] = [
    "type",
    "life_cycle_state",
    "priority",
    "process_name",
    "state",
    "code",
    "error_code",
    "provider_error_code",
    "reference_number",
];
/// The object of the JSON face whose `message` is our own words.
const STATUS: &str = "status";

/// Values that say that there is none.
const NO_VALUES: [&str; 3] = ["null", "true", "false"];

/// What is looked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All that is personal, secrets included.
    Personal,
    /// Secrets only.
    Secret,
}

/// What a content is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// What is wanted.
    Named,
    /// A word of the protocol or a reference, whatever somebody is called.
    Word,
    /// Any other text.
    Text,
}

/// Names of what is personal.
pub struct Names {
    elements: HashSet<String>,
    secrets: Vec<String>,
    /// The ends of the paths of status codes and reference numbers: never replaced.
    protocol: Vec<Vec<String>>,
    /// The ends of the paths of what only shares its name with something personal.
    impersonal: Vec<Vec<String>>,
    /// Finds the name of a secret, in one pass.
    secret_name: OnceLock<bytes::Regex>,
    personal_pairs: OnceLock<Regex>,
    secret_pairs: OnceLock<Regex>,
}

impl Names {
    /// The names of a contract, and further elements or attributes by their local names.
    pub fn of(contract: &Contract, further: &[String]) -> Self {
        let mut names = Self {
            elements: further.iter().map(|name| name.to_lowercase()).collect(),
            secrets: SECRET_ELEMENTS.iter().map(|name| (*name).to_owned()).collect(),
            protocol: FAULT_CODES.iter().map(|path| path.iter().map(|name| (*name).to_owned()).collect()).collect(),
            impersonal: Vec::new(),
            secret_name: OnceLock::new(),
            personal_pairs: OnceLock::new(),
            secret_pairs: OnceLock::new(),
        };
        for operation in contract.operations() {
            for field in operation.input_fields.iter().chain(&operation.output_fields) {
                names.take(field);
            }
        }
        names
    }

    fn take(&mut self, field: &BoundField) {
        let path = || -> Vec<String> {
            field.path.split('/').map(|name| name.trim_start_matches('@').to_lowercase()).collect()
        };
        let path_ends = match &field.source {
            ValueSource::Field(name) if is_personal_parameter(name) => {
                if is_secret_parameter(name) {
                    self.secrets.extend(field.path.rsplit(['/', '@']).next().map(str::to_owned));
                }
                self.elements.extend(path().pop());
                return;
            }
            ValueSource::Status | ValueSource::Reference => &mut self.protocol,
            ValueSource::Message => &mut self.impersonal,
            ValueSource::Field(_) | ValueSource::Constant(_) | ValueSource::Fixed(_) => return,
        };
        if !path_ends.contains(&path()) {
            path_ends.push(path());
        }
    }

    /// What stands inside these elements, or is the value of that attribute.
    pub(super) fn class(&self, wanted: Wanted, path: &[String], attribute: Option<&str>) -> Class {
        let is_named = path.iter().map(String::as_str).chain(attribute).any(|name| self.has(wanted, name));
        let ends_with = |ends: &[Vec<String>]| ends.iter().any(|end| path.ends_with(end));
        if is_named && (wanted == Wanted::Secret || !ends_with(&self.impersonal)) {
            Class::Named
        } else if attribute == Some(DECLARATION) || ends_with(&self.protocol) {
            Class::Word
        } else {
            Class::Text
        }
    }

    /// What the value under this key of the JSON face is; `path` is the keys of the objects around it.
    pub(super) fn class_of_key(path: &[&str], key: &str) -> Class {
        let is_named = is_personal_parameter(key) || KEYS.contains(&key);
        if (is_named && path.last() != Some(&STATUS)) || path.iter().any(|object| OBJECTS.contains(object)) {
            Class::Named
        } else if WORDS.contains(&key) {
            Class::Word
        } else {
            Class::Text
        }
    }

    /// Is it such a name? In lower case.
    fn has(&self, wanted: Wanted, name: &str) -> bool {
        (wanted == Wanted::Personal && self.elements.contains(name))
            || self.secrets.iter().any(|secret| secret.eq_ignore_ascii_case(name))
    }

    /// The local names of elements that hold secrets, as the contract writes them.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Could a message hold a secret? Most do not have the name of one in them, and need no further look.
    pub fn may_hold_secret(&self, body: &[u8]) -> bool {
        // UTF-16 spells the names otherwise.
        let is_wide = matches!(body, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, 1..=255, ..] | [1..=255, 0, ..]);
        let names = self.secret_name.get_or_init(|| {
            let names = any_of(self.secrets.iter().map(String::as_str));
            bytes::Regex::new(&format!("(?i:{names})")).expect("escaped names make a valid expression")
        });
        is_wide || (!self.secrets.is_empty() && names.is_match(body))
    }

    /// Values that a text names itself, and where they stand: `password=…` of a form, `"Name": "…"` of JSON, and what people
    /// say (`the PIN is 1212`).
    pub(super) fn named_in(&self, wanted: Wanted, text: &str) -> Vec<Range<usize>> {
        let pattern = match wanted {
            Wanted::Personal => self.personal_pairs.get_or_init(|| self.pairs(wanted)),
            Wanted::Secret => self.secret_pairs.get_or_init(|| self.pairs(wanted)),
        };
        let groups = ["text", "number", "value", "said"];
        let values = pattern.captures_iter(text).filter_map(|pair| groups.iter().find_map(|group| pair.name(group)));
        values.filter(|v| !v.is_empty() && !NO_VALUES.contains(&v.as_str())).map(|v| v.range()).collect()
    }

    /// Finds pairs of a wanted name and a value. That the names are in it makes it quick: most texts have none.
    fn pairs(&self, wanted: Wanted) -> Regex {
        let mut secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        RequestType::all().filter_map(RequestType::secret).for_each(|name| secrets.push(name));
        let mut names = secrets.clone();
        if wanted == Wanted::Personal {
            names.extend(self.elements.iter().map(String::as_str).chain(DEVICE_FIELDS).chain(KEYS));
        }
        let (names, secrets) = (any_of(names.into_iter()), any_of(secrets.into_iter()));
        let json = format!(r#""(?i:{names})"\s*:\s*(?:"(?<text>(?:[^"\\]|\\.)*)"|(?<number>\d+))"#);
        let form = format!(r#"\b(?i:{names})=(?<value>[^\s"'&,;<>]+)"#);
        let said = format!(r"\b(?i:{secrets})(?:\W+\p{{Alphabetic}}+){{0,2}}\W+(?<said>\d{{4,}})\b");
        Regex::new(&format!("{json}|{form}|{said}")).expect("escaped names make a valid expression")
    }
}

/// An expression that matches each of these names.
fn any_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(regex::escape).collect::<Vec<_>>().join("|")
}

/// Is the value of a parameter or result personal?
fn is_personal_parameter(name: &str) -> bool {
    DEVICE_FIELDS.contains(&name) || name == MESSAGE || is_secret_parameter(name)
}

/// Is it secret, beyond personal? Then it is not even kept in the store.
fn is_secret_parameter(name: &str) -> bool {
    RequestType::all().any(|kind| kind.secret() == Some(name))
}
