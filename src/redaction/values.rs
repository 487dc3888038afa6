//! The values to be replaced wherever they stand, and how a text is searched for all of them at once.
//!
//! A text is read as tokens, runs of digits and runs of letters; a value is a sequence of tokens, whatever stands between
//! them. So the cost of a search is that of the text, however many values are known, and a value is found in any spelling:
//! raw, as references of XML, as escapes of JSON, percent-encoded. A value is not found inside a longer token, unless it
//! is long itself: a PIN inside a card number is no PIN. A long one is found however it is divided: `0145-0253-313`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::cipher::{Cipher, Direction};
use super::spelling::{Unit, respell, units};

/// Characters from which on a value is found inside longer tokens, and in texts that do not belong to where it was seen.
const LONG: usize = 8;
/// Characters that the beginnings of long values are told by.
const BEGINNING: usize = 4;
/// Characters of a value, and of one that is looked for inside tokens, at most: longer ones are replaced by name only.
const LONGEST: usize = 256;
const LONGEST_INSIDE: usize = 32;
/// What every fault says, in lower case: whatever somebody is called or says, these are no values.
const PROTOCOL: [&str; 20] = [
    "axisfault",
    "client",
    "envelope",
    "fault",
    "faultactor",
    "faultcode",
    "faultdetail",
    "faultnode",
    "faultstring",
    "faultsubcode",
    "http",
    "org",
    "receiver",
    "schemas",
    "sender",
    "server",
    "soap",
    "www",
    "xml",
    "xmlsoap",
];
/// The end of a word, in lower case, that says what the number behind it is; so many tokens further, at most.
const PIN: &str = "pin";
const BEHIND: usize = 3;
/// Runs of so many digits are card numbers, whoever says so: 11, or 12 as printed with the check digit (facts.md 4.2).
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 11..=12;

/// Values, by their first two tokens.
#[derive(Default)]
pub(super) struct Values {
    phrases: HashMap<String, HashMap<Option<String>, Phrases>>,
    /// Long values without what stands between their tokens, by their number of characters.
    long: BTreeMap<usize, HashSet<String>>,
    /// Short numbers that were seen elsewhere: they mean the same only behind the word [`PIN`].
    pins: HashSet<String>,
    /// How the long ones begin: most places in a text begin none.
    beginnings: HashSet<[char; BEGINNING]>,
}

/// Values that begin alike, and how many tokens they have.
#[derive(Default)]
struct Phrases {
    tokens: HashSet<Vec<String>>,
    lengths: BTreeSet<usize>,
}

/// A run of digits or of letters.
struct Token {
    start: usize,
    end: usize,
    /// ASCII letters in lower case.
    text: String,
}

impl Values {
    /// Adds a value, unless it is too short to be told from others like it: `OK` or `12`. Returns whether it is long.
    pub(super) fn add(&mut self, value: &str) -> bool {
        let mut phrase = Vec::new();
        let mut at = 0;
        while let Some(token) = token(value, at).filter(|_| phrase.len() <= LONGEST) {
            at = token.end;
            phrase.push(token.text);
        }
        let length: usize = phrase.iter().map(|token| token.chars().count()).sum();
        let has_letters = phrase.iter().any(|token| !token.starts_with(|c: char| c.is_numeric()));
        let is_protocol = matches!(phrase.as_slice(), [word] if PROTOCOL.contains(&word.as_str()));
        if length < if has_letters { 3 } else { 4 } || length > LONGEST || is_protocol {
            return false;
        }
        if (LONG..=LONGEST_INSIDE).contains(&length) {
            let together = phrase.concat();
            let chars: Vec<char> = together.chars().take(BEGINNING).collect();
            self.long.entry(length).or_default().insert(together);
            self.beginnings.extend(<[char; BEGINNING]>::try_from(chars));
        }
        let Some(first) = phrase.first() else { return false };
        let known = self.phrases.entry(first.clone()).or_default().entry(phrase.get(1).cloned()).or_default();
        known.lengths.insert(phrase.len());
        known.tokens.insert(phrase);
        length >= LONG
    }

    /// Adds a short number that was seen in other texts.
    pub(super) fn add_pin(&mut self, value: &str) {
        if value.bytes().all(|byte| byte.is_ascii_digit()) {
            self.pins.insert(value.to_owned());
        }
    }

    /// Where the longest value that begins with this token ends.
    fn phrase_end(&self, text: &str, first: &Token) -> Option<usize> {
        let by_second = self.phrases.get(&first.text)?;
        let second = token(text, first.end);
        let longer = second.as_ref().and_then(|second| by_second.get(&Some(second.text.clone())));
        if let Some(Phrases { tokens, lengths }) = longer {
            // The tokens from here on, and where each one ends.
            let (mut here, mut ends) = (vec![first.text.clone()], vec![first.end]);
            while here.len() < lengths.last().copied().unwrap_or(0)
                && let Some(next) = token(text, ends.last().copied().unwrap_or(first.end))
            {
                here.push(next.text);
                ends.push(next.end);
            }
            let fits = |length: &&usize| here.get(..**length).is_some_and(|phrase| tokens.contains(phrase));
            if let Some(length) = lengths.iter().rev().find(fits) {
                return ends.get(length - 1).copied();
            }
        }
        by_second.contains_key(&None).then_some(first.end)
    }

    /// May a long value begin there?
    fn may_begin(&self, chars: &[char]) -> bool {
        chars.first_chunk::<BEGINNING>().is_some_and(|beginning| self.beginnings.contains(beginning))
    }

    /// The number of characters of the longest value that begins there.
    fn long_at(&self, chars: &[char]) -> Option<usize> {
        self.long.iter().rev().find_map(|(length, values)| {
            let window: String = chars.get(..*length)?.iter().collect();
            values.contains(&window).then_some(*length)
        })
    }
}

/// Replaces all that the values name, and whatever looks like a card number.
pub(super) fn replace(cipher: &Cipher, direction: Direction, sets: &[&Values], text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut behind = usize::MAX;
    while let Some(token) = token(text, done) {
        behind = if token.text.ends_with(PIN) { 0 } else { behind.saturating_add(1) };
        out.push_str(text.get(done..token.start).unwrap_or_default());
        let phrase_end = sets.iter().filter_map(|values| values.phrase_end(text, &token)).max();
        let is_pin = behind <= BEHIND && sets.iter().any(|values| values.pins.contains(&token.text));
        let is_card = CARD_DIGITS.contains(&token.text.len()) && token.text.bytes().all(|b| b.is_ascii_digit());
        done = phrase_end.unwrap_or(token.end);
        let found = text.get(token.start..done).unwrap_or_default();
        if phrase_end.is_some() || is_card || is_pin {
            out.push_str(&whole(cipher, direction, found));
        } else {
            done = push_inside(cipher, direction, sets, text, &token, &mut out);
        }
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// In a token that is no value itself a long one may begin, and end in a later one. Returns where it went on to.
fn push_inside(
    cipher: &Cipher,
    direction: Direction,
    sets: &[&Values],
    text: &str,
    token: &Token,
    out: &mut String,
) -> usize {
    let from = |start: usize| {
        let units = units(text.get(start..).unwrap_or_default()).filter(|unit| unit.char.is_alphanumeric());
        units.map(move |unit| Unit { start: start + unit.start, end: start + unit.end, ..unit })
    };
    let chars = |units: &[Unit]| -> Vec<char> { units.iter().map(|unit| unit.char.to_ascii_lowercase()).collect() };
    let beginning: Vec<Unit> = from(token.start).take(token.text.chars().count() + BEGINNING - 1).collect();
    let lowered = chars(&beginning);
    let mut done = token.start;
    for (at, unit) in beginning.iter().enumerate().take_while(|(_, unit)| unit.start < token.end) {
        let may_begin = |values: &&&Values| lowered.get(at..).is_some_and(|rest| values.may_begin(rest));
        if unit.start < done || !sets.iter().any(|values| may_begin(&values)) {
            continue;
        }
        let ahead: Vec<Unit> = from(unit.start).take(LONGEST_INSIDE).collect();
        let rest = chars(&ahead);
        let last = sets.iter().filter_map(|values| values.long_at(&rest)).max().and_then(|n| ahead.get(n - 1));
        if let Some(last) = last {
            out.push_str(text.get(done..unit.start).unwrap_or_default());
            out.push_str(&whole(cipher, direction, text.get(unit.start..last.end).unwrap_or_default()));
            done = last.end;
        }
    }
    if done < token.end {
        out.push_str(text.get(done..token.end).unwrap_or_default());
        done = token.end;
    }
    done
}

/// Replaces a text that is one value as a whole.
pub(super) fn whole(cipher: &Cipher, direction: Direction, text: &str) -> String {
    let chars: Vec<char> = units(text).map(|unit| unit.char).filter(|c| c.is_alphanumeric()).collect();
    let mut replaced = cipher.apply(direction, &chars).into_iter();
    respell(text, |c| if c.is_alphanumeric() { replaced.next().unwrap_or(c) } else { c })
}

/// The next token from a place on.
fn token(text: &str, from: usize) -> Option<Token> {
    let mut found: Option<(Token, bool)> = None;
    for Unit { start, end, char } in units(text.get(from..)?) {
        let (start, end) = (from + start, from + end);
        match &mut found {
            None if char.is_alphanumeric() => {
                let token = Token { start, end, text: char.to_ascii_lowercase().to_string() };
                found = Some((token, char.is_numeric()));
            }
            None => {}
            Some((token, is_numeric)) if char.is_alphanumeric() && char.is_numeric() == *is_numeric => {
                token.text.push(char.to_ascii_lowercase());
                token.end = end;
            }
            Some(_) => break,
        }
    }
    found.map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(values: &[&str], text: &str) -> String {
        let mut known = Values::default();
        for value in values {
            known.add(value);
        }
        replace(&Cipher::new([3; 32]), Direction::Hide, &[&known], text)
    }

    fn pseudonym(value: &str) -> String {
        whole(&Cipher::new([3; 32]), Direction::Hide, value)
    }

    #[test]
    fn a_value_is_found_in_any_spelling_and_not_inside_another() {
        let p = pseudonym("1212");
        assert_eq!(hide(&["1212"], "1212 x1212y 01212 12121 '1212'"), format!("{p} x{p}y 01212 12121 '{p}'"));
        let units: Vec<u32> = p.chars().map(u32::from).collect();
        let [a, b, c, d] = units[..] else { panic!("{p}") };
        let rest = &p[1..];
        let spelled = format!("&#{a};{}&#x{c:x};&#{d:03}; \\u{a:04x}{rest} %{a:02x}{rest}", char::from_u32(b).unwrap());
        assert_eq!(hide(&["1212"], "&#49;2&#x31;&#050; \\u0031212 %31212"), spelled);
        let name = pseudonym("Jo Smith");
        assert_eq!(hide(&["Jo Smith"], "jo smith? JO&#32;SMITH, Jo%20Smith; Jo"), {
            let (a, b) = name.split_once(' ').unwrap();
            let (lower, upper) = (name.to_lowercase(), name.to_uppercase().replace(' ', "&#32;"));
            format!("{lower}? {upper}, {a}%20{b}; Jo")
        });
        assert_eq!(hide(&["OK", "12", "AxisFault"], "OK 12 AxisFault"), "OK 12 AxisFault");
        let mut elsewhere = Values::default();
        elsewhere.add_pin("1212");
        let hidden =
            replace(&Cipher::new([3; 32]), Direction::Hide, &[&elsewhere], "1212, the CaPIN is no 1212, 1212 1212");
        assert_eq!(hidden, format!("1212, the CaPIN is no {p}, 1212 1212"));
    }

    #[test]
    fn long_values_are_found_inside_others_and_cards_without_being_known() {
        let p = pseudonym("01450253313");
        assert_eq!(hide(&["01450253313"], "00001450253313999"), format!("000{p}999"));
        let both = format!("x{}{}", pseudonym("12345678"), pseudonym("9876543210"));
        assert_eq!(hide(&["12345678", "9876543210"], "x123456789876543210"), both, "the first comes first");
        assert_eq!(hide(&[], "card 01450253313."), format!("card {p}."));
        assert_eq!(hide(&[], "014502533130"), pseudonym("014502533130"));
        assert_eq!(hide(&["THMOD001-10002"], "box thmod001-10002"), format!("box {}", pseudonym("thmod001-10002")));
        assert_eq!(hide(&["THMOD001-10002"], "0thmod001-10002a"), format!("0{}a", pseudonym("thmod001-10002")));
        assert_eq!(hide(&["01450253313"], "0145-0253 313."), format!("{}.", pseudonym("0145-0253 313")));
        assert_eq!(hide(&["01450253313"], "0145-0253-31"), "0145-0253-31");
    }

    #[test]
    fn it_is_undone() {
        let (cipher, text) = (Cipher::new([3; 32]), "pin 1212, card &#48;1450253313 of Jo Smith; 9990145025331377");
        let (mut real, mut pseudonyms) = (Values::default(), Values::default());
        for value in ["1212", "01450253313", "Jo Smith"] {
            real.add(value);
            pseudonyms.add(&pseudonym(value));
        }
        let hidden = replace(&cipher, Direction::Hide, &[&real], text);
        let shown = replace(&cipher, Direction::Reveal, &[&pseudonyms], &hidden);
        assert_eq!(shown, text);
    }
}
