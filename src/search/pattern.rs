//! Patterns: words in which `*` stands for any characters.

use crate::request::RequestType;

/// Alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

/// A word, as the parts between which any characters may stand: one part is the word itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Patterns {
    /// Alternatives with commas between them.
    pub(super) fn parse(words: &str) -> Self {
        Self(words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Pattern::parse).collect())
    }

    /// A single pattern; a comma is a comma.
    pub fn one(word: &str) -> Self {
        Self(vec![Pattern::parse(word)])
    }

    /// This word only, whatever characters it has.
    pub fn literal(word: impl Into<String>) -> Self {
        Self(vec![Pattern(vec![word.into()])])
    }

    /// The alternatives.
    pub fn each(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }

    /// The one word that is meant, if it is one.
    pub fn exact(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Pattern(parts)] => match parts.as_slice() {
                [word] => Some(word),
                _ => None,
            },
            _ => None,
        }
    }

    /// The request types that are meant. A SOAP operation is called as its type is, without the underscores.
    pub fn request_types(&self) -> Vec<RequestType> {
        let fits = |name: &str| self.each().any(|pattern| pattern.bare().fits(&bare(name)));
        RequestType::all().filter(|request_type| fits(request_type.as_str())).collect()
    }
}

impl Pattern {
    fn parse(word: &str) -> Self {
        Self(word.split('*').map(str::to_owned).collect())
    }

    /// The parts between which any characters may stand.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The pattern without underscores: SOAP operations have none.
    pub fn without_underscores(&self) -> Self {
        Self(self.parts().map(|part| part.replace('_', "")).collect())
    }

    fn bare(&self) -> Self {
        Self(self.parts().map(bare).collect())
    }

    fn fits(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|word| word == text);
        };
        let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
        for part in between {
            match text.find(part) {
                Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        text.ends_with(last.as_str())
    }
}

fn bare(word: &str) -> String {
    word.replace('_', "").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_its_name_and_by_its_operations() {
        let types = |words: &str| Patterns::parse(words).request_types();
        let named = |name| vec![RequestType::named(name)];
        assert_eq!(types("create_pairing"), named("CREATE_PAIRING"));
        assert_eq!(types("CreatePairing"), named("CREATE_PAIRING"));
        assert_eq!(types("none"), []);
        assert!(types("*subscr*").len() > 1 && types("*").len() == RequestType::all().count());
    }

    #[test]
    fn a_star_is_any_characters_unless_the_word_is_literal() {
        for (pattern, text, fits) in [
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*b", "ab", false),
            ("*", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(Pattern::parse(pattern).fits(text), fits, "{pattern} {text}");
        }
        assert_eq!(Patterns::literal("a*,b").exact(), Some("a*,b"));
        assert_eq!((Patterns::one("a,b").exact(), Patterns::parse("a,b").exact()), (Some("a,b"), None));
    }
}
