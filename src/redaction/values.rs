//! Values that are found wherever they stand in a text.
//!
//! A text is searched for all values at once, letter by letter and digit by digit: so the cost is that of the text, however
//! many values are known. A long value is found inside of longer words, and also divided: `0145-0253-313`. A short value must
//! stand by itself, and a short single word undivided: a PIN inside a card number is no PIN.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Range, RangeInclusive};

/// Letters and digits from which on a value is found in the texts of every scope.
const LONG: usize = 8;
/// Letters and digits of values that are found, with and without letters. A shorter value could be anything, and a longer
/// value is never repeated.
const WORDS: RangeInclusive<usize> = 3..=256;
const NUMBERS: RangeInclusive<usize> = 4..=256;
/// Characters that values are looked up by.
const BEGINNING: usize = 3;

/// A set of values.
#[derive(Default)]
pub(super) struct Values {
    /// Letters and digits of each value, and whether other characters may divide them.
    all: HashMap<Box<[char]>, bool>,
    lengths: HashMap<[char; BEGINNING], BTreeSet<usize>>,
}

impl Values {
    /// Adds a value, unless the value is too short to be told from others or too long. Returns whether the value is long.
    pub(super) fn add(&mut self, value: &str) -> bool {
        let Folded { letters, places, .. } = Folded::from_text(value);
        let lengths = if letters.iter().any(|c| c.is_alphabetic()) { WORDS } else { NUMBERS };
        let is_long = letters.len() >= LONG;
        if let Some(beginning) = letters.first_chunk().filter(|_| lengths.contains(&letters.len())) {
            self.lengths.entry(*beginning).or_default().insert(letters.len());
            let may_be_divided = is_long || !is_in_one(&places);
            *self.all.entry(letters.into()).or_default() |= may_be_divided;
        }
        is_long
    }

    /// The letters and digits of the longest value that begins there.
    fn length_at(&self, text: &Folded, at: usize, is_name: bool) -> Option<usize> {
        let letters = text.letters.get(at..)?;
        let is_alone = |end: usize| [at, end].iter().all(|at| text.goes_on.get(*at) != Some(&true));
        let is_wanted = |value: &[char]| !is_name || (value.len() >= LONG && value.iter().any(|c| c.is_numeric()));
        let is_there = |length: &usize| {
            let (value, end) = (letters.get(..*length).unwrap_or_default(), at + length);
            let may_be_divided = self.all.get(value).filter(|_| is_wanted(value));
            may_be_divided.is_some_and(|may| *may || text.places.get(at..end).is_some_and(is_in_one))
                && (*length >= LONG || is_alone(end))
        };
        self.lengths.get(letters.first_chunk()?)?.iter().rev().copied().find(is_there)
    }
}

/// The ranges of a text at which values of these sets stand; in a text that is a name only long values with digits count.
pub(super) fn find_values(sets: &[&Values], text: &str, is_name: bool) -> Vec<Range<usize>> {
    let folded = Folded::from_text(text);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < folded.letters.len() {
        let length = sets.iter().filter_map(|values| values.length_at(&folded, at, is_name)).max();
        if let Some((first, last)) = length.and_then(|n| folded.places.get(at).zip(folded.places.get(at + n - 1))) {
            found.push(first.start..last.end);
        }
        at += length.unwrap_or(1);
    }
    found
}

/// The letters and digits of a text, letters in lower case.
#[derive(Default)]
struct Folded {
    letters: Vec<char>,
    places: Vec<Range<usize>>,
    /// Does a character belong to the same number or word as the character before?
    goes_on: Vec<bool>,
}

impl Folded {
    fn from_text(text: &str) -> Self {
        let mut folded = Self::default();
        for (start, c) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
            let is_next = folded.places.last().is_some_and(|before| before.end == start);
            let is_like = folded.letters.last().is_some_and(|before| before.is_numeric() == c.is_numeric());
            folded.goes_on.push(is_next && is_like);
            folded.letters.push(c.to_lowercase().next().unwrap_or(c));
            folded.places.push(start..start + c.len_utf8());
        }
        folded
    }
}

fn is_in_one(places: &[Range<usize>]) -> bool {
    places.is_sorted_by(|before, next| before.end == next.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(values: &[&str], text: &'t str) -> Vec<&'t str> {
        let mut known = Values::default();
        for value in values {
            known.add(value);
        }
        find_values(&[&known], text, false).into_iter().map(|place| &text[place]).collect()
    }

    #[test]
    fn a_short_value_stands_by_itself() {
        assert_eq!(found(&["1212"], "1212 x1212y 01212 12121 12-12 '1212'"), ["1212"; 3]);
        let names = ["jo smith", "JO\nSMITH", "Jo-smith"];
        assert_eq!(found(&["Jo Smith"], "jo smith? JO\nSMITH, Jo-smith; Jo Banjo Smith"), names);
        assert_eq!(found(&["OK", "12", "123", "Lee"], "OK 12 123 Lee"), ["Lee"]);
        assert!(found(&[&"x1".repeat(200)], &"x1".repeat(200)).is_empty());
    }

    #[test]
    fn a_long_value_is_found_inside_others_and_however_it_is_divided() {
        assert_eq!(
            found(&["01450253313"], "00001450253313999 0145-0253 313. 0145-0253-31"),
            ["01450253313", "0145-0253 313"]
        );
        assert_eq!(found(&["12345678", "9876543210"], "x123456789876543210"), ["12345678", "9876543210"]);
        assert_eq!(found(&["THMOD001-10002", "THMOD001"], "0thmod001-10002a"), ["thmod001-10002"]);
        let mut known = Values::default();
        assert!(known.add("COMPLETED") && known.add("A1B2C3D4") && !known.add("4711"));
        let found = find_values(&[&known], "COMPLETED A1B2C3D4 4711", true);
        assert!(matches!(&found[..], [only] if *only == (10..18)), "{found:?}");
    }
}
