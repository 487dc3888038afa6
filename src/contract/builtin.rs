//! The built-in types of XML Schema (part 2, section 3), those derived from others in terms of facets.

use std::sync::Arc;

use super::facet::FacetSet;
use super::simple::{ANY_TYPE, SimpleType};
use super::value::Primitive::{self, Base64, Boolean, Decimal, Duration, Float, Hex, Integer, Moment, Text};

/// The definition of a built-in type.
enum Definition {
    /// A type with a lexical form.
    Primitive(Primitive),
    /// A base type with one facet or two.
    Derived(&'static str, &'static [(&'static str, &'static str)]),
    /// A list with the type of the items.
    List(&'static str),
}
use Definition::{Derived, List};

const COLLAPSE: (&str, &str) = ("whiteSpace", "collapse");
const NCNAME: (&str, &str) = ("pattern", r"[\i-[:]][\c-[:]]*");
const QNAME: (&str, &str) = ("pattern", r"([\i-[:]][\c-[:]]*:)?[\i-[:]][\c-[:]]*");
const LANGUAGE: (&str, &str) = ("pattern", "[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*");

const BUILT_IN: &[(&str, Definition)] = &[
    ("string", Definition::Primitive(Text)),
    (ANY_TYPE, Definition::Primitive(Text)),
    ("anySimpleType", Definition::Primitive(Text)),
    ("anyAtomicType", Definition::Primitive(Text)),
    ("boolean", Definition::Primitive(Boolean)),
    ("decimal", Definition::Primitive(Decimal)),
    ("integer", Definition::Primitive(Integer)),
    ("float", Definition::Primitive(Float)),
    ("double", Definition::Primitive(Float)),
    ("duration", Definition::Primitive(Duration)),
    ("dateTime", Definition::Primitive(Moment("Y-M-DTh:m:s", "a date and time such as 2026-01-31T09:00:00"))),
    ("date", Definition::Primitive(Moment("Y-M-D", "a date such as 2026-01-31"))),
    ("time", Definition::Primitive(Moment("h:m:s", "a time such as 09:00:00"))),
    ("gYearMonth", Definition::Primitive(Moment("Y-M", "a month such as 2026-01"))),
    ("gYear", Definition::Primitive(Moment("Y", "a year such as 2026"))),
    ("gMonthDay", Definition::Primitive(Moment("--M-D", "a day such as --01-31"))),
    ("gMonth", Definition::Primitive(Moment("--M", "a month such as --01"))),
    ("gDay", Definition::Primitive(Moment("---D", "a day such as ---31"))),
    ("hexBinary", Definition::Primitive(Hex)),
    ("base64Binary", Definition::Primitive(Base64)),
    ("anyURI", Derived("string", &[COLLAPSE])),
    ("QName", Derived("string", &[COLLAPSE, QNAME])),
    ("NOTATION", Derived("string", &[COLLAPSE, QNAME])),
    ("normalizedString", Derived("string", &[("whiteSpace", "replace")])),
    ("token", Derived("string", &[COLLAPSE])),
    ("language", Derived("token", &[LANGUAGE])),
    ("Name", Derived("token", &[("pattern", r"\i\c*")])),
    ("NMTOKEN", Derived("token", &[("pattern", r"\c+")])),
    ("NCName", Derived("token", &[NCNAME])),
    ("ID", Derived("token", &[NCNAME])),
    ("IDREF", Derived("token", &[NCNAME])),
    ("ENTITY", Derived("token", &[NCNAME])),
    ("NMTOKENS", List("NMTOKEN")),
    ("IDREFS", List("IDREF")),
    ("ENTITIES", List("ENTITY")),
    ("nonNegativeInteger", Derived("integer", &[("minInclusive", "0")])),
    ("positiveInteger", Derived("integer", &[("minInclusive", "1")])),
    ("nonPositiveInteger", Derived("integer", &[("maxInclusive", "0")])),
    ("negativeInteger", Derived("integer", &[("maxInclusive", "-1")])),
    ("long", Derived("integer", &[("minInclusive", "-9223372036854775808"), ("maxInclusive", "9223372036854775807")])),
    ("int", Derived("integer", &[("minInclusive", "-2147483648"), ("maxInclusive", "2147483647")])),
    ("short", Derived("integer", &[("minInclusive", "-32768"), ("maxInclusive", "32767")])),
    ("byte", Derived("integer", &[("minInclusive", "-128"), ("maxInclusive", "127")])),
    ("unsignedLong", Derived("integer", &[("minInclusive", "0"), ("maxInclusive", "18446744073709551615")])),
    ("unsignedInt", Derived("integer", &[("minInclusive", "0"), ("maxInclusive", "4294967295")])),
    ("unsignedShort", Derived("integer", &[("minInclusive", "0"), ("maxInclusive", "65535")])),
    ("unsignedByte", Derived("integer", &[("minInclusive", "0"), ("maxInclusive", "255")])),
];

/// The built-in type of that local name.
pub(super) fn built_in(name: &str) -> Option<Arc<SimpleType>> {
    const FROM_THE_TABLE: &str = "the table names its own types, and its facets are valid";
    let (name, definition) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(Arc::new(match definition {
        Definition::Primitive(primitive) => SimpleType::of_primitive(name, *primitive),
        Derived(base, facets) => {
            let base = built_in(base).expect(FROM_THE_TABLE);
            let mut set = FacetSet::default();
            for (facet, value) in *facets {
                set.add_facet(&base, facet, value).expect(FROM_THE_TABLE);
            }
            SimpleType::named(name, base, set)
        }
        List(item) => {
            let list = Arc::new(SimpleType::list(built_in(item).expect(FROM_THE_TABLE)));
            let mut set = FacetSet::default();
            set.add_facet(&list, "minLength", "1").expect(FROM_THE_TABLE);
            SimpleType::named(name, list, set)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_well_defined() {
        for (name, _) in BUILT_IN {
            assert_eq!(built_in(name).unwrap().to_string(), *name);
        }
        assert!(built_in("anyThing").is_none());
    }

    #[test]
    fn checks_values() {
        for (name, yes, no) in [
            ("string", " a\n", "\u{0}none"),
            ("token", " a  b ", ""),
            ("int", " +5 ", "2147483648"),
            ("int", "-2147483648", "1.0"),
            ("unsignedByte", "255", "-1"),
            ("positiveInteger", "1", "0"),
            ("unsignedLong", "18446744073709551615", "18446744073709551616"),
            ("boolean", "1", "yes"),
            ("dateTime", "2026-01-31T09:00:00Z", "2026-01-31 09:00:00"),
            ("language", "en-GB", "e n"),
            ("NCName", "a.b", "a:b"),
            ("QName", "a:b", "a:b:c"),
            ("NMTOKENS", " a  b\nc ", ""),
            ("IDREFS", "a b", "a 1"),
        ] {
            let simple = built_in(name).unwrap();
            assert_eq!(simple.check(yes), Ok(()), "{name} takes {yes:?}");
            if !matches!(name, "string" | "token") {
                assert!(simple.check(no).is_err(), "{name} refuses {no:?}");
            }
        }
    }

    #[test]
    fn restrictions_say_what_they_want() {
        let restrict = |base: &Arc<SimpleType>, facets: &[(&str, &str)]| {
            let mut set = FacetSet::default();
            facets.iter().for_each(|(name, value)| set.add_facet(base, name, value).unwrap());
            Arc::new(SimpleType::restriction(base.clone(), set))
        };
        let string = built_in("string").unwrap();
        let id = restrict(&string, &[("minLength", "1"), ("maxLength", "4")]);
        assert_eq!(id.to_string(), "string, at least 1 character, at most 4 characters");
        assert_eq!(id.check("ééééé"), Err("must be at most 4 characters".to_owned()));
        assert_eq!(id.check("éééé"), Ok(()));
        let code = restrict(&id, &[("enumeration", "A"), ("enumeration", "B"), ("pattern", "[A-Z]"), ("pattern", "x")]);
        assert_eq!(code.check("C"), Err("must be one of A, B".to_owned()));
        assert!(code.check("B").is_ok());
        let price = restrict(&built_in("decimal").unwrap(), &[("totalDigits", "4"), ("fractionDigits", "2")]);
        assert!(price.check("0012.500").is_ok());
        assert_eq!(price.check("1.125"), Err("must be of at most 2 digits after the point".to_owned()));
        let name = restrict(&built_in("token").unwrap(), &[("minLength", "3"), ("maxLength", "4")]);
        assert_eq!(name.accept("a  b").unwrap(), "a  b");
        assert_eq!(name.accept(" a  b ").unwrap(), "a b");
        assert!(name.accept(" ab ").is_err());
        assert_eq!(built_in("int").unwrap().accept("\t7 ").unwrap(), "7");
        let list = Arc::new(SimpleType::list(id));
        let two = restrict(&list, &[("maxLength", "2")]);
        assert_eq!(two.check("a b c"), Err("must be at most 2 items".to_owned()));
        assert_eq!(two.check("a bbbbb"), Err("must be at most 4 characters".to_owned()));
        for (base, name, value) in [
            ("string", "minInclusive", "1"),
            ("int", "minInclusive", "x"),
            ("string", "maxLength", "-1"),
            ("int", "enumeration", "x"),
            ("string", "assertion", "x"),
            ("string", "totalDigits", "2"),
            ("string", "pattern", r"\q"),
        ] {
            assert!(FacetSet::default().add_facet(&built_in(base).unwrap(), name, value).is_err(), "{name} {value}");
        }
    }
}
