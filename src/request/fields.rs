//! The values that go into a SOAP message or come out of it, by parameter name.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::id::random_uuid;

/// Parameter names with their values, in order. A value may be absent (`None`) if several parameters are zipped by index,
/// and one of them has no value at that index.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fields(BTreeMap<String, Vec<Option<String>>>);

/// Values that come from the rendering and not from a client: the time in UTC, and a UUID.
pub const CONTEXT: [&str; 2] = ["now", "uuid"];

impl Fields {
    /// Adds the values of [`CONTEXT`].
    #[must_use]
    pub fn with_context(mut self, now: DateTime<Utc>) -> Self {
        let [moment, uuid] = CONTEXT;
        self.0.insert(moment.to_owned(), vec![Some(now.format("%Y-%m-%dT%H:%M:%SZ").to_string())]);
        self.0.insert(uuid.to_owned(), vec![Some(random_uuid())]);
        self
    }

    /// An empty set of values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one more value of a parameter.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.push_option(name, Some(value.into()));
    }

    /// Adds one more position of a parameter, perhaps without a value.
    pub fn push_option(&mut self, name: &str, value: Option<String>) {
        match self.0.get_mut(name) {
            Some(values) => values.push(value),
            None => {
                self.0.insert(name.to_owned(), vec![value]);
            }
        }
    }

    /// A copy with only `count` values of a parameter, from index `from` on.
    #[must_use]
    pub fn with_slice(&self, name: &str, from: usize, count: usize) -> Self {
        let mut fields = self.clone();
        if let Some(values) = fields.0.get_mut(name) {
            *values = values.iter().skip(from).take(count).cloned().collect();
        }
        fields
    }

    /// A copy without the values of a parameter.
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

    /// All values of a parameter that are present.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(name).into_iter().flatten().filter_map(Option::as_deref)
    }

    /// The names of all parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
