//! Reads the query of a GET as if it were the JSON object of a POST: values are texts, brackets in a name nest.
//!
//! `a[b]=1` is `{"a": {"b": "1"}}`, and `a[]=1&a[]=2` or `a[0]=1&a[1]=2` an array, as PHP's http_build_query, jQuery and
//! others write them, with the brackets percent-encoded or not.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::words::quoted;

/// Most levels that brackets may nest.
const DEPTH: usize = 4;

/// Reads a query (`+` is a space, as in an HTML form).
///
/// # Errors
/// A name twice, or with a text and an object, or bytes that are not UTF-8.
pub fn query_object(query: &str) -> Result<Map<String, Value>, ApiError> {
    let mut map = Map::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let path = path_of(&name);
        if !insert(&mut map, &path, Value::String(value)) {
            let name = quoted(&name);
            return Err(ApiError::invalid(format!("$.{name}"), format!("{name} is given twice.")));
        }
    }
    map.values_mut().for_each(make_arrays);
    Ok(map)
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_| ApiError::invalid("$", "The query is not UTF-8."))
}

/// The parts of a name with brackets; the whole name if its brackets are not well-formed.
fn path_of(name: &str) -> Vec<&str> {
    let nested = || {
        let (first, rest) = name.split_once('[')?;
        let inner = rest.strip_suffix(']')?;
        let path: Vec<_> = std::iter::once(first).chain(inner.split("][")).collect();
        let is_good = !first.is_empty() && path.len() <= DEPTH && path.iter().all(|part| !part.contains(['[', ']']));
        is_good.then_some(path)
    };
    nested().unwrap_or_else(|| vec![name])
}

/// Inserts a value; false if the path is taken already. An empty part means the next index.
fn insert(map: &mut Map<String, Value>, path: &[&str], value: Value) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let key = if first.is_empty() { map.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        let is_new = !map.contains_key(&key);
        map.insert(key, value);
        return is_new;
    }
    match map.entry(key).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => insert(inner, rest, value),
        _ => false,
    }
}

/// Turns an object whose keys are 0, 1, 2 … into an array.
fn make_arrays(value: &mut Value) {
    let Value::Object(map) = value else { return };
    map.values_mut().for_each(make_arrays);
    if !map.is_empty() && map.keys().enumerate().all(|(index, key)| *key == index.to_string()) {
        *value = Value::Array(std::mem::take(map).into_iter().map(|(_, item)| item).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> String {
        query_object(query).map_or_else(|error| error.message, |map| Value::Object(map).to_string())
    }

    #[test]
    fn brackets_nest() {
        for (query, json) in [
            ("a=1&b=x+y%26", r#"{"a":"1","b":"x y&"}"#),
            ("i[number]=2&t=x", r#"{"i":{"number":"2"},"t":"x"}"#),
            ("i%5Bnumber%5D=2", r#"{"i":{"number":"2"}}"#),
            ("i%5bid%5d=1&i[number]=2", r#"{"i":{"id":"1","number":"2"}}"#),
            ("f[]=a&f[]=b", r#"{"f":["a","b"]}"#),
            ("f[0]=a&f[1]=b", r#"{"f":["a","b"]}"#),
            ("s[0][c]=1&s[1][c]=2", r#"{"s":[{"c":"1"},{"c":"2"}]}"#),
            ("i=number=2", r#"{"i":"number=2"}"#),
            ("a[b=1", r#"{"a[b":"1"}"#),
            ("[b]=1", r#"{"[b]":"1"}"#),
            ("a[b[c]]=1", r#"{"a[b[c]]":"1"}"#),
            ("a[1][2][3][4]=1", r#"{"a[1][2][3][4]":"1"}"#),
        ] {
            assert_eq!(read(query), json, "{query}");
        }
    }

    #[test]
    fn nothing_is_given_twice() {
        for query in ["a=1&a=2", "i[n]=1&i[n]=2", "i=n=1&i[n]=2", "i[n]=1&i=n=2", "f[0]=a&f[]=b&f[1]=c"] {
            assert!(read(query).contains("given twice"), "{query}");
        }
        assert!(read("a=%FF").contains("UTF-8"));
    }
}
