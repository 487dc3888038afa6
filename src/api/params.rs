//! Takes the parameters of a call one by one; each fault names the JSON path of its parameter.
//!
//! Rule: a parameter that no method takes is unknown, and an error ([`Params::finish`]). null means absent. Every text
//! is checked against the characters of XML 1.0, because it may become part of a SOAP message.

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::secret::Secret;
use crate::words::{did_you_mean, parse_word, quoted};
use crate::xml::find_forbidden;

/// The parameters of a call, or of an object inside a parameter.
#[derive(Debug)]
pub struct Params {
    values: Map<String, Value>,
    /// The names that the method asked for, to suggest a correction of a misspelt name.
    known: Vec<&'static str>,
    location: String,
}

impl Params {
    /// The parameters at the top of a call.
    pub fn new(values: Map<String, Value>) -> Self {
        Self::inside(values, "$".to_owned())
    }

    fn inside(values: Map<String, Value>, location: String) -> Self {
        Self { values, known: Vec::new(), location }
    }

    /// The JSON path of a parameter.
    pub fn location_of(&self, name: &str) -> String {
        format!("{}.{name}", self.location)
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.values.remove(name).filter(|v| !v.is_null())
    }

    /// Takes a text that may be absent.
    ///
    /// # Errors
    /// The value is no text, or has characters that XML does not allow.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let location = self.location_of(name);
        match value {
            Value::String(text) => check_text(&location, name, text).map(Some),
            other => Err(wrong_type(location, name, "a string", &other)),
        }
    }

    /// Takes a mandatory text, which must not be empty.
    ///
    /// # Errors
    /// The errors of [`Params::text`], or the text is absent or empty.
    pub fn mandatory_text(&mut self, name: &'static str) -> Result<String, ApiError> {
        match self.text(name)? {
            None => Err(ApiError::missing(self.location_of(name))),
            Some(text) if text.is_empty() => {
                Err(ApiError::invalid(self.location_of(name), format!("{name} must not be empty.")))
            }
            Some(text) => Ok(text),
        }
    }

    /// Checks that a mandatory parameter is present.
    ///
    /// # Errors
    /// MISSING_PARAMETER.
    pub fn require(&self, name: &str) -> Result<(), ApiError> {
        match self.has(name) {
            true => Ok(()),
            false => Err(ApiError::missing(self.location_of(name))),
        }
    }

    /// Takes several texts: an array, or one text with commas. `None` if absent.
    ///
    /// # Errors
    /// The value is neither.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, ApiError> {
        let items = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(text) => vec![text],
        };
        let mut texts = Vec::new();
        for item in items {
            let Value::String(text) = item else {
                return Err(wrong_type(self.location_of(name), name, "a string, or an array of strings", &item));
            };
            texts.extend(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()));
        }
        Ok(texts)
    }

    /// Takes true or false, or 1 or 0 as the record writes them.
    ///
    /// # Errors
    /// Any other value.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::Number(n)) if n.as_u64() == Some(1) => Ok(Some(true)),
            Some(Value::Number(n)) if n.as_u64() == Some(0) => Ok(Some(false)),
            Some(other) => Err(wrong_type(self.location_of(name), name, "true or false", &other)),
        }
    }

    /// Takes a whole number from 0 to `max`; a query gives it as text.
    ///
    /// # Errors
    /// Any other value.
    pub fn count(&mut self, name: &'static str, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = match &value {
            Value::Number(n) => n.as_u64(),
            Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        match number.filter(|n| *n <= max) {
            Some(number) => Ok(Some(number)),
            None => {
                let message = format!("{name} must be a whole number from 0 to {max}.");
                Err(ApiError::invalid(self.location_of(name), message))
            }
        }
    }

    /// Takes a whole number that may be absent.
    ///
    /// # Errors
    /// Any other value.
    pub fn whole(&mut self, name: &'static str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(wrong_type(self.location_of(name), name, "a whole number", &value)),
        }
    }

    /// The parameters that were not taken yet, as JSON; the text named `masked` is masked.
    pub fn to_json(&self, masked: Option<&str>) -> String {
        self.masked(masked).to_string()
    }

    /// [`Params::to_json`] with keys in alphabetical order, whatever the client's order.
    pub fn sorted(&self, masked: Option<&str>) -> Value {
        let mut values = self.masked(masked);
        values.sort_all_objects();
        values
    }

    /// The value of a parameter that was not taken yet.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    fn masked(&self, name: Option<&str>) -> Value {
        let mut values = self.values.clone();
        if let Some(value) = name.and_then(|name| values.get_mut(name)) {
            *value = Value::String(Secret::mask());
        }
        Value::Object(values)
    }

    /// Takes one of several words, in upper or lower case.
    ///
    /// # Errors
    /// Another word, or no text.
    pub fn word<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        as_str: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let value = parse_word(&text, all.iter().copied(), as_str);
        value
            .map(Some)
            .map_err(|expected| ApiError::invalid(self.location_of(name), format!("{name} must be {expected}.")))
    }

    /// Takes an object; a query writes it as `subfield=value`, or as JSON.
    ///
    /// # Errors
    /// Any other value.
    pub fn object(&mut self, name: &'static str) -> Result<Option<Self>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let location = self.location_of(name);
        match value {
            Value::Object(map) => Ok(Some(Self::inside(map, location))),
            Value::String(text) if text.trim_start().starts_with('{') => {
                let map = super::json::parse_object(text.as_bytes())
                    .map_err(|e| ApiError::invalid(&location, format!("{name} is not valid: {}", e.message)))?;
                Ok(Some(Self::inside(map, location)))
            }
            Value::String(text) => match text.split_once('=') {
                Some((key, value)) => {
                    let map = Map::from_iter([(key.trim().to_owned(), Value::String(value.to_owned()))]);
                    Ok(Some(Self::inside(map, location)))
                }
                None => {
                    let message = format!("{name} must be an object; in a query, {name}=subfield=value.");
                    Err(ApiError::invalid(location, message))
                }
            },
            other => Err(wrong_type(location, name, "an object", &other)),
        }
    }

    /// Takes a mandatory array of objects, which must not be empty.
    ///
    /// # Errors
    /// The array is absent, empty, longer than `most`, or has other items than objects.
    pub fn mandatory_objects(&mut self, name: &'static str, most: usize) -> Result<Vec<Self>, ApiError> {
        let location = self.location_of(name);
        match self.take(name) {
            None => Err(ApiError::missing(location)),
            Some(Value::Array(items)) if items.is_empty() => {
                Err(ApiError::invalid(location, format!("{name} must not be empty.")))
            }
            Some(Value::Array(items)) if items.len() > most => {
                let message = format!("{name} must have from 1 to {most} items, not {}.", items.len());
                Err(ApiError::invalid(location, message))
            }
            Some(Value::Array(items)) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let location = format!("{location}[{index}]");
                    match item {
                        Value::Object(map) => Ok(Self::inside(map, location)),
                        other => Err(wrong_type(location, &format!("an item of {name}"), "an object", &other)),
                    }
                })
                .collect(),
            Some(other) => Err(wrong_type(location, name, "an array", &other)),
        }
    }

    /// Is a parameter present?
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|v| !v.is_null())
    }

    /// Checks that every parameter was taken.
    ///
    /// # Errors
    /// The first unknown name, with a suggestion.
    pub fn finish(&self) -> Result<(), ApiError> {
        let Some(name) = self.values.keys().find(|k| !self.known.contains(&k.as_str())) else { return Ok(()) };
        let location: String = self.location_of(name).chars().take(200).collect();
        let hint = did_you_mean(name, self.known.iter().copied());
        Err(ApiError::invalid(location, format!("{} is not a parameter here.{hint}", quoted(name))))
    }
}

fn check_text(location: &str, name: &str, text: String) -> Result<String, ApiError> {
    match find_forbidden(&text) {
        None => Ok(text),
        Some((_, bad)) => {
            let message = format!("{name} has the character U+{:04X}, which XML 1.0 cannot carry.", u32::from(bad));
            Err(ApiError::invalid(location, message))
        }
    }
}

fn wrong_type(location: String, name: &str, expected: &str, got: &Value) -> ApiError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ApiError::invalid(location, format!("{name} must be {expected}, not {got}."))
}
