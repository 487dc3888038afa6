//! A search as SQL: what leads (an index, where the search has a term that one serves), and what each row must fulfil.

use rusqlite::types::Value;
use strum::VariantArray as _;

use crate::request::{Family, RequestType, State};
use crate::search::{Condition, Patterns, Search, Standing, Term};
use crate::store::DeviceKind;
use crate::words::Word as _;

/// Which list is walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Requests,
    Exchanges,
}

/// The conditions of a search, with their values.
pub(super) struct Conditions {
    table: Table,
    /// What is read, beside the bounds of the numbers.
    source: String,
    /// The column with the number that the bounds are for.
    number: &'static str,
    parts: Vec<String>,
    values: Vec<Value>,
}

/// Values that stand before those of the conditions: from, to, limit.
const BOUNDS: usize = 3;

impl Conditions {
    /// None where nothing of the table can fulfil the search.
    pub(super) fn new(table: Table, search: &Search) -> Option<Self> {
        let (source, number) = match table {
            Table::Requests => ("request r", "r.number"),
            Table::Exchanges => ("exchange", "number"),
        };
        let (parts, values) = (Vec::new(), Vec::new());
        let mut conditions = Self { table, source: source.to_owned(), number, parts, values };
        if table == Table::Requests {
            conditions.lead(search);
        }
        for Term { is_negated, condition } in &search.terms {
            let part = match table {
                Table::Requests => conditions.of_request(condition),
                Table::Exchanges => conditions.of_exchange(condition),
            };
            match (part, is_negated) {
                (Some(part), true) => conditions.parts.push(format!("NOT coalesce({part}, 0)")),
                (Some(part), false) => conditions.parts.push(part),
                (None, true) => {}
                (None, false) => return None,
            }
        }
        Some(conditions)
    }

    /// The statement that reads these columns of the rows with numbers from ?1 to before ?2, ?3 of them at most.
    pub(super) fn select(&self, columns: &str) -> String {
        let Self { table, source, number, parts, .. } = self;
        let attempt = match table {
            Table::Requests => "LEFT JOIN attempt a ON a.number = r.number AND a.attempt = r.attempts",
            Table::Exchanges => "",
        };
        let conditions: String = parts.iter().map(|part| format!(" AND {part}")).collect();
        format!(
            "-- list_traffic
             SELECT {columns} FROM {source} {attempt} WHERE {number} >= ?1 AND {number} < ?2{conditions}
             ORDER BY {number} DESC LIMIT ?3"
        )
    }

    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    /// Lets an index lead: that of a device, or else that of type and state. A completed request has neither a failure
    /// nor a doubt.
    fn lead(&mut self, search: &Search) {
        let (mut has_states, mut device) = (false, None);
        let mut states = State::VARIANTS.to_vec();
        for Term { is_negated, condition } in &search.terms {
            match condition {
                _ if *is_negated => {}
                Condition::Card(card) => device = device.or(card.exact().map(|card| (DeviceKind::Card, card))),
                Condition::Stb(stb) => device = device.or(stb.exact().map(|stb| (DeviceKind::Stb, stb))),
                Condition::Type(_) => has_states = true,
                Condition::Fault(_) => {
                    has_states = true;
                    states.retain(|state| *state != State::Completed);
                }
                Condition::State(standings) => {
                    has_states = true;
                    let has_doubt = standings.contains(&Standing::InDoubt);
                    let may_be = |state| standings.contains(&Standing::Request(state));
                    states.retain(|state| may_be(*state) || (has_doubt && *state != State::Completed));
                }
                _ => {}
            }
        }
        if let Some((kind, ca_id)) = device {
            let ca_id = self.bind(ca_id);
            // CROSS JOIN keeps SQLite from another order of reading.
            self.source = "request_device d CROSS JOIN request r ON r.number = d.number".to_owned();
            self.number = "d.number";
            self.parts.push(format!("d.kind = '{}' AND d.ca_id = {ca_id}", kind.as_str()));
        } else if has_states {
            self.source = "request r INDEXED BY request_filter".to_owned();
            let all = [
                ("family", Family::VARIANTS.iter().map(|family| family.as_str()).collect()),
                ("state", states.into_iter().map(State::as_str).collect()),
                ("type", RequestType::all().map(RequestType::as_str).collect::<Vec<_>>()),
            ];
            self.parts.extend(all.map(|(column, words)| one_of(&format!("r.{column}"), words)));
        }
    }

    fn bind(&mut self, value: impl Into<String>) -> String {
        self.values.push(Value::from(value.into()));
        format!("?{}", self.values.len() + BOUNDS)
    }

    /// One of the columns fits one of the patterns.
    fn fits(&mut self, columns: &[&str], patterns: impl IntoIterator<Item = String>) -> String {
        let mut parts = Vec::new();
        for pattern in patterns {
            let pattern = self.bind(pattern);
            parts.extend(columns.iter().map(|column| format!("{column} LIKE {pattern} ESCAPE '\\'")));
        }
        format!("({})", if parts.is_empty() { "0".to_owned() } else { parts.join(" OR ") })
    }

    /// One of the strings in a column of JSON fits one of the patterns. The column is compared first as the text that it
    /// is: most rows need no more.
    fn one_fits(&mut self, column: &str, patterns: &Patterns) -> String {
        let quick = self.fits(&[column], patterns.each().map(|word| format!("%\"{}\"%", like(word))));
        let value = self.fits(&["value"], patterns.each().map(like));
        format!("({quick} AND EXISTS (SELECT 1 FROM json_each({column}) WHERE {value}))")
    }

    fn of_request(&mut self, condition: &Condition) -> Option<String> {
        Some(match condition {
            Condition::Type(patterns) => {
                one_of("r.type", patterns.request_types().into_iter().map(RequestType::as_str).collect())
            }
            Condition::State(standings) => {
                let words = standings.iter().filter_map(|standing| match standing {
                    Standing::Request(state) => Some(state.as_str()),
                    _ => None,
                });
                let state = one_of("r.state", words.collect());
                let in_doubt = if standings.contains(&Standing::InDoubt) { " OR r.in_doubt IS NOT NULL" } else { "" };
                format!("({state}{in_doubt})")
            }
            Condition::Card(patterns) => self.one_fits("r.cards", patterns),
            Condition::Stb(patterns) => match patterns.exact() {
                Some(stb) => {
                    let stb = self.bind(stb);
                    let device = "SELECT 1 FROM request_device b WHERE b.kind = 'stb' AND b.ca_id";
                    format!("EXISTS ({device} = {stb} AND b.number = r.number)")
                }
                None => {
                    self.fits(&["r.items"], patterns.each().map(|word| format!("%\"stb_ca_id\",\"{}\"%", like(word))))
                }
            },
            Condition::Fault(patterns) => {
                let words = self.fits(&[&failure_text("r.failure")], patterns.each().map(within));
                format!("(r.failure IS NOT NULL AND {words})")
            }
            Condition::Status(patterns) => self.fits(&["a.http_status"], patterns.each().map(like)),
            Condition::Reference(patterns) => match patterns.exact() {
                Some(reference) => format!("r.reference_number = {}", self.bind(reference)),
                None => self.fits(&["r.reference_number"], patterns.each().map(like)),
            },
            Condition::Number(number) => format!("r.number = {number}"),
            Condition::Duration { is_longer, millis } => compare("a.duration_ms", *is_longer, *millis),
            Condition::Text(text) => {
                let columns =
                    ["r.id", "r.cards", "r.items", "r.type", "r.reference_number", "r.failure", "r.body", "a.response"];
                self.fits(&columns, [within(text)])
            }
        })
    }

    fn of_exchange(&mut self, condition: &Condition) -> Option<String> {
        Some(match condition {
            Condition::Type(patterns) => {
                self.fits(&["operation"], patterns.each().map(|word| like(&word.replace('_', ""))))
            }
            Condition::State(standings) => {
                let has = |standing| standings.contains(&standing);
                match (has(Standing::Passed), has(Standing::Broken)) {
                    (true, true) => "1".to_owned(),
                    (true, false) => "error IS NULL".to_owned(),
                    (false, true) => "error IS NOT NULL".to_owned(),
                    (false, false) => return None,
                }
            }
            Condition::Card(patterns) => self.one_fits("cards", patterns),
            Condition::Stb(_) | Condition::Reference(_) => return None,
            Condition::Fault(patterns) => self.fits(&["fault", "error"], patterns.each().map(within)),
            Condition::Status(patterns) => self.fits(&["status"], patterns.each().map(like)),
            Condition::Number(number) => format!("number = {number}"),
            Condition::Duration { is_longer, millis } => compare("duration_ms", *is_longer, *millis),
            Condition::Text(text) => {
                let columns =
                    ["id", "path", "user", "operation", "cards", "fault", "error", "request_headers", "answer_headers"];
                self.fits(&columns, [within(text)])
            }
        })
    }
}

/// The words are the program's own.
fn one_of(column: &str, words: Vec<&'static str>) -> String {
    format!("{column} IN ('{}')", words.join("', '"))
}

fn compare(column: &str, is_longer: bool, millis: i64) -> String {
    format!("{column} {} {millis}", if is_longer { ">" } else { "<" })
}

/// Code and words of a failure side by side, as a person sees them.
pub(super) fn failure_text(column: &str) -> String {
    format!("(SELECT group_concat(value, ': ') FROM json_each({column}))")
}

/// A pattern of LIKE, in which only `*` is special: it stands for any characters.
pub(super) fn like(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        match c {
            '*' => pattern.push('%'),
            '%' | '_' | '\\' => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    pattern
}

/// The same for what contains it.
pub(super) fn within(text: &str) -> String {
    format!("%{}%", like(text))
}
