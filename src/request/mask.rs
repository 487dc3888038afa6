//! Secrets that requests carry (CA PINs), and how they are kept out of whatever is shown.

use super::record::Failure;

/// What stands in place of a secret.
const MASK: &str = "****";

/// A secret that a request carries. It is never shown: not by `Debug` either.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

impl Secret {
    /// A secret; an empty one masks nothing.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What is shown in its place.
    pub fn mask() -> String {
        MASK.to_owned()
    }

    /// Masks it wherever it stands by itself: not inside a longer number or word, such as a card number that happens to
    /// contain the PIN.
    pub fn mask_in(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = None;
        while let Some(at) = rest.find(&self.0).filter(|_| !self.0.is_empty()) {
            let (head, tail) = rest.split_at(at);
            let tail = tail.strip_prefix(&self.0).unwrap_or_default();
            let (first, last) = (self.0.chars().next(), self.0.chars().next_back());
            let stands_alone =
                !goes_on(head.chars().next_back().or(before), first) && !goes_on(last, tail.chars().next());
            masked.push_str(head);
            masked.push_str(if stands_alone { MASK } else { &self.0 });
            before = last;
            rest = tail;
        }
        masked + rest
    }

    /// Masks it in all that a failure says.
    pub fn mask_failure(&self, failure: Failure) -> Failure {
        let mask = |text: Option<String>| text.map(|text| self.mask_in(&text));
        Failure {
            code: self.mask_in(&failure.code),
            description: mask(failure.description),
            provider_code: mask(failure.provider_code),
            provider_description: mask(failure.provider_description),
        }
    }
}

/// Are two neighbours digits of one number, or letters of one word?
fn goes_on(one: Option<char>, other: Option<char>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    (one.is_numeric() && other.is_numeric()) || (one.is_alphabetic() && other.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_masked_where_it_stands_by_itself() {
        let pin = Secret::new("1212");
        let masked = "<CaPin>****</CaPin> 01212 12121 PIN**** '****' ****";
        assert_eq!(pin.mask_in(&masked.replace("****", "1212")), masked);
        assert_eq!(pin.mask_in("1212.121212"), "****.121212");
        assert_eq!(Secret::new("").mask_in("abc"), "abc");
        assert_eq!(format!("{pin:?}"), "****");
    }
}
