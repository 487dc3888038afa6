//! The facets of simple types: conditions on a value, and their description for a person.

use std::cmp::Ordering;

use regex::Regex;

use super::pattern;
use super::simple::{SimpleType, WhiteSpace};
use super::value::{Decimal, Primitive};

/// Most values of an enumeration that are named.
const MOST_NAMED: usize = 20;

/// A condition on a value.
#[derive(Clone, Debug)]
pub(super) enum Facet {
    /// Exactly so long.
    Length(usize),
    /// At least so long.
    MinLength(usize),
    /// At most so long.
    MaxLength(usize),
    /// Any of these patterns: the text, and the compiled expressions.
    Pattern(String, Vec<Regex>),
    /// Any of these values.
    Enumeration(Vec<String>),
    /// In this relation to a bound.
    Bound(Relation, String),
    /// At most so many digits.
    TotalDigits(usize),
    /// At most so many digits after the point.
    FractionDigits(usize),
}

/// The relation of a value to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    AtLeast,
    AtMost,
    MoreThan,
    LessThan,
}

impl Relation {
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::AtLeast => order != Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::MoreThan => order == Ordering::Greater,
            Self::LessThan => order == Ordering::Less,
        }
    }
}

impl Facet {
    /// Does a value with normalised white space meet the condition?
    pub(super) fn holds(&self, of: &SimpleType, text: &str) -> bool {
        match self {
            Self::Length(n) => of.length(text) == *n,
            Self::MinLength(n) => of.length(text) >= *n,
            Self::MaxLength(n) => of.length(text) <= *n,
            Self::Pattern(_, regexes) => regexes.iter().any(|regex| regex.is_match(text)),
            Self::Enumeration(values) => values.iter().any(|value| of.is_same(value, text)),
            Self::Bound(relation, bound) => {
                of.primitive().compare(text, bound).is_some_and(|order| relation.holds(order))
            }
            Self::TotalDigits(n) => Decimal::parse(text).is_some_and(|number| number.total_digits() <= *n),
            Self::FractionDigits(n) => Decimal::parse(text).is_some_and(|number| number.fraction_digits() <= *n),
        }
    }

    /// Can a text with a length in this range meet the condition?
    pub(super) fn may_hold(&self, least: usize, most: usize) -> bool {
        let lengths = least..=most;
        match self {
            Self::Length(n) => lengths.contains(n),
            Self::MinLength(n) => most >= *n,
            Self::MaxLength(n) => least <= *n,
            Self::Enumeration(values) => values.iter().any(|value| lengths.contains(&value.chars().count())),
            Self::Pattern(..) | Self::Bound(..) | Self::TotalDigits(_) | Self::FractionDigits(_) => true,
        }
    }

    /// The condition in words, to stand after "must be" or alone.
    pub(super) fn description(&self, of: &SimpleType) -> String {
        let unit = |n: usize| format!("{n} {}{}", of.unit(), if n == 1 { "" } else { "s" });
        match self {
            Self::Length(n) => unit(*n),
            Self::MinLength(n) => format!("at least {}", unit(*n)),
            Self::MaxLength(n) => format!("at most {}", unit(*n)),
            Self::Pattern(text, _) => format!("of the form {text}"),
            Self::Enumeration(values) => match values.as_slice() {
                [value] => format!("'{value}'"),
                values => {
                    let more = if values.len() > MOST_NAMED { ", …" } else { "" };
                    format!("one of {}{more}", values.get(..MOST_NAMED).unwrap_or(values).join(", "))
                }
            },
            Self::Bound(Relation::AtLeast, bound) => format!("at least {bound}"),
            Self::Bound(Relation::AtMost, bound) => format!("at most {bound}"),
            Self::Bound(Relation::MoreThan, bound) => format!("more than {bound}"),
            Self::Bound(Relation::LessThan, bound) => format!("less than {bound}"),
            Self::TotalDigits(n) => format!("of at most {n} digits"),
            Self::FractionDigits(n) => format!("of at most {n} digits after the point"),
        }
    }
}

/// The facets of one restriction, as they are read.
#[derive(Default)]
pub(super) struct FacetSet {
    /// The conditions, in the order of the schema.
    pub(super) facets: Vec<Facet>,
    /// The treatment of white space.
    pub(super) white_space: Option<WhiteSpace>,
}

impl FacetSet {
    /// Adds a facet of a restriction of `base`. Several patterns are alternatives, and so are several enumerations.
    ///
    /// # Errors
    /// The fault of the facet, as a clause.
    pub(super) fn add_facet(&mut self, base: &SimpleType, name: &str, value: &str) -> Result<(), String> {
        let count = || value.trim().parse::<usize>().map_err(|_| format!("'{value}' is not a count"));
        let is_decimal = base.item().is_none() && matches!(base.primitive(), Primitive::Decimal | Primitive::Integer);
        let facet = match name {
            "length" => Facet::Length(count()?),
            "minLength" => Facet::MinLength(count()?),
            "maxLength" => Facet::MaxLength(count()?),
            "totalDigits" if is_decimal => Facet::TotalDigits(count()?),
            "fractionDigits" if is_decimal => Facet::FractionDigits(count()?),
            "minInclusive" => bound(base, Relation::AtLeast, value)?,
            "maxInclusive" => bound(base, Relation::AtMost, value)?,
            "minExclusive" => bound(base, Relation::MoreThan, value)?,
            "maxExclusive" => bound(base, Relation::LessThan, value)?,
            "whiteSpace" => {
                self.white_space = Some(value.parse().map_err(|_| format!("'{value}' is not known"))?);
                return Ok(());
            }
            "pattern" => {
                let regex = pattern::compile(value).map_err(|why| format!("'{value}' {why}"))?;
                for facet in &mut self.facets {
                    if let Facet::Pattern(text, alternatives) = facet {
                        text.push_str(" or ");
                        text.push_str(value);
                        alternatives.push(regex);
                        return Ok(());
                    }
                }
                Facet::Pattern(value.to_owned(), vec![regex])
            }
            "enumeration" => {
                let value = base.normalise(value).into_owned();
                base.check(&value).map_err(|must| format!("'{value}' {must}"))?;
                for facet in &mut self.facets {
                    if let Facet::Enumeration(values) = facet {
                        values.push(value);
                        return Ok(());
                    }
                }
                Facet::Enumeration(vec![value])
            }
            _ => return Err("is not supported".to_owned()),
        };
        self.facets.push(facet);
        Ok(())
    }
}

fn bound(base: &SimpleType, relation: Relation, value: &str) -> Result<Facet, String> {
    let value = base.normalise(value).into_owned();
    base.primitive().check(&value).map_err(|must| format!("'{value}' must be {must}"))?;
    if base.item().is_some() || base.primitive().compare(&value, &value).is_none() {
        return Err("does not apply to this type".to_owned());
    }
    Ok(Facet::Bound(relation, value))
}
