//! Texts that belong together: first all of them are learned from, then each is rewritten.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::PoisonError;

use serde_json::{Map, Number, Value};

use super::escapes::Edit;
use super::names::{Class, Names, Wanted};
use super::values::{self, Values};
use super::walk::{self, Open, Walk};
use super::{Direction, Pseudonymizer, opaque};

/// Digits of a number that is certainly the value that it is without zeros before it.
const LONG_NUMBER: usize = 8;

/// Texts that belong together.
pub struct Scope<'p> {
    pseudonymizer: &'p Pseudonymizer,
    direction: Direction,
    known: RefCell<Values>,
    is_lasting: bool,
}

impl<'p> Scope<'p> {
    pub(super) fn new(pseudonymizer: &'p Pseudonymizer, direction: Direction, is_lasting: bool) -> Self {
        Self { pseudonymizer, direction, known: RefCell::default(), is_lasting }
    }

    /// Remembers what is personal by name in a text.
    pub fn learn(&self, text: &str) {
        walk::by_name(&self.pseudonymizer.names, Wanted::Personal, text, &|value| self.remember(value));
    }

    /// The same, in a call or a reply of the JSON face.
    pub fn learn_json(&self, json: &Value) {
        let learn = |class: Class, value: &Value| match (value, class) {
            (Value::String(text), Class::Named) => self.remember(text),
            (Value::String(text), _) => self.learn(text),
            (Value::Number(number), Class::Named) => self.remember(&number.to_string()),
            _ => {}
        };
        rewrite_json(&mut Vec::new(), "", json, &|class, value| {
            learn(class, value);
            value.clone()
        });
    }

    /// Remembers a value.
    pub fn remember(&self, value: &str) {
        match self.direction {
            Direction::Pseudonymize => self.remember_real(value),
            Direction::Restore => self.remember_real(&self.turned(value)),
        }
    }

    /// Remembers a value that is real, whichever way this goes.
    pub fn remember_real(&self, real: &str) {
        // Somebody may take it for a number, which has no zeros before it.
        let number = real.trim_start_matches('0');
        let is_number = number.len() < real.len() && number.len() >= LONG_NUMBER;
        let number = Some(number).filter(|number| is_number && number.bytes().all(|b| b.is_ascii_digit()));
        for real in std::iter::once(real).chain(number) {
            let pseudonym = self.pseudonymizer.turned(Direction::Pseudonymize, real);
            let here = if self.direction == Direction::Restore { &pseudonym } else { real };
            if self.known.borrow_mut().add(here) && self.is_lasting {
                self.pseudonymizer.remember_both(real, &pseudonym);
            }
        }
    }

    /// The text with everything replaced.
    pub fn text(&self, text: &str) -> String {
        self.rewrite(text, |class| class)
    }

    /// A text that is a word of the protocol, of which only what is long enough to be nothing else is replaced.
    pub fn word(&self, text: &str) -> String {
        self.rewrite(text, |_| Class::Word)
    }

    fn rewrite(&self, text: &str, as_class: impl Fn(Class) -> Class) -> String {
        let named = |text: &str| self.turned(text);
        let found = |class: Class, text: &str| self.found(as_class(class), text);
        Walk { names: &self.pseudonymizer.names, wanted: Wanted::Personal, named: &named, found: &found }.text(text)
    }

    /// Bytes that nobody can look into.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.pseudonymizer.mark(bytes)
    }

    /// A call or a reply of the JSON face with everything replaced.
    pub fn json(&self, json: &Value) -> Value {
        let rewrite = |class: Class, value: &Value| match (value, class) {
            (Value::String(text), Class::Named) => self.turned(text).into(),
            (Value::String(text), Class::Word) => self.word(text).into(),
            (Value::String(text), Class::Text) => self.text(text).into(),
            (Value::Number(number), class) => {
                let digits = number.to_string();
                let is_personal = class == Class::Named || self.text(&digits) != digits;
                Value::Number(if is_personal { self.number(digits) } else { number.clone() })
            }
            (other, _) => other.clone(),
        };
        rewrite_json(&mut Vec::new(), "", json, &rewrite)
    }

    /// Another number of as many digits. Where a pseudonym is none, because it begins with 0, it is replaced in its turn:
    /// so the way back ends where this one began.
    fn number(&self, mut digits: String) -> Number {
        loop {
            digits = self.turned(&digits);
            match digits.parse::<Number>() {
                Ok(number) if number.to_string() == digits => return number,
                _ => {}
            }
        }
    }

    fn turned(&self, text: &str) -> String {
        self.pseudonymizer.turned(self.direction, text)
    }

    /// What is replaced in a text that has no further texts in it.
    fn found(&self, class: Class, text: &str) -> Vec<Edit> {
        let everywhere = match self.direction {
            Direction::Pseudonymize => &self.pseudonymizer.real,
            Direction::Restore => &self.pseudonymizer.pseudonyms,
        };
        let everywhere = everywhere.read().unwrap_or_else(PoisonError::into_inner);
        let places = values::find(&[&*self.known.borrow(), &*everywhere], text, class == Class::Word);
        let mut open = Open::of(text);
        places.iter().for_each(|place| open.close(place));
        let mut found: Vec<_> =
            places.into_iter().map(|at| Edit { text: self.turned(in_text(text, &at)), at }).collect();
        for left in open.0 {
            opaque::each_run(in_text(text, &left), |run| {
                let place = left.start + run.start..left.start + run.end;
                let run = in_text(text, &place);
                let is_number = run.bytes().all(|b| b.is_ascii_digit());
                let is_opaque = (class != Class::Word || is_number) && opaque::is_opaque(run);
                if is_opaque {
                    let turned = self.pseudonymizer.turned_opaque(self.direction, run);
                    found.push(Edit { at: place, text: turned });
                }
                is_opaque
            });
        }
        found
    }
}

fn in_text<'t>(text: &'t str, place: &Range<usize>) -> &'t str {
    text.get(place.clone()).unwrap_or_default()
}

/// The same JSON with other texts and numbers, also where a text is a key. Items of an array have the key of the array.
fn rewrite_json<'j>(
    path: &mut Vec<&'j str>,
    key: &'j str,
    json: &'j Value,
    new: &dyn Fn(Class, &Value) -> Value,
) -> Value {
    match json {
        Value::Array(items) => items.iter().map(|item| rewrite_json(path, key, item, new)).collect(),
        Value::Object(map) => {
            path.push(key);
            let entries = map.iter().map(|(key, value)| {
                let value = rewrite_json(path, key, value, new);
                let Value::String(key) = new(Class::Text, &Value::String(key.clone())) else {
                    return (key.clone(), value);
                };
                (key, value)
            });
            let entries: Map<String, Value> = entries.collect();
            path.pop();
            Value::Object(entries)
        }
        other => new(Names::class_of_key(path, key), other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, ContractSource};

    #[test]
    fn whatever_is_replaced_comes_back() {
        let contract = Contract::load(&ContractSource::Embedded).ok().unwrap();
        let pseudonymizer = Pseudonymizer::new(Names::of(&contract, &[]), [3; 32]);
        let text = "<a><CaClientId>01450253313</CaClientId><CaPin>1212</CaPin><b>pin 1212, card 0145-0253 313 of Jo, \
                    9990145025331377, 1450253313, Y2FyZD0wMTQ1MDI1MzMxMw== H4sIAAAAAAAA/8tIzcnJVyjPL8pJAQCFEUoNCwAAAA== \
                    34373131 3F0A9B8C7D6E4F5A 30:31:32:33 550e8400-e29b-41d4-a716-446655440000 20251125</b></a>";
        let scope = pseudonymizer.scope(Direction::Pseudonymize);
        scope.learn(text);
        let hidden = scope.text(text);
        for part in [
            "01450253313",
            "1450253313",
            "1212",
            "0145-0253",
            "Y2FyZD0wMTQ1",
            "H4sIAAAA",
            "34373131",
            "3F0A",
            "30:31",
            "e29b",
        ] {
            assert!(text.contains(part) && !hidden.contains(part), "{part} in {hidden}");
        }
        assert!(hidden.ends_with(" 20251125</b></a>"), "{hidden}");
        let scope = pseudonymizer.scope(Direction::Restore);
        scope.learn(&hidden);
        assert_eq!(scope.text(&hidden), text);
    }

    #[test]
    fn json_is_replaced_by_key_and_by_value_also_in_numbers_and_keys() {
        let contract = Contract::load(&ContractSource::Embedded).ok().unwrap();
        let pseudonymizer = Pseudonymizer::new(Names::of(&contract, &[]), [3; 32]);
        let json = serde_json::json!({"smartcard_ca_id": "01450253313", "service_ca_id": 9, "type": "COMPLETED",
            "message": "COMPLETED", "x": {"01450253313": 1450253313_u64}, "y": [true, null, 1.5]});
        let scope = pseudonymizer.scope(Direction::Pseudonymize);
        scope.learn_json(&json);
        let hidden = scope.json(&json);
        assert!(!hidden.to_string().contains("1450253313"), "{hidden}");
        assert_eq!(
            (&hidden["service_ca_id"], &hidden["type"], &hidden["y"]),
            (&json["service_ca_id"], &json["type"], &json["y"])
        );
        let scope = pseudonymizer.scope(Direction::Restore);
        scope.learn_json(&hidden);
        assert_eq!(scope.json(&hidden), json);
    }
}
