//! The names that mark values as personal: elements that the bindings fill with cards, boxes, PINs and messages, whatever an
//! operator's WSDL calls them; parameters of the JSON face; and common names of such values.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

use regex::{Regex, bytes};
use strum::VariantArray as _;

use super::markup::DECLARATION;
use crate::contract::{Contract, SESSION, Template, ValueSource, header_steps, secret_name};
use crate::request::{DEVICE_FIELDS, Priority, RequestType, State};
use crate::words::Word as _;

/// Names in the JSON face of people, their messages and their accounts, beside cards and boxes.
const PERSONAL: [&str; 11] = [
    "message",
    "serial_number",
    "username",
    "person_name",
    "email",
    "smartcard_identifier",
    "subscription_identifier",
    "created_by_unit",
    "updated_by_unit",
    "created_by_business_unit",
    "updated_by_business_unit",
];
/// Names of secrets whatever the contract: of WS-Security, and of PINs in operators' own services.
const SECRET: [&str; 2] = ["Password", "Pin"];
/// The place of the gateway's own message in a reply.
const OWN_MESSAGE: &str = "status/message";

/// The names of personal data.
pub struct Names {
    pub(super) personal: NameSet,
    pub(super) secret: NameSet,
    /// Words of the protocol, which stay even if they are somebody's name.
    words: HashSet<String>,
}

/// The names of secret or of personal values, with the expressions that find them in texts.
pub(super) struct NameSet {
    names: BTreeSet<String>,
    /// The names of secrets, elements as the contract writes them.
    secrets: Vec<String>,
    /// Ends of paths at which an element is secret whose name alone is not.
    secret_paths: Vec<Vec<String>>,
    /// Ends of the paths at which Conax's and the gateway's own messages stand.
    own_messages: Vec<Vec<String>>,
    pairs: OnceLock<Regex>,
    mention: OnceLock<bytes::Regex>,
}

impl Names {
    /// The names of a contract, and further elements or attributes by their local names.
    pub fn from_contract(contract: &Contract, further: &[String]) -> Self {
        let request_secrets: BTreeSet<&str> = RequestType::all().filter_map(RequestType::secret).collect();
        let mut secrets: BTreeSet<String> =
            SECRET.iter().chain(&request_secrets).map(|name| (*name).to_owned()).collect();
        let fixed = PERSONAL.iter().chain(&DEVICE_FIELDS).map(|name| (*name).to_owned());
        let mut personal: BTreeSet<String> = fixed.chain(further.iter().cloned()).collect();
        let mut own_messages = BTreeSet::from([OWN_MESSAGE]);
        let mut secret_paths = Vec::new();
        let is_hidden =
            |template: &Template| template.names().any(|name| name == SESSION || secret_name(name).is_some());
        for operation in contract.operations() {
            let hidden = operation.headers.iter().flat_map(|piece| piece.names_of(is_hidden));
            secrets.extend(hidden.map(|name| name.local.to_string()));
            let inputs = operation.input_fields.iter().map(|field| (field, Some(&operation.input)));
            let outputs = operation.output_fields.iter().map(|field| (field, operation.output.as_ref()));
            for (field, message) in inputs.chain(outputs) {
                let is_session = field.source == ValueSource::Field(SESSION.to_owned());
                if is_session || field.source.templates().into_iter().any(is_hidden) {
                    let root = message.map_or("", |message| &*message.root.name.local);
                    secret_paths.push(match header_steps(&field.path) {
                        Some(steps) => ["Header"].into_iter().chain(steps).collect::<Vec<_>>().join("/"),
                        None => format!("{root}/{}", field.path),
                    });
                }
            }
        }
        for field in contract.operations().flat_map(|o| o.input_fields.iter().chain(&o.output_fields)) {
            let local = field.element().to_owned();
            let fields = field.source.fields();
            if field.source == ValueSource::Message {
                own_messages.insert(&field.path);
            } else if fields.iter().any(|name| request_secrets.contains(name)) {
                secrets.insert(local);
            } else if fields.iter().any(|name| personal.contains(*name)) {
                personal.insert(local);
            }
        }
        personal.extend(secrets.iter().cloned());
        let mut words: HashSet<String> = contract.answer_codes().map(str::to_owned).collect();
        words.extend(RequestType::all().map(|request_type| request_type.as_str().to_owned()));
        words.extend(State::VARIANTS.iter().map(|state| state.as_str().to_owned()));
        words.extend(Priority::VARIANTS.iter().map(|priority| priority.as_str().to_owned()));
        let path = |path: &str| -> Vec<String> {
            path.split('/')
                .filter(|name| *name != ".")
                .map(|name| name.trim_start_matches('@').to_lowercase())
                .collect()
        };
        let secret_paths: Vec<Vec<String>> = secret_paths.iter().map(|secret| path(secret)).collect();
        Self {
            personal: NameSet::new(&personal, &secrets, &secret_paths, own_messages.into_iter().map(path).collect()),
            secret: NameSet::new(&secrets, &secrets, &secret_paths, Vec::new()),
            words,
        }
    }

    /// The names of secrets, elements as the contract writes them.
    pub fn secrets(&self) -> &[String] {
        &self.secret.secrets
    }

    /// Could a message hold a secret? Most messages have no secret's name in them, and are not searched further.
    pub fn may_hold_secret(&self, body: &[u8]) -> bool {
        // UTF-16 writes the names with other bytes.
        let is_wide = matches!(body, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, 1..=255, ..] | [1..=255, 0, ..]);
        is_wide || self.secret.mention().is_match(body)
    }

    /// Is a text nothing but a word of the protocol?
    pub(super) fn is_word(&self, text: &str) -> bool {
        self.words.contains(text.trim())
    }
}

impl NameSet {
    fn new(
        names: &BTreeSet<String>,
        secrets: &BTreeSet<String>,
        secret_paths: &[Vec<String>],
        own_messages: Vec<Vec<String>>,
    ) -> Self {
        let names = names.iter().map(|name| name.to_lowercase()).collect();
        let secrets = secrets.iter().cloned().collect();
        let secret_paths = secret_paths.to_vec();
        Self { names, secrets, secret_paths, own_messages, pairs: OnceLock::new(), mention: OnceLock::new() }
    }

    /// Is one of these the name of a value of this sort: the elements or objects around a value, the attribute last, all in
    /// lower case?
    pub(super) fn has(&self, path: &[impl AsRef<str>]) -> bool {
        let ends = |end: &Vec<String>| {
            let mut pairs = path.iter().rev().zip(end.iter().rev());
            end.len() <= path.len() && pairs.all(|(name, end)| name.as_ref() == end)
        };
        let is_declaration = path.last().is_some_and(|name| name.as_ref() == DECLARATION);
        let is_named = path.iter().any(|name| self.names.contains(name.as_ref())) || self.secret_paths.iter().any(ends);
        is_named && !is_declaration && !self.own_messages.iter().any(ends)
    }

    fn mention(&self) -> &bytes::Regex {
        self.mention.get_or_init(|| {
            let names = any_of(self.secrets.iter().chain(self.secret_paths.iter().filter_map(|path| path.last())));
            bytes::Regex::new(&format!("(?i:{names})")).expect("escaped names make a valid expression")
        })
    }

    /// The ranges of values that a text names itself: `password=…` of a form, `"Name": "…"` of JSON, and plain language
    /// (`the PIN is 1212`). The names are part of the expression, which is quick because most texts have none.
    pub(super) fn find_pairs(&self, text: &str) -> Vec<Range<usize>> {
        let pattern = self.pairs.get_or_init(|| {
            let (names, secrets) = (any_of(&self.names), any_of(&self.secrets));
            let json = format!(r#""(?i:{names})"\s*:\s*(?:"(?<text>(?:[^"\\]|\\.)+)"|(?<number>\d+))"#);
            let form = format!(r#"\b(?i:{names})=(?<value>[^\s"'&,;<>]+)"#);
            let said = format!(r"\b(?i:{secrets})(?:\W+\p{{Alphabetic}}+){{0,2}}\W+(?<said>\d{{4,}})\b");
            Regex::new(&format!("{json}|{form}|{said}")).expect("escaped names make a valid expression")
        });
        let value = |pair: regex::Captures<'_>| pair.iter().skip(1).flatten().next().map(|value| value.range());
        pattern.captures_iter(text).filter_map(value).collect()
    }
}

/// An expression that matches each name.
fn any_of<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    names.into_iter().map(|name| regex::escape(name)).collect::<Vec<_>>().join("|")
}
