//! The values that go into a SOAP message or come out of one, by parameter name.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::id::random_uuid;

/// Parameter name to its values, in order. A value may be absent (`None`) where several parameters run in step and one
/// of them has nothing for that place.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fields(BTreeMap<String, Vec<Option<String>>>);

/// Values that no client gives: the moment in UTC, and an id, of the rendering.
pub const CONTEXT: [&str; 2] = ["now", "uuid"];

impl Fields {
    /// The same with the values of [`CONTEXT`].
    #[must_use]
    pub fn with_context(mut self, now: DateTime<Utc>) -> Self {
        let [moment, uuid] = CONTEXT;
        self.0.insert(moment.to_owned(), vec![Some(now.format("%Y-%m-%dT%H:%M:%SZ").to_string())]);
        self.0.insert(uuid.to_owned(), vec![Some(random_uuid())]);
        self
    }

    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one more value of a parameter.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.push_option(name, Some(value.into()));
    }

    /// Adds one more position of a parameter, possibly empty.
    pub fn push_option(&mut self, name: &str, value: Option<String>) {
        match self.0.get_mut(name) {
            Some(values) => values.push(value),
            None => {
                self.0.insert(name.to_owned(), vec![value]);
            }
        }
    }

    /// The same with only so many values of a parameter, from one on.
    #[must_use]
    pub fn with_slice(&self, name: &str, from: usize, count: usize) -> Self {
        let mut fields = self.clone();
        if let Some(values) = fields.0.get_mut(name) {
            *values = values.iter().skip(from).take(count).cloned().collect();
        }
        fields
    }

    /// The same without the values of a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The number of positions of a parameter.
    pub fn count(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, Vec::len)
    }

    /// The value at a position.
    pub fn at(&self, name: &str, index: usize) -> Option<&str> {
        self.0.get(name)?.get(index)?.as_deref()
    }

    /// The first value.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.at(name, 0)
    }

    /// All values present.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(name).into_iter().flatten().filter_map(Option::as_deref)
    }

    /// The names of all parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
