//! The texts that a template can make, as far as they are known before any request: all of them (constants, secrets, the
//! values of a map), examples (dates, digests), or nothing but how long they are.
//!
//! Rule: statements about a template hold for every request, so that a contract is never refused for a text that will not
//! come.

use super::operator::Action;
use super::simple::SimpleType;
use super::template::{Expression, Part, Template, Term};

/// The name of a value that an operator cannot take, and the end of the sentence "must be …".
pub(super) type Unfit = (String, String);

/// A text that is no value of a type, if there is one, and what it must be.
pub(super) type Misfit<'t> = (Option<&'t str>, String);

/// The moments that stand for all dates.
pub(super) const MOMENTS: [&str; 3] = ["2026-01-31T09:00:00", "2030-12-01T00:00:00", "2026-06-15T23:59:59"];
/// Digits of every length up to this stand for ids.
const MOST_DIGITS: usize = 40;
/// Texts that one template is tried with.
const MOST_TEXTS: usize = 200;

/// Texts that a value or a template can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    /// Each of them will be written.
    All(Vec<String>),
    /// Some of many.
    Examples(Vec<String>),
    /// So many characters, and what becomes of digits.
    Unknown { least: usize, most: usize, digits: Vec<String> },
}

impl Texts {
    /// Any text of at most so many characters.
    pub(super) fn any(most: usize) -> Self {
        let digits = (1..=MOST_DIGITS.min(most)).map(|length| "1234567890".chars().cycle().take(length).collect());
        Self::Unknown { least: 1, most, digits: digits.collect() }
    }

    pub(super) fn examples(texts: &[&str]) -> Self {
        Self::Examples(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    fn of(text: &str) -> Self {
        Self::All(vec![text.to_owned()])
    }

    fn list(&self) -> &[String] {
        match self {
            Self::All(texts) | Self::Examples(texts) | Self::Unknown { digits: texts, .. } => texts,
        }
    }

    fn lengths(&self) -> (usize, usize) {
        let counts = || self.list().iter().map(|text| text.chars().count());
        match self {
            Self::All(_) | Self::Examples(_) => (counts().min().unwrap_or(0), counts().max().unwrap_or(0)),
            Self::Unknown { least, most, .. } => (*least, *most),
        }
    }

    /// Texts of one behind texts of the other: the n-th behind the n-th, or all of both.
    fn join(self, next: &Self) -> Self {
        let (here, there) = (self.list(), next.list());
        let is_all = matches!((&self, next), (Self::All(_), Self::All(_))) && here.len() * there.len() <= MOST_TEXTS;
        let joined: Vec<String> = match is_all {
            true => here.iter().flat_map(|a| there.iter().map(move |b| format!("{a}{b}"))).collect(),
            false => {
                let longest = if here.is_empty() || there.is_empty() { 0 } else { here.len().max(there.len()) };
                let pairs = here.iter().cycle().zip(there.iter().cycle()).take(longest);
                pairs.map(|(a, b)| format!("{a}{b}")).collect()
            }
        };
        match (&self, next) {
            (Self::Unknown { .. }, _) | (_, Self::Unknown { .. }) => {
                let ((least, most), (and_least, and_most)) = (self.lengths(), next.lengths());
                let (least, most) = (least.saturating_add(and_least), most.saturating_add(and_most));
                Self::Unknown { least, most, digits: joined }
            }
            _ if is_all => Self::All(joined),
            _ => Self::Examples(joined),
        }
    }

    /// The texts that an operator makes of these.
    ///
    /// # Errors
    /// The end of the sentence "must be …", if the operator can take none of the examples, or not all of the values to come.
    fn apply(self, action: &Action) -> Result<Self, String> {
        let apply = |texts: &[String]| -> Vec<Result<String, String>> {
            let made = texts.iter().map(|text| action.apply(Some(text.into())));
            made.map(|made| made.map(|text| text.unwrap_or_default().into_owned())).collect()
        };
        let of_some = |texts: &[String]| -> Result<Vec<String>, String> {
            let (made, faults): (Vec<_>, Vec<_>) = apply(texts).into_iter().partition(Result::is_ok);
            match faults.into_iter().find_map(Result::err).filter(|_| made.is_empty()) {
                Some(fault) => Err(fault),
                None => Ok(made.into_iter().flatten().collect()),
            }
        };
        Ok(match (self, action) {
            (Self::All(texts), _) => Self::All(apply(&texts).into_iter().collect::<Result<_, _>>()?),
            // A map makes one of its own values of any value.
            (_, Action::Map(map)) => Self::All(map.values().cloned().collect()),
            (Self::Examples(texts), _) => Self::Examples(of_some(&texts)?),
            (unknown @ Self::Unknown { .. }, Action::Digest(..)) => Self::Examples(of_some(unknown.list())?),
            (Self::Unknown { .. }, Action::Date(_)) => {
                let moments: Vec<String> = MOMENTS.iter().map(|moment| (*moment).to_owned()).collect();
                Self::Examples(of_some(&moments)?)
            }
            (Self::Unknown { least, most, digits }, _) => {
                let (least, most) = match action {
                    Action::First(count) | Action::Last(count) => (least.min(*count), most.min(*count)),
                    Action::Pad(count, _) => (least.max(*count), most.max(*count)),
                    // Four characters for each three bytes, of which a character has one to four.
                    Action::Base64 => {
                        (least.div_ceil(3).saturating_mul(4), most.saturating_mul(4).div_ceil(3).saturating_mul(4))
                    }
                    // A letter can become two or three.
                    Action::Upper | Action::Lower => (least, most.saturating_mul(3)),
                    Action::Default(_) | Action::Map(_) | Action::Digest(..) | Action::Date(_) => (least, most),
                };
                Self::Unknown { least, most, digits: of_some(&digits)? }
            }
        })
    }

    /// Why none of them, or not each that will come, is a value of a type: "must be …", with the text if there is one.
    pub(super) fn misfit(&self, simple: &SimpleType) -> Option<Misfit<'_>> {
        let check = |text| misfit_of(text, simple);
        match self {
            Self::All(texts) => texts.iter().find_map(|text| check(text)),
            Self::Examples(texts) => {
                let all: Option<Vec<_>> = texts.iter().map(|text| check(text)).collect();
                all?.into_iter().next()
            }
            Self::Unknown { least, most, digits } => {
                if let Err(must) = simple.check_lengths(*least, *most) {
                    return Some((None, must));
                }
                // A type that takes digits has to take what becomes of digits.
                let takes_digits = !simple.is_enumerated()
                    && Self::any(MOST_DIGITS).list().iter().any(|digits| simple.check(digits).is_ok());
                if !takes_digits {
                    return None;
                }
                let all: Option<Vec<_>> = digits.iter().map(|text| check(text)).collect();
                all?.into_iter().next()
            }
        }
    }
}

fn misfit_of<'t>(text: &'t str, simple: &SimpleType) -> Option<Misfit<'t>> {
    simple.check(text).err().map(|must| (Some(text), must))
}

/// The texts that a template can make, by those that each of its values can be.
///
/// # Errors
/// The value that an operator can never take, and the end of the sentence "must be …".
pub(super) fn texts_of(template: &Template, value: &dyn Fn(&str) -> Texts) -> Result<Texts, Unfit> {
    let mut texts = Texts::of("");
    for part in template.parts() {
        texts = match part {
            Part::Text(text) => texts.join(&Texts::of(text)),
            Part::Value(expression) => texts.join(&of_expression(expression, value)?),
        };
    }
    Ok(texts)
}

fn of_expression(expression: &Expression, value: &dyn Fn(&str) -> Texts) -> Result<Texts, Unfit> {
    let terms = expression.terms.iter().fold(Texts::of(""), |texts, term| match term {
        Term::Text(text) => texts.join(&Texts::of(text)),
        Term::Name(name) => texts.join(&value(name)),
    });
    let name = || expression.names().next().unwrap_or_default().to_owned();
    let mut operators = expression.operators.iter();
    operators.try_fold(terms, |texts, operator| texts.apply(&operator.action)).map_err(|must| (name(), must))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::builtin::built_in;
    use super::super::facet::FacetSet;
    use super::super::template::Maps;
    use super::*;

    /// Facets by name.
    type Facets<'f> = &'f [(&'f str, &'f str)];

    fn restricted(base: &str, facets: Facets<'_>) -> SimpleType {
        let base = built_in(base).unwrap();
        let mut set = FacetSet::default();
        facets.iter().for_each(|(name, value)| set.add_facet(&base, name, value).unwrap());
        SimpleType::restriction(base, set)
    }

    fn misfit(template: &str, base: &str, facets: Facets<'_>) -> Option<String> {
        let map = |entries: &[(&str, &str)]| {
            Arc::new(entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>())
        };
        let maps = Maps::from([("m".to_owned(), map(&[("1", "one"), ("*", "other")]))]);
        let template = Template::parse(template, &maps).unwrap();
        let value = |name: &str| match name {
            "date" => Texts::examples(&MOMENTS),
            "key" => Texts::of("1"),
            "short" => Texts::any(3),
            _ => Texts::any(usize::MAX),
        };
        match texts_of(&template, &value) {
            Ok(texts) => texts.misfit(&restricted(base, facets)).map(|(_, must)| must),
            Err((name, must)) => Some(format!("{name} {must}")),
        }
    }

    #[test]
    fn each_operator_is_tried_with_the_facet_that_it_feeds() {
        let eight: &[_] = &[("maxLength", "8")];
        let digits: &[_] = &[("pattern", "[0-9]{11}")];
        let fits: [(&str, &str, Facets<'_>); 17] = [
            ("{card}", "string", eight),
            ("{card|first:11}", "string", eight),
            ("{card|first:11}", "string", digits),
            ("{card|pad:11}", "string", digits),
            ("{card|last:11|pad:11}", "string", digits),
            ("GW-{card}", "string", &[("pattern", "GW-[0-9]+")]),
            ("{card}", "string", &[("pattern", "smrt[0-9]+")]),
            ("{card|last:1}", "string", &[("enumeration", "A"), ("enumeration", "0")]),
            ("{date}", "dateTime", &[]),
            ("{date|date:%Y-%m-%d}", "date", &[]),
            ("{card|date:%Y-%m-%d}", "date", &[]),
            ("{card|map:m}", "string", eight),
            ("{key|map:m|upper}", "string", &[("enumeration", "ONE")]),
            ("{card+'-'+date|digest:sha1}", "base64Binary", &[("length", "20")]),
            ("{card|digest:md5:hex}", "string", &[("length", "32")]),
            ("{short|upper}-", "string", &[("minLength", "4"), ("maxLength", "4")]),
            ("{card|base64}", "base64Binary", &[]),
        ];
        for (template, base, facets) in fits {
            assert_eq!(misfit(template, base, facets), None, "{template}");
        }
        let unfit: [(&str, &str, Facets<'_>, &str); 14] = [
            ("{card|pad:12}", "string", eight, "must be at most 8 characters"),
            ("{card|pad:12}", "string", digits, "must be of the form [0-9]{11}"),
            ("{card|first:4}", "string", digits, "must be of the form [0-9]{11}"),
            ("{card|last:4}", "string", &[("minLength", "5")], "must be at least 5 characters"),
            ("{card|last:2}", "string", &[("enumeration", "ONE")], "must be 'ONE'"),
            ("GW-{card}", "int", &[], "must be a whole number"),
            ("{short}", "string", &[("length", "4")], "must be 4 characters"),
            ("{short|base64}", "string", &[("maxLength", "3")], "must be at most 3 characters"),
            ("{date}", "date", &[], "must be a date such as 2026-01-31"),
            ("{card|date:%H:%M}", "date", &[], "must be a date such as 2026-01-31"),
            ("{card|map:m|upper}", "string", &[("enumeration", "ONE")], "must be 'ONE'"),
            ("{key|map:m|lower|pad:4:x}", "string", &[("enumeration", "one")], "must be 'one'"),
            ("{card|digest:sha256}", "string", &[("maxLength", "40")], "must be at most 40 characters"),
            ("{key|date:%Y}", "string", &[], "key must be a date and time that the format can show"),
        ];
        for (template, base, facets, must) in unfit {
            assert_eq!(misfit(template, base, facets).as_deref(), Some(must), "{template}");
        }
    }
}
