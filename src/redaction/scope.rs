//! A scope, the texts that belong together: first values are learned from all of them, then each text is rewritten.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::PoisonError;

use serde_json::{Map, Number, Value};

use super::values::{Values, find_values};
use super::walk::{self, Places, Walk};
use super::{Direction, Pseudonymizer, opaque};

/// Digits from which on a number without its leading zeros is still the same value.
const LONG_NUMBER: usize = 8;

/// The texts of one scope.
pub struct Scope<'p> {
    pseudonymizer: &'p Pseudonymizer,
    direction: Direction,
    known: RefCell<Values>,
    /// Values that were remembered, and texts that were read: a record repeats its messages.
    learned: RefCell<HashSet<(bool, String)>>,
    is_lasting: bool,
}

impl<'p> Scope<'p> {
    pub(super) fn new(pseudonymizer: &'p Pseudonymizer, direction: Direction, is_lasting: bool) -> Self {
        Self { pseudonymizer, direction, known: RefCell::default(), learned: RefCell::default(), is_lasting }
    }

    /// Remembers the values in a text whose names mark them as personal.
    pub fn learn(&self, text: &str) {
        if !self.is_new(false, text) {
            return;
        }
        walk::by_name(&self.pseudonymizer.names.personal, text, &|value| self.remember(value));
    }

    /// Remembers the values in a call or a reply of the JSON face whose names mark them as personal.
    pub fn learn_json(&self, json: &Value) {
        self.rewrite_json(&mut Vec::new(), json, &|is_named, value| {
            match (value, is_named) {
                (Value::String(text), true) => self.remember(text),
                (Value::String(text), false) => self.learn(text),
                (Value::Number(number), true) => self.remember(&number.to_string()),
                _ => {}
            }
            value.clone()
        });
    }

    fn remember(&self, value: &str) {
        match self.direction {
            _ if !self.is_new(true, value) => {}
            Direction::Pseudonymize => self.remember_real(value),
            Direction::Restore => self.remember_real(&self.turned(value)),
        }
    }

    fn is_new(&self, is_value: bool, text: &str) -> bool {
        self.learned.borrow_mut().insert((is_value, text.to_owned()))
    }

    /// Remembers a real value, in either direction.
    pub fn remember_real(&self, real: &str) {
        // A reader may parse the value as a number, which has no leading zeros.
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

    /// The text with all personal data replaced.
    pub fn text(&self, text: &str) -> String {
        self.rewrite(text, false)
    }

    /// A name of the protocol, in which only long values are replaced.
    pub fn name(&self, text: &str) -> String {
        self.rewrite(text, true)
    }

    fn rewrite(&self, text: &str, is_name: bool) -> String {
        let names = &self.pseudonymizer.names.personal;
        let found = |places: &mut Places<'_>, is_name| self.replace_found(places, is_name);
        Walk { names, named: &|text| self.turned(text), found: &found }.text(text, is_name)
    }

    /// Replaces opaque bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.pseudonymizer.mark(bytes)
    }

    /// A call or a reply of the JSON face with all personal data replaced.
    pub fn json(&self, json: &Value) -> Value {
        self.rewrite_json(&mut Vec::new(), json, &|is_named, value| match value {
            Value::String(text) if is_named => self.turned(text).into(),
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => {
                let digits = number.to_string();
                let is_personal = is_named || self.text(&digits) != digits;
                Value::Number(if is_personal { self.number(digits) } else { number.clone() })
            }
            other => other.clone(),
        })
    }

    /// Another number of as many digits. A pseudonym that begins with 0 is no number, and is replaced once more; so the way
    /// back ends at the first number.
    fn number(&self, mut digits: String) -> Number {
        loop {
            digits = self.turned(&digits);
            match digits.parse::<Number>() {
                Ok(number) if number.to_string() == digits => return number,
                _ => {}
            }
        }
    }

    /// The JSON with texts, keys among them, and numbers replaced. Items of an array have the key of the array.
    fn rewrite_json<'j>(&self, path: &mut Vec<&'j str>, json: &'j Value, new: &dyn Fn(bool, &Value) -> Value) -> Value {
        match json {
            Value::Array(items) => items.iter().map(|item| self.rewrite_json(path, item, new)).collect(),
            Value::Object(map) => {
                let mut entries = Map::new();
                for (key, value) in map {
                    path.push(key);
                    let value = self.rewrite_json(path, value, new);
                    path.pop();
                    let key = new(false, &Value::String(key.clone()));
                    entries.insert(key.as_str().unwrap_or_default().to_owned(), value);
                }
                Value::Object(entries)
            }
            other => new(self.pseudonymizer.names.personal.has(path), other),
        }
    }

    fn turned(&self, text: &str) -> String {
        self.pseudonymizer.turned(self.direction, text)
    }

    /// Replaces known values, then opaque runs.
    fn replace_found(&self, places: &mut Places<'_>, is_name: bool) {
        if self.pseudonymizer.names.is_word(places.text) {
            return;
        }
        let everywhere = match self.direction {
            Direction::Pseudonymize => &self.pseudonymizer.real,
            Direction::Restore => &self.pseudonymizer.pseudonyms,
        };
        let everywhere = everywhere.read().unwrap_or_else(PoisonError::into_inner);
        for at in find_values(&[&*self.known.borrow(), &*everywhere], places.text, is_name) {
            let new = self.turned(places.get(&at));
            places.put(at, new);
        }
        opaque::each_run(places.text, |run| {
            let written = places.get(&run);
            let is_number = written.bytes().all(|b| b.is_ascii_digit());
            let is_opaque = places.is_free(&run) && (!is_name || is_number) && opaque::is_opaque(written);
            if is_opaque {
                places.put(run, self.pseudonymizer.turned_opaque(self.direction, written));
            }
            is_opaque
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pseudonymizer;
    use super::*;

    #[test]
    fn whatever_is_replaced_comes_back() {
        let pseudonymizer = pseudonymizer(3);
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
        let pseudonymizer = pseudonymizer(3);
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
