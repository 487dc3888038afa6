//! Reads a JSON object strictly. serde_json alone accepts duplicate keys and keeps the last, which hides a client's
//! mistake.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{ApiError, Code};

/// Reads a body that must be one JSON object.
///
/// # Errors
/// MALFORMED_JSON with line and column.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    // Clients such as .NET begin a body with a byte order mark; RFC 8259, 8.1 allows readers to ignore the mark.
    let body = body.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(body);
    let malformed = |message: String| ApiError::new(Code::MalformedJson, message);
    match serde_json::from_slice::<Strict>(body) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(_) => Err(malformed("The body must be one JSON object (line 1, column 1).".to_owned())),
        Err(error) => {
            let words = error.to_string();
            let message = words.split(" at line ").next().unwrap_or_default();
            let (line, column) = (error.line(), error.column());
            Err(malformed(format!("The body is not valid JSON: {message} (line {line}, column {column}).")))
        }
    }
}

/// A value without duplicate keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                let key: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format!("key '{key}' is given twice")));
            }
            let Strict(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_line_and_column() {
        for (body, expected) in [
            (&b"{\"a\":1,\n\"a\":2}"[..], "key 'a' is given twice (line 2, column"),
            (b"{\"a\":}", "(line 1, column 6)"),
            (b"[1]", "one JSON object"),
            (b"{} x", "trailing characters (line 1, column 4)"),
            (b"", "EOF"),
            (b"{\"a\":\"\xFF\"}", "(line 1"),
        ] {
            let error = parse_object(body).unwrap_err();
            assert_eq!(error.code, Code::MalformedJson);
            assert!(error.message.contains(expected), "{}", error.message);
        }
        assert_eq!(parse_object("\u{FEFF}{\"a\":1}".as_bytes()).unwrap().len(), 1);
        assert!(parse_object("\u{FEFF}\u{FEFF}{}".as_bytes()).is_err());
        let deep = [vec![b'['; 200], vec![b']'; 200]].concat();
        assert!(parse_object(&deep).unwrap_err().message.contains("recursion"));
    }
}
