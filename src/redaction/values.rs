//! Values that are looked for wherever they stand in a text.
//!
//! A text is searched for all values at once, and whatever stands between letters and digits does not count: so the cost
//! is that of the text, however many values are known. A short value must stand by itself, divided as it is: a PIN inside a
//! card number is no PIN. A long one is found inside of longer words, and however it is divided: `0145-0253-313`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

/// Letters and digits from which on a value is found anywhere, in texts that do not belong to where it was seen, too.
const LONG: usize = 8;
/// Letters and digits of values that are looked for, with and without letters. Shorter ones could be anything, and nobody
/// repeats longer ones.
const WORDS: std::ops::RangeInclusive<usize> = 3..=256;
const NUMBERS: std::ops::RangeInclusive<usize> = 4..=256;
/// Characters that values are looked up by.
const BEGINNING: usize = 3;
/// Stands for all that stands between letters and digits.
const GAP: char = ' ';

/// Values.
#[derive(Default)]
pub(super) struct Values {
    /// With their gaps.
    short: Set,
    /// Without.
    long: Set,
}

#[derive(Default)]
struct Set {
    all: HashSet<Vec<char>>,
    lengths: HashMap<[char; BEGINNING], BTreeSet<usize>>,
}

impl Set {
    fn add(&mut self, value: Vec<char>) {
        if let Some(beginning) = value.first_chunk::<BEGINNING>() {
            self.lengths.entry(*beginning).or_default().insert(value.len());
            self.all.insert(value);
        }
    }

    /// What begins there, the longest first.
    fn at<'t>(&self, text: &'t [char]) -> impl Iterator<Item = &'t [char]> {
        let lengths = text.first_chunk::<BEGINNING>().and_then(|beginning| self.lengths.get(beginning));
        let windows = lengths.into_iter().flatten().rev().filter_map(|length| text.get(..*length));
        windows.filter(|window| self.all.contains(*window))
    }
}

impl Values {
    /// Adds a value, unless it is too short to be told from others like it, or too long. Returns whether it is long.
    pub(super) fn add(&mut self, value: &str) -> bool {
        let Folded { letters, with_gaps, .. } = Folded::of(value);
        let lengths = if letters.iter().any(|c| c.is_alphabetic()) { WORDS } else { NUMBERS };
        let is_long = letters.len() >= LONG;
        if lengths.contains(&letters.len()) {
            if is_long { self.long.add(letters) } else { self.short.add(with_gaps) }
        }
        is_long
    }

    /// The letters and digits of the longest value that begins with that one.
    fn length_at(&self, text: &Folded, at: usize, is_word: bool) -> Option<usize> {
        let is_wanted = |value: &&[char]| !is_word || value.iter().any(|c| c.is_numeric());
        let long = self.long.at(text.letters.get(at..)?).find(is_wanted);
        let short = || {
            let start = *text.in_gaps.get(at)?;
            let value = self.short.at(text.with_gaps.get(start..)?).find(|value| {
                let before = start.checked_sub(1).and_then(|before| text.with_gaps.get(before));
                let after = text.with_gaps.get(start + value.len());
                !goes_on(before, value.first()) && !goes_on(value.last(), after)
            })?;
            Some(value.iter().filter(|c| **c != GAP).count())
        };
        long.map(<[char]>::len).or_else(|| if is_word { None } else { short() })
    }
}

/// Where the values of these sets stand in a text; of a word of the protocol only long ones with digits count.
pub(super) fn find(sets: &[&Values], text: &str, is_word: bool) -> Vec<Range<usize>> {
    let folded = Folded::of(text);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < folded.letters.len() {
        let length = sets.iter().filter_map(|values| values.length_at(&folded, at, is_word)).max();
        if let Some((first, last)) = length.and_then(|n| folded.places.get(at).zip(folded.places.get(at + n - 1))) {
            found.push(first.start..last.end);
        }
        at += length.unwrap_or(1);
    }
    found
}

/// Are two neighbours digits of one number, or letters of one word?
fn goes_on(one: Option<&char>, other: Option<&char>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    (one.is_numeric() && other.is_numeric()) || (one.is_alphabetic() && other.is_alphabetic())
}

/// The letters and digits of a text, letters in lower case.
struct Folded {
    letters: Vec<char>,
    places: Vec<Range<usize>>,
    with_gaps: Vec<char>,
    /// The place of each among those with gaps.
    in_gaps: Vec<usize>,
}

impl Folded {
    fn of(text: &str) -> Self {
        let mut folded = Self { letters: Vec::new(), places: Vec::new(), with_gaps: Vec::new(), in_gaps: Vec::new() };
        for (start, c) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
            if folded.places.last().is_some_and(|before| before.end < start) {
                folded.with_gaps.push(GAP);
            }
            let lower = c.to_lowercase().next().unwrap_or(c);
            folded.in_gaps.push(folded.with_gaps.len());
            folded.with_gaps.push(lower);
            folded.letters.push(lower);
            folded.places.push(start..start + c.len_utf8());
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(values: &[&str], text: &'t str) -> Vec<&'t str> {
        let mut known = Values::default();
        for value in values {
            known.add(value);
        }
        find(&[&known], text, false).into_iter().map(|place| &text[place]).collect()
    }

    #[test]
    fn a_short_value_stands_by_itself() {
        assert_eq!(found(&["1212"], "1212 x1212y 01212 12121 12-12 '1212'"), ["1212"; 3]);
        assert_eq!(found(&["Jo Smith"], "jo smith? JO\nSMITH, Josmith; Jo"), ["jo smith", "JO\nSMITH"]);
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
        let found = find(&[&known], "COMPLETED A1B2C3D4 4711", true);
        assert!(matches!(&found[..], [only] if *only == (10..18)), "{found:?}");
    }
}
