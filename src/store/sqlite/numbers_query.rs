//! The query for the numbers of a page of requests.
//!
//! What narrows most leads: the requests that wait for an operator, a reference number, then a device; else each pair of
//! state and type is one range of an index, and the ranges are merged, so that no filter but `failure` makes SQLite read
//! far beyond the page.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use strum::VariantArray as _;

use super::traffic_sql::{Table, failure_text, within};
use crate::request::{Family, RequestType, State};
use crate::store::{DeviceKind, Filter, StoreError};
use crate::words::Word as _;

/// Numbers of a page, at most.
const MOST: u64 = 1_000_000;

/// A query with its values.
pub(super) struct NumbersQuery {
    sql: String,
    values: Vec<Value>,
}

impl NumbersQuery {
    /// The query of a filter, for the database as it is at this moment.
    pub(super) fn new(moment: &Connection, filter: &Filter) -> Result<Self, StoreError> {
        let since = filter.since.map(|since| Table::Requests.find_first_since(moment, since)).transpose()?;
        let after = since.map_or(filter.after, |first| (first - 1).max(filter.after));
        let limit = i64::try_from(filter.limit.min(MOST)).unwrap_or(i64::MAX);
        let offset = i64::try_from(filter.offset).unwrap_or(i64::MAX - limit);
        let before = filter.before.unwrap_or(i64::MAX);
        let mut query = Self { sql: String::new(), values: [after, before, limit, offset].map(Value::from).into() };
        let direction = if filter.newest_first { "DESC" } else { "ASC" };
        let failure = match &filter.failure {
            None => String::new(),
            Some(failure) => {
                let pattern = query.bind(within(failure));
                format!(" AND {} LIKE {pattern} ESCAPE '\\'", failure_text("failure"))
            }
        };
        let page = format!("ORDER BY number {direction} LIMIT ?3 OFFSET ?4");
        let words = Words::of(filter);
        let sources = query.sources(filter);
        query.sql = match sources.split_first() {
            Some((first, others)) => {
                // CROSS JOIN keeps SQLite from another order of reading.
                let others: String = others
                    .iter()
                    .map(|other| format!(" AND EXISTS (SELECT 1 FROM {other} o WHERE o.number = d.number)"))
                    .collect();
                let [families, states, types] =
                    [words.families, words.states, words.types].map(|words| words.join("','"));
                format!(
                    "-- list_requests: narrow
                     SELECT d.number AS number FROM {first} d CROSS JOIN request r ON r.number = d.number
                     WHERE d.number > ?1 AND d.number < ?2{others} AND r.family IN ('{families}')
                         AND r.state IN ('{states}') AND r.type IN ('{types}'){failure} {page}"
                )
            }
            None => {
                let range = |(family, state, request_type)| {
                    format!(
                        "SELECT * FROM (SELECT number FROM request WHERE family = '{family}' AND state = '{state}'
                         AND type = '{request_type}' AND number > ?1 AND number < ?2{failure}
                         ORDER BY number {direction} LIMIT ?3 + ?4)"
                    )
                };
                let ranges: Vec<String> = words.combinations().map(range).collect();
                format!("-- list_requests: ranges\n{} {page}", ranges.join("\nUNION ALL "))
            }
        };
        Ok(query)
    }

    /// The numbers, in the filter's order.
    pub(super) fn read_numbers(&self, moment: &Connection) -> Result<Vec<i64>, StoreError> {
        let mut statement = moment.prepare_cached(&self.sql)?;
        let numbers = statement.query_map(params_from_iter(&self.values), |row| row.get("number"))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// How many numbers there are.
    pub(super) fn count(&self, moment: &Connection) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) AS total FROM ({})", self.sql);
        let total: i64 = moment.prepare_cached(&sql)?.query_row(params_from_iter(&self.values), |r| r.get("total"))?;
        Ok(total.unsigned_abs())
    }

    fn bind(&mut self, value: String) -> String {
        self.values.push(Value::from(value));
        format!("?{}", self.values.len())
    }

    /// The tables that narrow the filter, each with a column `number`.
    fn sources(&mut self, filter: &Filter) -> Vec<String> {
        let mut sources = Vec::new();
        if filter.needs_operator {
            sources.push("(SELECT number FROM request WHERE in_doubt = 'NEEDS_OPERATOR')".to_owned());
        }
        if let Some(reference) = &filter.reference_number {
            let reference = self.bind(reference.clone());
            sources.push(format!("(SELECT number FROM request WHERE reference_number = {reference})"));
        }
        for (kind, ca_id) in [(DeviceKind::Card, &filter.card), (DeviceKind::Stb, &filter.stb)] {
            if let Some(ca_id) = ca_id {
                let ca_id = self.bind(ca_id.clone());
                sources.push(device_source(kind, &ca_id, filter.state));
            }
        }
        sources
    }
}

/// The words that a filter lets through.
struct Words {
    families: Vec<&'static str>,
    states: Vec<&'static str>,
    types: Vec<&'static str>,
}

impl Words {
    fn of(filter: &Filter) -> Self {
        let families = filter.family.map_or(Family::VARIANTS.to_vec(), |family| vec![family]);
        let states = filter.state.map_or(State::VARIANTS.to_vec(), |state| vec![state]);
        let types = filter.request_type.map_or_else(|| RequestType::all().collect(), |request_type| vec![request_type]);
        Self {
            families: families.into_iter().map(Family::as_str).collect(),
            states: states.into_iter().map(State::as_str).collect(),
            types: types.into_iter().map(RequestType::as_str).collect(),
        }
    }

    fn combinations(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let of_family = move |family| {
            let of_state = move |state| self.types.iter().map(move |request_type| (family, state, *request_type));
            self.states.iter().flat_map(move |state| of_state(*state))
        };
        self.families.iter().flat_map(move |family| of_family(*family))
    }
}

/// The numbers of a device's requests, and little else: those that wait and those that were rejected are few among many.
fn device_source(kind: DeviceKind, ca_id: &str, state: Option<State>) -> String {
    let word = kind.as_str();
    match state {
        Some(State::Pending) if kind == DeviceKind::Card => format!(
            "(SELECT number FROM card_queue WHERE card = {ca_id} UNION ALL SELECT number FROM card_lock WHERE card = {ca_id})"
        ),
        Some(State::Rejected) => {
            format!("(SELECT number FROM rejected_device WHERE kind = '{word}' AND ca_id = {ca_id})")
        }
        _ => format!("(SELECT number FROM request_device WHERE kind = '{word}' AND ca_id = {ca_id})"),
    }
}
