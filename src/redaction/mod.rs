//! Takes what is personal out of recorded traffic, so that it can be given away: card and box numbers, PINs, names and
//! messages become pseudonyms of the same shape, the same one everywhere.
//!
//! First by name (`names`): what the named elements and parameters hold is replaced as a whole, and remembered. Then by
//! value (`values`): what was remembered is replaced wherever else it stands, in any spelling (`spelling`) and inside
//! base64 or hexadecimal (`wrapped`). The pseudonyms are a keyed permutation (`cipher`), so whoever has the key (`key`)
//! gets back what was recorded, and a replay answers with it.

mod cipher;
mod key;
mod markup;
mod names;
mod spelling;
mod values;
mod wrapped;

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use crate::request::Secret;
use cipher::Cipher;
pub use cipher::Direction;
pub use key::{KeyFault, find_key, load_key};
pub use names::Names;
use values::Values;

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

    /// A value that is personal wherever it stands, however short it is.
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
        if markup::is_markup(text) {
            markup::rewrite(text, |content| {
                if self.redactor.names.is_personal(content.path, content.attribute) {
                    self.remember(content.text);
                }
                String::new()
            });
        } else {
            self.redactor.names.named_in(text).into_iter().for_each(|value| self.remember(value));
        }
    }

    /// The same, in a call or a reply of the JSON face.
    pub fn learn_json(&self, json: &Value) {
        walk(&mut Vec::new(), "", &mut json.clone(), &mut |path, key, text| {
            if Names::is_personal_key(path, key) {
                self.remember(text);
            } else if markup::is_markup(text) {
                self.learn(text);
            }
        });
    }

    /// Remembers a value.
    pub fn remember(&self, value: &str) {
        if self.known.borrow_mut().add(value) && self.is_lasting {
            let (same, other) = match self.direction {
                Direction::Hide => (&self.redactor.real, &self.redactor.pseudonyms),
                Direction::Reveal => (&self.redactor.pseudonyms, &self.redactor.real),
            };
            same.write().unwrap_or_else(PoisonError::into_inner).add(value);
            let turned = values::whole(&self.redactor.cipher, self.direction, value);
            other.write().unwrap_or_else(PoisonError::into_inner).add(&turned);
        }
    }

    /// Remembers a value that is real, whichever way this goes.
    pub fn remember_real(&self, value: &str) {
        match self.direction {
            Direction::Hide => self.remember(value),
            Direction::Reveal => self.remember(&values::whole(&self.redactor.cipher, Direction::Hide, value)),
        }
    }

    /// The text with everything replaced.
    pub fn text(&self, text: &str) -> String {
        if !markup::is_markup(text) {
            return self.by_value(text);
        }
        let names = &self.redactor.names;
        markup::rewrite(text, |content| {
            if names.is_personal(content.path, content.attribute) {
                self.whole(content.text)
            } else if names.is_protocol(content.path) {
                self.by_long_value(content.text)
            } else {
                self.by_value(content.text)
            }
        })
    }

    /// A word of the protocol, of which only what is long enough to be nothing else is replaced.
    pub fn word(&self, text: &str) -> String {
        self.by_long_value(text)
    }

    /// A call or a reply of the JSON face with everything replaced.
    pub fn json(&self, json: &Value) -> Value {
        let mut json = json.clone();
        walk(&mut Vec::new(), "", &mut json, &mut |path, key, text| {
            if Names::is_personal_key(path, key) {
                *text = self.whole(text);
            } else if Names::is_word_key(path, key) {
                *text = self.by_long_value(text);
            } else {
                *text = self.text(text);
            }
        });
        json
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
        wrapped::replace(text, &|text| values::replace(&self.redactor.cipher, self.direction, &sets, text))
    }
}

/// What is secret by name in a text.
pub fn secrets_in(names: &Names, text: &str) -> Vec<String> {
    contents(text, |content| names.is_secret(content.path, content.attribute))
}

/// What is personal by name in a text.
pub fn personal_in(names: &Names, text: &str) -> Vec<String> {
    contents(text, |content| names.is_personal(content.path, content.attribute))
}

fn contents(text: &str, is_wanted: impl Fn(&markup::Content<'_>) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    if markup::is_markup(text) {
        markup::rewrite(text, |content| {
            if is_wanted(&content) && !content.text.trim().is_empty() {
                found.push(content.text.trim().to_owned());
            }
            String::new()
        });
    }
    found
}

/// Masks what is secret by name in a text, and these secrets wherever they stand by themselves in its contents.
pub fn mask(names: &Names, secrets: &[Secret], text: &str) -> String {
    let by_value = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| secret.mask_in(&text));
    if !markup::is_markup(text) {
        return by_value(text);
    }
    markup::rewrite(text, |content| {
        let is_secret = names.is_secret(content.path, content.attribute) && !content.text.trim().is_empty();
        if is_secret { Secret::mask() } else { by_value(content.text) }
    })
}

/// Puts another text where something secret by name stands.
pub fn replace_secrets(names: &Names, new: &str, text: &str) -> String {
    if !markup::is_markup(text) {
        return text.to_owned();
    }
    markup::rewrite(text, |content| {
        let is_secret = names.is_secret(content.path, content.attribute) && !content.text.trim().is_empty();
        if is_secret { new.to_owned() } else { content.text.to_owned() }
    })
}

/// Rewrites what is inside the elements of these local names, at any depth, and the values of their attributes.
pub fn rewrite_inside(text: &str, names: &[&str], new: impl Fn(&str) -> String) -> String {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    markup::rewrite(text, |content| {
        let is_inside = content.path.iter().any(|name| names.contains(name));
        if is_inside { new(content.text) } else { content.text.to_owned() }
    })
}

/// Calls for every text, with the keys around it and its own; items of an array have the key of the array.
fn walk<'j>(
    path: &mut Vec<&'j str>,
    key: &'j str,
    json: &'j mut Value,
    take: &mut dyn FnMut(&[&str], &str, &mut String),
) {
    match json {
        Value::String(text) => take(path, key, text),
        Value::Array(items) => items.iter_mut().for_each(|item| walk(path, key, item, take)),
        Value::Object(map) => {
            path.push(key);
            for (key, value) in map.iter_mut() {
                walk(path, key, value, take);
            }
            path.pop();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
