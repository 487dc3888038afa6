//! A search as SQL: the index that leads, if a term of the search has an index, and the conditions on each row.

use strum::VariantArray as _;

use super::{Dialect, Order, SqlValue, Table};
use crate::request::{Family, RequestType, State};
use crate::search::{Condition, Pattern, Patterns, Search, Standing, Term};
use crate::store::DeviceKind;
use crate::store::rows::RESPONSE;
use crate::words::Word as _;

/// The conditions of a search, with their values.
pub(super) struct Conditions {
    dialect: Dialect,
    table: Table,
    /// The FROM clause, without the bounds of the row numbers.
    source: String,
    /// The column to which the bounds apply.
    number: &'static str,
    parts: Vec<String>,
    values: Vec<SqlValue>,
}

/// The number of values bound before those of the conditions: from, to, limit.
const BOUNDS: usize = 3;

impl Conditions {
    /// `None` if no row of the table can match the search; `family` applies to requests only.
    pub(super) fn new(dialect: Dialect, table: Table, search: &Search, family: Option<Family>) -> Option<Self> {
        let (source, number) = match table {
            Table::Requests => ("request r", "r.number"),
            Table::Exchanges => ("exchange x", "x.number"),
        };
        let (parts, values) = (Vec::new(), Vec::new());
        let mut conditions = Self { dialect, table, source: source.to_owned(), number, parts, values };
        for Term { is_negated, condition } in &search.terms {
            let part = match table {
                Table::Requests => conditions.of_request(condition),
                Table::Exchanges => conditions.of_exchange(condition),
            };
            match (part, is_negated) {
                (Some(part), true) => conditions.parts.push(format!("NOT coalesce({part}, FALSE)")),
                (Some(part), false) => conditions.parts.push(part),
                (None, true) => {}
                (None, false) => return None,
            }
        }
        match table {
            Table::Requests => {
                conditions.parts.extend(family.map(|family| one_of("r.family", vec![family.as_str()])));
                conditions.lead(search, family);
            }
            Table::Exchanges => conditions.lead_to_exchanges(search),
        }
        Some(conditions)
    }

    /// The statement that reads `columns` of the matching rows. Its first three values: the first row number, the row
    /// number behind the last, the limit.
    pub(super) fn select(&self, columns: &str, order: Order) -> String {
        let (number, limit) = (self.number, self.dialect.parameter(BOUNDS));
        format!("-- walk\n{} ORDER BY {number} {order} LIMIT {limit}", self.rows(columns))
    }

    /// The statement that counts the matching rows, with the same first three values.
    pub(super) fn count(&self) -> String {
        let [from, to, limit] = [1, 2, BOUNDS].map(|number| self.dialect.parameter(number));
        if self.table == Table::Requests && self.parts.is_empty() {
            // The index has many more rows per page than the table.
            let source = self.dialect.by_index("request", "request_filter");
            let rows = format!("SELECT 1 FROM {source} WHERE number >= {from} AND number < {to} LIMIT {limit}");
            return format!("-- count_requests: all\nSELECT count(*) AS total FROM ({rows}) AS counted");
        }
        let rows = self.rows("1");
        format!("-- count_requests\nSELECT count(*) AS total FROM ({rows} LIMIT {limit}) AS counted")
    }

    fn rows(&self, columns: &str) -> String {
        let Self { dialect, table, source, number, parts, .. } = self;
        let attempt = match table {
            Table::Requests => "LEFT JOIN attempt a ON a.number = r.number AND a.attempt = r.attempts",
            Table::Exchanges => "",
        };
        let [from, to] = [1, 2].map(|number| dialect.parameter(number));
        let conditions: String = parts.iter().map(|part| format!(" AND {part}")).collect();
        format!("SELECT {columns} FROM {source} {attempt} WHERE {number} >= {from} AND {number} < {to}{conditions}")
    }

    pub(super) fn table(&self) -> Table {
        self.table
    }

    pub(super) fn values(&self) -> &[SqlValue] {
        &self.values
    }

    /// Picks the index that narrows the search most: by doubt, by reference number, by device, or else by state and
    /// type. A completed request has neither a failure nor a doubt.
    fn lead(&mut self, search: &Search, family: Option<Family>) {
        let (mut states, mut types) = (State::VARIANTS.to_vec(), RequestType::all().collect::<Vec<_>>());
        let (mut device, mut wanted_reference, mut needs_operator) = (None, None, false);
        for condition in search.required() {
            match condition {
                Condition::Card(card) => device = device.or(card.exact().map(|card| (DeviceKind::Card, card))),
                Condition::Stb(stb) => device = device.or(stb.exact().map(|stb| (DeviceKind::Stb, stb))),
                Condition::Reference(reference) => wanted_reference = wanted_reference.or(reference.exact()),
                Condition::Type(patterns) => {
                    let named = patterns.request_types();
                    types.retain(|request_type| named.contains(request_type));
                }
                Condition::Fault(_) => states.retain(|state| *state != State::Completed),
                Condition::State(standings) => {
                    needs_operator |= standings.as_slice() == [Standing::NeedsOperator];
                    let has_doubt = standings.iter().any(|standing| standing.is_doubt());
                    let may_be = |state| standings.contains(&Standing::Request(state));
                    states.retain(|state| may_be(*state) || (has_doubt && *state != State::Completed));
                }
                _ => {}
            }
        }
        if needs_operator {
            self.source = self.dialect.by_index("request r", "request_in_doubt");
            self.parts.push("r.in_doubt = 'NEEDS_OPERATOR'".to_owned());
        } else if let Some(reference) = wanted_reference {
            let reference = self.bind(reference);
            let of = |table| format!("SELECT number FROM {table} WHERE reference_number = {reference}");
            let (numbers, join) = (format!("{} UNION {}", of("request"), of("part")), self.dialect.ordered_join());
            self.source = format!("({numbers}) d {join} request r ON r.number = d.number");
            self.number = "d.number";
        } else if let Some((kind, ca_id)) = device {
            let numbers = device_numbers(kind, &self.bind(ca_id), &states);
            let join = self.dialect.ordered_join();
            self.source = format!("({numbers}) d {join} request r ON r.number = d.number");
            self.number = "d.number";
        } else if family.is_some() || states.len() < State::VARIANTS.len() || types.len() < RequestType::all().count() {
            self.source = self.dialect.by_index("request r", "request_filter");
            let families = family.map_or(Family::VARIANTS.to_vec(), |family| vec![family]);
            let all = [
                ("r.family", families.into_iter().map(Family::as_str).collect()),
                ("r.state", states.into_iter().map(State::as_str).collect()),
                ("r.type", types.into_iter().map(RequestType::as_str).collect()),
            ];
            self.parts.extend(all.map(|(column, words)| one_of(column, words)));
        }
    }

    /// Picks the index of smartcards, if the search names a card.
    fn lead_to_exchanges(&mut self, search: &Search) {
        let card = search.required().find_map(|condition| match condition {
            Condition::Card(card) => card.exact(),
            _ => None,
        });
        if let Some(card) = card {
            let (card, join) = (self.bind(card), self.dialect.ordered_join());
            self.source = format!(
                "(SELECT number FROM exchange_card WHERE card = {card}) d {join} exchange x ON x.number = d.number"
            );
            self.number = "d.number";
        }
    }

    fn bind(&mut self, value: impl Into<String>) -> String {
        self.values.push(SqlValue::Text(value.into()));
        self.dialect.parameter(self.values.len() + BOUNDS)
    }

    /// SQL for "any of the columns matches any of the patterns".
    fn fits(&mut self, columns: &[&str], patterns: impl IntoIterator<Item = String>) -> String {
        let mut parts = Vec::new();
        for pattern in patterns {
            let pattern = self.bind(pattern);
            parts.extend(columns.iter().map(|column| self.dialect.fits(column, &pattern)));
        }
        any_of(parts)
    }

    /// SQL for "any string in a JSON column matches any of the patterns". The column is first compared as plain text,
    /// which rules out most rows cheaply.
    fn one_fits(&mut self, column: &str, patterns: &Patterns) -> String {
        let quick = self.fits(&[column], patterns.each().map(|word| format!("%\"{}\"%", like(word))));
        let value = self.fits(&["value"], patterns.each().map(like));
        format!("({quick} AND EXISTS (SELECT 1 FROM {} WHERE {value}))", self.dialect.elements(column))
    }

    fn has_device(&mut self, kind: DeviceKind, ca_id: &str) -> String {
        let (kind, ca_id) = (kind.as_str(), self.bind(ca_id));
        format!(
            "EXISTS (SELECT 1 FROM request_device b WHERE b.kind = '{kind}' AND b.ca_id = {ca_id} AND b.number = r.number)"
        )
    }

    fn of_request(&mut self, condition: &Condition) -> Option<String> {
        Some(match condition {
            Condition::Type(patterns) => {
                one_of("r.type", patterns.request_types().into_iter().map(RequestType::as_str).collect())
            }
            Condition::State(standings) => {
                let parts = standings.iter().map(|standing| match standing {
                    Standing::Request(state) => one_of("r.state", vec![state.as_str()]),
                    Standing::InDoubt => "r.in_doubt IS NOT NULL".to_owned(),
                    Standing::NeedsOperator => "r.in_doubt IS NOT DISTINCT FROM 'NEEDS_OPERATOR'".to_owned(),
                    Standing::Passed | Standing::Broken => "FALSE".to_owned(),
                });
                any_of(parts.collect())
            }
            Condition::Card(patterns) => match patterns.exact() {
                Some(card) => self.has_device(DeviceKind::Card, card),
                None => self.one_fits("r.cards", patterns),
            },
            Condition::Stb(patterns) => match patterns.exact() {
                Some(stb) => self.has_device(DeviceKind::Stb, stb),
                None => {
                    self.fits(&["r.items"], patterns.each().map(|word| format!("%\"stb_ca_id\",\"{}\"%", like(word))))
                }
            },
            Condition::Fault(patterns) => {
                let words = self.fits(&[&self.dialect.failure_text("r.failure")], patterns.each().map(within));
                format!("(r.failure IS NOT NULL AND {words})")
            }
            Condition::Status(patterns) => self.fits(&["CAST(a.http_status AS TEXT)"], patterns.each().map(like)),
            Condition::Reference(patterns) => match patterns.exact() {
                Some(reference) => {
                    let reference = self.bind(reference);
                    let of_a_part = format!("p.number = r.number AND p.reference_number = {reference}");
                    format!("(r.reference_number = {reference} OR EXISTS (SELECT 1 FROM part p WHERE {of_a_part}))")
                }
                None => {
                    let own = self.fits(&["r.reference_number"], patterns.each().map(like));
                    let of_parts = self.fits(&["p.reference_number"], patterns.each().map(like));
                    format!("({own} OR EXISTS (SELECT 1 FROM part p WHERE p.number = r.number AND {of_parts}))")
                }
            },
            Condition::Number(number) => format!("r.number = {number}"),
            Condition::Duration { is_longer, millis } => compare("a.duration_ms", *is_longer, *millis),
            Condition::Note(patterns) => {
                let words = self.fits(&["n.text"], patterns.each().map(within));
                format!("EXISTS (SELECT 1 FROM event n WHERE n.number = r.number AND n.kind = 'NOTED' AND {words})")
            }
            Condition::Text(patterns) => {
                let columns =
                    ["r.id", "r.cards", "r.items", "r.type", "r.reference_number", "r.failure", "r.body", RESPONSE];
                self.fits(&columns, patterns.each().map(within))
            }
        })
    }

    fn of_exchange(&mut self, condition: &Condition) -> Option<String> {
        Some(match condition {
            Condition::Type(patterns) => {
                self.fits(&["x.operation"], patterns.each().map(|word| like(&word.without_underscores())))
            }
            Condition::State(standings) => {
                let has = |standing| standings.contains(&standing);
                match (has(Standing::Passed), has(Standing::Broken)) {
                    (true, true) => "TRUE".to_owned(),
                    (true, false) => "x.error IS NULL".to_owned(),
                    (false, true) => "x.error IS NOT NULL".to_owned(),
                    (false, false) => return None,
                }
            }
            Condition::Card(patterns) => match patterns.exact() {
                Some(card) => {
                    let card = self.bind(card);
                    format!("EXISTS (SELECT 1 FROM exchange_card c WHERE c.card = {card} AND c.number = x.number)")
                }
                None => self.one_fits("x.cards", patterns),
            },
            Condition::Stb(_) | Condition::Reference(_) => return None,
            Condition::Fault(patterns) => self.fits(&["x.fault", "x.error"], patterns.each().map(within)),
            Condition::Status(patterns) => self.fits(&["CAST(x.status AS TEXT)"], patterns.each().map(like)),
            Condition::Number(number) => format!("x.number = {number}"),
            Condition::Duration { is_longer, millis } => compare("x.duration_ms", *is_longer, *millis),
            Condition::Note(patterns) => {
                let words = self.fits(&["n.text"], patterns.each().map(within));
                format!("EXISTS (SELECT 1 FROM exchange_note n WHERE n.number = x.number AND {words})")
            }
            Condition::Text(patterns) => {
                let columns = [
                    "x.id",
                    "x.path",
                    "x.\"user\"",
                    "x.operation",
                    "x.cards",
                    "x.fault",
                    "x.error",
                    "x.request_headers",
                    "x.answer_headers",
                ];
                self.fits(&columns, patterns.each().map(within))
            }
        })
    }
}

fn any_of(parts: Vec<String>) -> String {
    if parts.is_empty() { "FALSE".to_owned() } else { format!("({})", parts.join(" OR ")) }
}

/// The words come from the program itself, so they need no binding.
fn one_of(column: &str, words: Vec<&'static str>) -> String {
    format!("{column} IN ('{}')", words.join("', '"))
}

fn compare(column: &str, is_longer: bool, millis: i64) -> String {
    format!("{column} {} {millis}", if is_longer { ">" } else { "<" })
}

/// The numbers of a device's requests in these states; waiting and rejected requests have small tables of their own.
fn device_numbers(kind: DeviceKind, ca_id: &str, states: &[State]) -> String {
    let word = kind.as_str();
    match states {
        [State::Pending] if kind == DeviceKind::Card => format!(
            "SELECT number FROM card_queue WHERE card = {ca_id} UNION ALL SELECT number FROM card_lock WHERE card = {ca_id}"
        ),
        [State::Rejected] => format!("SELECT number FROM rejected_device WHERE kind = '{word}' AND ca_id = {ca_id}"),
        _ => format!("SELECT number FROM request_device WHERE kind = '{word}' AND ca_id = {ca_id}"),
    }
}

/// A search pattern as a pattern of LIKE.
fn like(pattern: &Pattern) -> String {
    pattern.parts().map(escaped).collect::<Vec<_>>().join("%")
}

/// A pattern of LIKE for texts that contain the search pattern.
fn within(pattern: &Pattern) -> String {
    format!("%{}%", like(pattern))
}

/// Escapes the special characters of LIKE.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
