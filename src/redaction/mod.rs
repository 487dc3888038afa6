//! Takes what is personal out of recorded traffic, so that it can be given away: card and box numbers, PINs, names and
//! messages become pseudonyms of the same shape, the same one everywhere.
//!
//! First by name (`names`): what the named elements and parameters hold is replaced as a whole, and remembered. Then by
//! value (`values`): what was remembered is replaced wherever else it stands, in any spelling (`spelling`). Both also in
//! texts that a text holds (`walk`): escaped ones, and those in base64 or hexadecimal (`wrapped`). The pseudonyms are a keyed permutation (`cipher`), so whoever has the key (`key`)
//! gets back what was recorded, and a replay answers with it.

mod cipher;
mod key;
mod markup;
mod names;
mod spelling;
mod values;
mod walk;
mod wrapped;

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock};

use serde_json::{Number, Value};

use crate::request::Secret;
use cipher::Cipher;
pub use cipher::Direction;
pub use key::{KeyFault, find_key, load_key};
pub use names::Names;
use names::Wanted;
use values::Values;
use walk::Walk;

/// Digits of a number that is certainly the value that it is without zeros before it.
const LONG_NUMBER: usize = 8;

/// Hides and reveals, with one key.
pub struct Redactor {
    names: Names,
    cipher: Cipher,
    /// Long values seen anywhere, as they are and as pseudonyms.
    real: RwLock<Values>,
    pseudonyms: RwLock<Values>,
}

impl Redactor {
    /// A redactor that knows no value yet.
    pub fn new(names: Names, key: [u8; 32]) -> Self {
        Self { names, cipher: Cipher::new(key), real: RwLock::default(), pseudonyms: RwLock::default() }
    }

    /// The name of the key.
    pub fn key_id(&self) -> String {
        self.cipher.id()
    }

    /// What is personal by its name.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// A value that is personal wherever it stands, in texts that belong to another one, too.
    pub fn remember(&self, value: &str) {
        self.real.write().unwrap_or_else(PoisonError::into_inner).add(value);
        let pseudonym = values::whole(&self.cipher, Direction::Hide, value);
        self.pseudonyms.write().unwrap_or_else(PoisonError::into_inner).add(&pseudonym);
    }

    /// Begins with texts that belong together: what is short (a PIN) is replaced in these only.
    pub fn pass(&self, direction: Direction) -> Pass<'_> {
        Pass { redactor: self, direction, known: RefCell::default(), is_lasting: true }
    }

    /// The same, and what they name is forgotten afterwards.
    pub fn passing(&self, direction: Direction) -> Pass<'_> {
        Pass { is_lasting: false, ..self.pass(direction) }
    }
}

/// Texts that belong together: first all of them are learned from, then each is rewritten.
pub struct Pass<'r> {
    redactor: &'r Redactor,
    direction: Direction,
    known: RefCell<Values>,
    is_lasting: bool,
}

impl Pass<'_> {
    /// Remembers what is personal by name in a text.
    pub fn learn(&self, text: &str) {
        walk::by_name(&self.redactor.names, Wanted::Personal, text, &|value| self.remember(value));
    }

    /// The same, in a call or a reply of the JSON face.
    pub fn learn_json(&self, json: &Value) {
        walk_json(&mut Vec::new(), "", &mut json.clone(), &mut |path, key, value| {
            let is_personal = Names::is_personal_key(path, key);
            match value {
                Value::String(text) if !is_personal => self.learn(text),
                Value::String(text) => self.remember(text),
                Value::Number(number) if is_personal => self.remember(&number.to_string()),
                _ => {}
            }
        });
    }

    /// Remembers a value.
    pub fn remember(&self, value: &str) {
        self.remember_as_it_is(value);
        let real = match self.direction {
            Direction::Hide => value.to_owned(),
            Direction::Reveal => self.whole(value),
        };
        // Somebody may take it for a number, which has no zeros before it.
        let number = real.trim_start_matches('0');
        if number.len() < real.len() && number.len() >= LONG_NUMBER && number.bytes().all(|b| b.is_ascii_digit()) {
            self.remember_as_it_is(&self.turned(number));
        }
    }

    fn remember_as_it_is(&self, value: &str) {
        let is_long = self.known.borrow_mut().add(value);
        if self.is_lasting {
            let (same, other) = match self.direction {
                Direction::Hide => (&self.redactor.real, &self.redactor.pseudonyms),
                Direction::Reveal => (&self.redactor.pseudonyms, &self.redactor.real),
            };
            let turned = values::whole(&self.redactor.cipher, self.direction, value);
            for (values, value) in [(same, value), (other, &turned)] {
                let mut values = values.write().unwrap_or_else(PoisonError::into_inner);
                if is_long {
                    values.add(value);
                } else {
                    values.add_pin(value);
                }
            }
        }
    }

    /// Remembers a value that is real, whichever way this goes.
    pub fn remember_real(&self, value: &str) {
        self.remember(&self.turned(value));
    }

    /// What stands for a real value where this begins.
    fn turned(&self, real: &str) -> String {
        match self.direction {
            Direction::Hide => real.to_owned(),
            Direction::Reveal => values::whole(&self.redactor.cipher, Direction::Hide, real),
        }
    }

    /// The text with everything replaced.
    pub fn text(&self, text: &str) -> String {
        let names = &self.redactor.names;
        let named = |text: &str| self.whole(text);
        let other = |path: &[String], text: &str| {
            if names.is_protocol(path) { self.by_long_value(text) } else { self.by_value(text) }
        };
        Walk { names, wanted: Wanted::Personal, named: &named, other: &other }.text(text)
    }

    /// A word of the protocol, of which only what is long enough to be nothing else is replaced.
    pub fn word(&self, text: &str) -> String {
        self.by_long_value(text)
    }

    /// A call or a reply of the JSON face with everything replaced.
    pub fn json(&self, json: &Value) -> Value {
        let mut json = json.clone();
        walk_json(&mut Vec::new(), "", &mut json, &mut |path, key, value| {
            let is_personal = Names::is_personal_key(path, key);
            match value {
                Value::String(text) if is_personal => *text = self.whole(text),
                Value::String(text) if Names::is_word_key(path, key) => *text = self.by_long_value(text),
                Value::String(text) => *text = self.text(text),
                Value::Number(number) if is_personal => *number = self.number(number),
                _ => {}
            }
        });
        json
    }

    /// Another number of as many digits. Where a pseudonym is none, because it begins with 0, it is replaced in its turn:
    /// so the way back ends where this one began.
    fn number(&self, number: &Number) -> Number {
        let mut digits = number.to_string();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return number.clone();
        }
        loop {
            digits = self.whole(&digits);
            if let (Ok(replaced), true) = (digits.parse::<u64>(), digits.len() == 1 || !digits.starts_with('0')) {
                return replaced.into();
            }
        }
    }

    fn whole(&self, text: &str) -> String {
        values::whole(&self.redactor.cipher, self.direction, text)
    }

    fn by_value(&self, text: &str) -> String {
        self.replaced(text, Some(&self.known.borrow()))
    }

    /// In words of the protocol only what is long enough to be nothing else.
    fn by_long_value(&self, text: &str) -> String {
        if Names::is_suspicious_word(text) { self.replaced(text, None) } else { text.to_owned() }
    }

    fn replaced(&self, text: &str, here: Option<&Values>) -> String {
        let everywhere = match self.direction {
            Direction::Hide => &self.redactor.real,
            Direction::Reveal => &self.redactor.pseudonyms,
        };
        let everywhere = everywhere.read().unwrap_or_else(PoisonError::into_inner);
        let sets: Vec<&Values> = here.into_iter().chain([&*everywhere]).collect();
        values::replace(&self.redactor.cipher, self.direction, &sets, text)
    }
}

/// What is secret by name in a text.
pub fn secrets_in(names: &Names, text: &str) -> Vec<String> {
    named_in(names, Wanted::Secret, text)
}

/// What is personal by name in a text.
pub fn personal_in(names: &Names, text: &str) -> Vec<String> {
    named_in(names, Wanted::Personal, text)
}

fn named_in(names: &Names, wanted: Wanted, text: &str) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    walk::by_name(names, wanted, text, &|value| found.borrow_mut().push(value.to_owned()));
    found.into_inner()
}

/// Masks what is secret by name in a text, and these secrets wherever they stand by themselves in its contents.
pub fn mask(names: &Names, secrets: &[Secret], text: &str) -> String {
    let by_value =
        |_: &[String], text: &str| secrets.iter().fold(text.to_owned(), |text, secret| secret.mask_in(&text));
    Walk { names, wanted: Wanted::Secret, named: &|_| Secret::mask(), other: &by_value }.text(text)
}

/// Puts another text where something secret by name stands.
pub fn replace_secrets(names: &Names, new: &str, text: &str) -> String {
    let other = |_: &[String], text: &str| text.to_owned();
    Walk { names, wanted: Wanted::Secret, named: &|_| new.to_owned(), other: &other }.text(text)
}

/// Rewrites what is inside the elements of these local names, at any depth, and the values of their attributes.
pub fn rewrite_inside(text: &str, names: &[&str], new: impl Fn(&str) -> String) -> String {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    markup::rewrite(text, |content| {
        let is_inside = content.path.iter().any(|name| names.contains(name));
        if is_inside { new(content.text) } else { content.text.to_owned() }
    })
}

/// Calls for every text and number, with the keys around it and its own; items of an array have the key of the array.
fn walk_json<'j>(
    path: &mut Vec<&'j str>,
    key: &'j str,
    json: &'j mut Value,
    take: &mut dyn FnMut(&[&str], &str, &mut Value),
) {
    match json {
        Value::String(_) | Value::Number(_) => take(path, key, json),
        Value::Array(items) => items.iter_mut().for_each(|item| walk_json(path, key, item, take)),
        Value::Object(map) => {
            path.push(key);
            for (key, value) in map.iter_mut() {
                walk_json(path, key, value, take);
            }
            path.pop();
        }
        Value::Null | Value::Bool(_) => {}
    }
}
