//! Verdicts: classifies an answer by its status, compared as a value of the status's type, or by its fault.
//!
//! A status code is a value (`0` is also `00` where the status is a number), a range (`>= 0`), `""` for an answer without
//! a status, or `*` for every other. A fault is recognized by an element of the detail (`CasFault`, `CasFault/Code=17`), by
//! the string (`*` stands for any text), or by the code: whole, the local part, or the part behind the last dot.

use std::sync::Arc;

use regex::Regex;

use super::facet::Relation;
use super::simple::SimpleType;
use super::value::Primitive;
use crate::request::Classification;
use crate::xml::Element;

/// The classifications of an operation's answers.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    statuses: Vec<(StatusTest, Classification)>,
    faults: Vec<(FaultTest, Classification)>,
    /// The type of the status, if answers have a status.
    status_type: Option<Arc<SimpleType>>,
}

/// A status code of the bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StatusTest {
    /// No status.
    Absent,
    /// This value.
    Value(String),
    /// A number in this relation to the bound.
    Range(Relation, String),
    /// Every status.
    Any,
}

/// A fault in the bindings.
#[derive(Clone, Debug)]
pub(super) enum FaultTest {
    /// The detail has an element at this path, with this value if given.
    Detail(Vec<String>, Option<String>),
    /// The string is like that.
    Text(Regex),
    /// The code, or a part of the code, is this text.
    Code(String),
    /// Every fault.
    Any,
}

/// A received fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultParts<'f> {
    /// The code: `{namespace}local`, or `local`.
    pub code: &'f str,
    /// The string.
    pub string: &'f str,
    /// The element Fault.
    pub element: &'f Element,
}

impl StatusTest {
    /// Reads a code of the bindings.
    pub(super) fn parse(code: &str) -> Self {
        const RELATIONS: [(&str, Relation); 4] =
            [(">=", Relation::AtLeast), ("<=", Relation::AtMost), (">", Relation::MoreThan), ("<", Relation::LessThan)];
        match code {
            "" => Self::Absent,
            "*" => Self::Any,
            _ => {
                let range = RELATIONS.iter().find_map(|(sign, relation)| {
                    let bound = code.strip_prefix(sign)?.trim();
                    Primitive::Decimal.check(bound).ok().map(|()| Self::Range(*relation, bound.to_owned()))
                });
                range.unwrap_or_else(|| Self::Value(code.to_owned()))
            }
        }
    }

    /// Can a status of that type ever be so?
    ///
    /// # Errors
    /// The requirement that the code does not meet.
    pub(super) fn check(&self, status_type: &SimpleType) -> Result<(), String> {
        match self {
            Self::Value(value) => status_type.check(value),
            Self::Range(..) => {
                let values = status_type.enumerated();
                match values.is_empty() || values.iter().any(|value| self.holds(Some(value), Some(status_type))) {
                    true => Ok(()),
                    false => Err(format!("must be one of {}", values.join(", "))),
                }
            }
            Self::Absent | Self::Any => Ok(()),
        }
    }

    fn holds(&self, status: Option<&str>, status_type: Option<&SimpleType>) -> bool {
        match (self, status) {
            (Self::Absent, status) => status.is_none(),
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Value(value), Some(status)) => {
                value == status || status_type.is_some_and(|simple| simple.is_same(&simple.normalise(value), status))
            }
            (Self::Range(relation, bound), Some(status)) => {
                Primitive::Decimal.compare(status, bound).is_some_and(|order| relation.holds(order))
            }
        }
    }

    /// The rank among tests that hold: the most specific test counts.
    fn rank(&self) -> u8 {
        match self {
            Self::Absent | Self::Value(_) => 0,
            Self::Range(..) => 1,
            Self::Any => 2,
        }
    }
}

impl FaultTest {
    /// Reads a path of a detail.
    pub(super) fn detail(path: &str) -> Self {
        let (path, value) = path.split_once('=').map_or((path, None), |(path, value)| (path, Some(value.to_owned())));
        Self::Detail(path.split('/').map(str::to_owned).collect(), value)
    }

    /// Reads a fault string; `*` stands for any text.
    pub(super) fn string(text: &str) -> Self {
        let pattern = text.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
        Self::Text(Regex::new(&format!("(?s)^{pattern}$")).expect("an escaped text is a valid expression"))
    }

    /// Reads a fault code.
    pub(super) fn code(code: &str) -> Self {
        if code == "*" { Self::Any } else { Self::Code(code.to_owned()) }
    }

    fn holds(&self, fault: &FaultParts<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Code(code) => {
                is_code(fault.code, code) || subcodes(fault.element).iter().any(|sub| is_code(sub, code))
            }
            Self::Text(pattern) => pattern.is_match(fault.string.trim()),
            Self::Detail(path, value) => {
                let details = fault.element.elements().filter(|e| e.name.local.eq_ignore_ascii_case("detail"));
                details.into_iter().any(|detail| has(detail, path, value.as_deref()))
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Detail(_, Some(_)) => 0,
            Self::Detail(_, None) => 1,
            Self::Text(_) => 2,
            Self::Code(_) => 3,
            Self::Any => 4,
        }
    }
}

/// Is `wanted` the whole code, the local part, or the part behind the last dot?
fn is_code(found: &str, wanted: &str) -> bool {
    let local = found.rsplit(['}', ':']).next().unwrap_or_default();
    found == wanted || local == wanted || local.rsplit('.').next() == Some(wanted)
}

/// The values of the subcodes of a fault of SOAP 1.2 (part 1, 5.4.1.3).
fn subcodes(fault: &Element) -> Vec<String> {
    let inner = |element: &Element, local: &str| element.elements().find(|e| &*e.name.local == local).cloned();
    let mut found = Vec::new();
    let mut next = inner(fault, "Code").and_then(|code| inner(&code, "Subcode"));
    while let Some(subcode) = next {
        found.extend(inner(&subcode, "Value").map(|value| value.text().trim().to_owned()));
        next = inner(&subcode, "Subcode");
    }
    found
}

/// Does an element stand at the path, with the value if given?
fn has(element: &Element, path: &[String], value: Option<&str>) -> bool {
    match path {
        [] => value.is_none_or(|value| element.text().trim() == value),
        [step, rest @ ..] => {
            let is_meant = |child: &&Element| &*child.name.local == step.as_str() || child.name.to_string() == *step;
            element.elements().filter(is_meant).any(|child| has(child, rest, value))
        }
    }
}

impl Verdicts {
    /// Verdicts by the tests of the bindings, most specific first.
    pub(super) fn new(
        mut statuses: Vec<(StatusTest, Classification)>,
        mut faults: Vec<(FaultTest, Classification)>,
        status_type: Option<Arc<SimpleType>>,
    ) -> Self {
        statuses.sort_by_key(|(test, _)| test.rank());
        faults.sort_by_key(|(test, _)| test.rank());
        Self { statuses, faults, status_type }
    }

    /// Classifies a status; `None` for a missing status that the bindings do not classify.
    pub fn classify_status(&self, status: Option<&str>) -> Option<Classification> {
        let status_type = self.status_type.as_deref();
        let found = self.statuses.iter().find(|(test, _)| test.holds(status, status_type));
        found.map(|(_, class)| *class).or(status.map(|_| Classification::Rejected))
    }

    /// The codes of statuses and faults that the bindings classify by name.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let statuses = self.statuses.iter().filter_map(|(test, _)| match test {
            StatusTest::Value(value) => Some(value.as_str()),
            StatusTest::Absent | StatusTest::Range(..) | StatusTest::Any => None,
        });
        let faults = self.faults.iter().filter_map(|(test, _)| match test {
            FaultTest::Code(code) => Some(code.as_str()),
            FaultTest::Detail(..) | FaultTest::Text(_) | FaultTest::Any => None,
        });
        statuses.chain(faults)
    }

    /// A fault code of a class, if the bindings name any.
    pub fn fault_code_for(&self, class: Classification) -> Option<&str> {
        self.faults.iter().find_map(|(test, of)| match test {
            FaultTest::Code(code) if *of == class => Some(code.as_str()),
            _ => None,
        })
    }

    /// Classifies a fault.
    pub fn classify_fault(&self, fault: &FaultParts<'_>) -> Classification {
        let found = self.faults.iter().find(|(test, _)| test.holds(fault));
        found.map_or(Classification::Rejected, |(_, class)| *class)
    }

    /// A status that says so, for an answer of the simulator; `preferred` if that does.
    pub fn status_for(&self, class: Classification, preferred: &str) -> Option<String> {
        let status_type = self.status_type.as_ref()?;
        let is_fit =
            |status: &str| status_type.check(status).is_ok() && self.classify_status(Some(status)) == Some(class);
        let candidates = self.statuses.iter().filter_map(|(test, _)| match test {
            StatusTest::Value(value) | StatusTest::Range(_, value) => Some(value.as_str()),
            _ => None,
        });
        let others = ["1", "0", "-1", "true", "false"];
        let mut candidates = std::iter::once(preferred).chain(candidates).chain(others);
        candidates.find(|status| is_fit(status)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::super::builtin::built_in;
    use super::super::facet::FacetSet;
    use super::*;
    use crate::xml::{Limits, parse};
    use Classification::{Completed, Rejected, RetryLater};

    fn statuses(of: &str, codes: &[(&str, Classification)]) -> Verdicts {
        let tests = codes.iter().map(|(code, class)| (StatusTest::parse(code), *class)).collect();
        Verdicts::new(tests, Vec::new(), built_in(of))
    }

    #[test]
    fn a_status_is_compared_as_a_value() {
        let verdicts = statuses("boolean", &[("true", Completed), ("*", Rejected)]);
        let said = |status| verdicts.classify_status(status);
        assert_eq!([said(Some("1")), said(Some("true")), said(Some("0"))], [Completed, Completed, Rejected].map(Some));
        assert_eq!(said(None), None);
        let verdicts = statuses("int", &[("*", Rejected), (">= 0", Completed), ("7", RetryLater), ("", Rejected)]);
        let said = |status| verdicts.classify_status(status);
        assert_eq!([said(Some("00")), said(Some("+7")), said(Some("-1"))], [Completed, RetryLater, Rejected].map(Some));
        assert_eq!(said(None), Some(Rejected));
        let verdicts = statuses("string", &[("OK", Completed), ("> 99", RetryLater)]);
        let said = |status| verdicts.classify_status(status);
        assert_eq!(
            [said(Some("OK")), said(Some("100")), said(Some("99"))],
            [Completed, RetryLater, Rejected].map(Some)
        );
        assert_eq!(verdicts.status_for(Rejected, "SYSTEM_ERROR").as_deref(), Some("SYSTEM_ERROR"));
        let mut set = FacetSet::default();
        ["OK", "FAILED"]
            .iter()
            .for_each(|value| set.add_facet(&built_in("string").unwrap(), "enumeration", value).unwrap());
        let listed = SimpleType::restriction(built_in("string").unwrap(), set);
        assert!(StatusTest::parse(">= 0").check(&listed).is_err() && StatusTest::parse("OK").check(&listed).is_ok());
        let verdicts = statuses("boolean", &[("true", Completed)]);
        assert_eq!(verdicts.status_for(Completed, "OK").as_deref(), Some("true"));
        assert_eq!(verdicts.status_for(Rejected, "SYSTEM_ERROR").as_deref(), Some("0"));
    }

    #[test]
    fn a_fault_is_known_by_detail_string_or_code() {
        let tests = vec![
            (FaultTest::code("*"), Rejected),
            (FaultTest::code("NotLoggedIn"), RetryLater),
            (FaultTest::code("{urn:a}Busy"), RetryLater),
            (FaultTest::string("card * is paired already*"), Completed),
            (FaultTest::detail("CasFault/Code=17"), RetryLater),
            (FaultTest::detail("Paired"), Completed),
        ];
        let verdicts = Verdicts::new(Vec::new(), tests, None);
        let said = |code: &str, string: &str, inside: &str| {
            let element = parse(&format!("<Fault>{inside}</Fault>"), Limits::default()).unwrap();
            verdicts.classify_fault(&FaultParts { code, string, element: &element })
        };
        assert_eq!(said("{urn:x}Server", "no", ""), Rejected);
        assert_eq!(said("{urn:x}Client.NotLoggedIn", "no", ""), RetryLater);
        assert_eq!(said("NotLoggedIn", "no", ""), RetryLater);
        assert_eq!((said("{urn:a}Busy", "", ""), said("{urn:b}Busy", "", "")), (RetryLater, Rejected));
        assert_eq!(said("Server", "card 7 is paired already with 8", ""), Completed);
        assert_eq!(said("Server", "the card 7 is paired already", ""), Rejected);
        assert_eq!(said("Server", "", "<detail><CasFault><Code> 17 </Code></CasFault></detail>"), RetryLater);
        assert_eq!(said("Server", "", "<detail><CasFault><Code>18</Code></CasFault></detail>"), Rejected);
        assert_eq!(said("Server", "", "<Detail><p:Paired xmlns:p='urn:p'/></Detail>"), Completed);
        let subcode = "<Code><Value>s:Sender</Value><Subcode><Value>a:NotLoggedIn</Value></Subcode></Code>";
        assert_eq!(said("{urn:x}Sender", "", subcode), RetryLater);
    }
}
