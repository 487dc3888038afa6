//! Statements that are sent together, without waiting for the answers in between: one round trip to the server for all.
//! They run in their order.

use tokio_postgres::types::ToSql;

/// A value of a statement.
pub(super) type Value<'v> = Box<dyn ToSql + Send + Sync + 'v>;

/// The values of a statement, in the order of its parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as $crate::store::postgres::script::Value<'_>),*] };
}
pub(super) use values;

/// Statements in their order, with their values.
#[derive(Default)]
pub(super) struct Script<'v>(Vec<(&'static str, Vec<Value<'v>>)>);

impl<'v> Script<'v> {
    /// Adds a statement; returns the index of its rows among the results.
    pub(super) fn add(&mut self, sql: &'static str, values: Vec<Value<'v>>) -> usize {
        self.0.push((sql, values));
        self.0.len() - 1
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = (&'static str, Vec<&(dyn ToSql + Sync)>)> {
        self.0.iter().map(|(sql, values)| (*sql, values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()))
    }
}
