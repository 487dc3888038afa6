//! Words that a person or another program wrote: the word that a list has for them, in any case, and the one that was
//! probably meant.

use strum::VariantArray;

/// An enum of which each value is a word, the same one in JSON, in the store, in the configuration and on the command
/// line: strum derives it from the value's name.
pub(crate) trait Word: Copy + VariantArray + Into<&'static str> {
    /// The word.
    fn as_str(self) -> &'static str {
        self.into()
    }
}

impl<T: Copy + VariantArray + Into<&'static str>> Word for T {}

/// Characters of a word that are compared, and shown; a longer one is no slip of the pen.
const LONGEST: usize = 64;

/// The value whose word this is, in upper or lower case.
///
/// # Errors
/// The expected words, as the end of the sentence "must be …".
pub(crate) fn parse_word<T: Copy>(
    given: &str,
    all: impl IntoIterator<Item = T> + Clone,
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.clone().into_iter().find(|value| as_str(*value).eq_ignore_ascii_case(given));
    found.ok_or_else(|| format!("one of {}", all.into_iter().map(as_str).collect::<Vec<_>>().join(", ")))
}

/// The known word that is so close to the given one that it was probably meant: in any case at most a third of its
/// characters differ. None where nothing is: a wrong guess is worse than none.
pub(crate) fn closest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if given.chars().count() > LONGEST {
        return None;
    }
    let given = given.to_lowercase();
    let distance = |word: &str| strsim::osa_distance(&given, &word.to_lowercase());
    let nearest = known.into_iter().map(|word| (distance(word), word)).min_by_key(|(distance, _)| *distance)?;
    let (distance, word) = nearest;
    let shorter = word.chars().count().min(given.chars().count());
    (distance <= (shorter / 3).max(1) && distance < shorter).then_some(word)
}

/// [`closest`] as a sentence that begins with a space, or nothing.
pub(crate) fn did_you_mean<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    closest(given, known).map(|word| format!(" Did you mean {word}?")).unwrap_or_default()
}

/// The known words that differ from the given one in two characters at most, in any case, the nearest first; at most so many.
pub(crate) fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>, most: usize) -> Vec<&'k str> {
    let given: String = given.chars().take(LONGEST).collect::<String>().to_lowercase();
    let mut near: Vec<_> = known
        .into_iter()
        .filter(|word| word.len().abs_diff(given.len()) <= 2)
        .map(|word| (strsim::osa_distance(&given, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= 2)
        .collect();
    near.sort_unstable();
    near.truncate(most);
    near.into_iter().map(|(_, word)| word).collect()
}

/// The beginning of a word of any length, to be quoted.
pub(crate) fn quoted(given: &str) -> String {
    given.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::account::Role;
    use crate::catalogue::EntryKind;

    #[test]
    fn only_a_close_word_is_meant() {
        let known = ["token", "smartcard_set", "stb_set", "priority", "process_immediately", "id"];
        for (given, expected) in [
            ("smartcard_sets", Some("smartcard_set")),
            ("smartCardSet", Some("smartcard_set")),
            ("PRIORITY", Some("priority")),
            ("Tokne", Some("token")),
            ("ids", Some("id")),
            ("foo", None),
            ("x", None),
            ("", None),
            ("tag", None),
            ("card", None),
            (&"smartcard_set".repeat(9), None),
        ] {
            assert_eq!(closest(given, known), expected, "{given}");
        }
        assert_eq!(closest("anything", []), None);
    }

    #[test]
    fn the_command_line_has_the_words_of_the_store() {
        fn agree<T: Word + ValueEnum + PartialEq + std::fmt::Debug>() {
            for value in T::VARIANTS {
                assert_eq!(T::from_str(value.as_str(), false).as_ref(), Ok(value));
            }
        }
        agree::<EntryKind>();
        agree::<Role>();
    }

    #[test]
    fn near_words_come_in_order() {
        let known = ["01450000021", "01450000012", "01450000001", "99000000002", "0145000001"];
        let near = ["01450000001", "0145000001", "01450000012", "01450000021"];
        assert_eq!(
            (nearest("01450000011", known, 9), nearest("01450000011", known, 2)),
            (near.to_vec(), near[..2].to_vec())
        );
        assert_eq!(nearest("", known, 3), [""; 0]);
    }

    #[test]
    fn a_word_is_read_in_any_case_or_all_are_listed() {
        let word = |text: &str| parse_word(text, ["ONE", "TWO"], |word| word);
        assert_eq!(word("two"), Ok("TWO"));
        assert_eq!(word("three"), Err("one of ONE, TWO".to_owned()));
    }
}
