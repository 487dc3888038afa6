//! Masks the secrets of requests (CA PINs) in every text that is shown.

use std::ops::Range;

use super::record::Failure;
use crate::secret::Secret;

/// The mask in place of a secret.
const MASK: &str = "****";

impl Secret {
    /// Finds the secret in a text, by the same text with the mask in its place.
    pub(super) fn between(text: &str, masked: &str) -> Option<Self> {
        let same = text.chars().zip(masked.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let after = masked.get(same..)?.strip_prefix(MASK)?.chars().next();
        let rest = text.get(same..)?;
        Some(Self::new(after.map_or(rest, |after| rest.split(after).next().unwrap_or_default())))
    }

    /// The text of the mask.
    pub fn mask() -> String {
        MASK.to_owned()
    }

    /// Masks the secret wherever it stands alone: see [`Secret::find_in`].
    pub fn mask_in(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for place in self.find_in(text) {
            masked.push_str(text.get(done..place.start).unwrap_or_default());
            masked.push_str(MASK);
            done = place.end;
        }
        masked + text.get(done..).unwrap_or_default()
    }

    /// Finds the secret wherever it stands alone: not inside a longer number or word, such as a card number that happens
    /// to contain the PIN, and not in a name of XML (`{namespace}local`), which may contain a year. XML character
    /// references count as the characters.
    pub fn find_in(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        // A quick check first, since most texts do not have the secret.
        if self.expose().is_empty() || !(text.contains(self.expose()) || text.contains("&#")) {
            return found;
        }
        let (first, last) = (self.expose().chars().next(), self.expose().chars().next_back());
        let (mut at, mut before) = (0, None);
        while let Some((rest, next)) = text.get(at..).and_then(|rest| Some((rest, rest.chars().next()?))) {
            let is_alone = |after: &&str| !goes_on(before, first) && !goes_on(last, after.chars().next());
            let name = rest.strip_prefix('{').filter(|rest| rest.starts_with("http")).and_then(|rest| rest.find('}'));
            if let Some(after) = self.at_start_of(rest).filter(is_alone) {
                found.push(at..text.len() - after.len());
                (at, before) = (text.len() - after.len(), last);
            } else {
                at += name.map_or(next.len_utf8(), |end| end + 2);
                before = Some(if name.is_some() { '}' } else { next });
            }
        }
        found
    }

    /// The rest of a text that begins with the secret.
    fn at_start_of<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut rest = Some(text).filter(|_| !self.expose().is_empty())?;
        for expected in self.expose().chars() {
            rest = rest.strip_prefix(expected).or_else(|| after_reference(rest, expected))?;
        }
        Some(rest)
    }

    /// Masks the secret in all texts of a failure.
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

/// The rest of a text that begins with a character reference to `expected`.
fn after_reference(text: &str, expected: char) -> Option<&str> {
    let (number, rest) = text.strip_prefix("&#")?.split_once(';')?;
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    (code.ok()? == u32::from(expected)).then_some(rest)
}

/// Are two neighbouring characters digits of one number, or letters of one word?
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
        assert_eq!(pin.mask_in("&#49;2&#x31;&#050; &#49;2"), "**** &#49;2");
        assert_eq!(pin.mask_in("1212.121212"), "****.121212");
        let namespace = "{http://www.w3.org/2003/05/soap-envelope}Receiver";
        assert_eq!(Secret::new("2003").mask_in(&format!("{namespace} 2003/2003/")), format!("{namespace} ****/****/"));
        let body = "<a>0 1212</a><CaPin>1212</CaPin><b/>";
        assert_eq!(Secret::between(body, &pin.mask_in(body)), Some(pin.clone()));
        assert_eq!(Secret::between(body, body), None);
        assert_eq!(Secret::new("").mask_in("abc"), "abc");
    }
}
