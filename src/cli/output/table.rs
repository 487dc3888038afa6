//! A list of things of a kind: columns for a person, or JSON for a program, by the same rows.
//!
//! Rules: a key of the JSON is the column's name; a value keeps its type there. In columns null is empty, and of several
//! values the first one is shown, and how many more there are. On a terminal the last column gives way to the width.

use std::io::{IsTerminal as _, stdout};

use rustix::termios::tcgetwinsize;
use serde_json::{Map, Value};

use super::{Format, Page};
use crate::printable::printable_line;

/// Rows that a table waits for, to see how wide its columns are.
const LOOK_AHEAD: usize = 200;
/// Characters of the last column that are shown on the narrowest terminal.
const NARROWEST: usize = 10;

/// Rows on their way to standard output, the columns' names first. The first rows decide how wide a column is; a later
/// cell that is wider takes the room that it needs.
pub(in crate::cli) struct Table<const COLUMNS: usize> {
    columns: [&'static str; COLUMNS],
    format: Format,
    page: Page,
    widths: [usize; COLUMNS],
    /// Characters of a line; `None` for any.
    width: Option<usize>,
    /// The first rows, until the widths are decided.
    waiting: Vec<[String; COLUMNS]>,
    is_decided: bool,
    rows: u64,
}

/// Prints all rows of a table.
pub(in crate::cli) fn table<const COLUMNS: usize>(
    columns: [&'static str; COLUMNS],
    format: Format,
    rows: impl IntoIterator<Item = [Value; COLUMNS]>,
) {
    let mut table = Table::new(columns, format);
    if rows.into_iter().all(|row| table.row(row)) {
        table.end();
    }
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with these columns, which are words of lower case and underscores.
    pub(in crate::cli) fn new(columns: [&'static str; COLUMNS], format: Format) -> Self {
        let mut table = Self {
            columns,
            format,
            page: Page::new(),
            widths: [0; COLUMNS],
            width: terminal_width(),
            waiting: Vec::new(),
            is_decided: false,
            rows: 0,
        };
        if format == Format::Text {
            table.text_row(columns.map(|column| column.to_uppercase().replace('_', " ")));
        }
        table
    }

    /// Adds a row; false when the reader has gone away.
    pub(in crate::cli) fn row(&mut self, cells: [Value; COLUMNS]) -> bool {
        self.rows += 1;
        let before = match (self.format, self.rows) {
            (Format::Text, _) => return self.text_row(cells.each_ref().map(cell_text)),
            (Format::JsonLines, _) => "",
            (Format::Json, 1) => "[\n",
            (Format::Json, _) => ",\n",
        };
        let object: Map<String, Value> = self.columns.iter().map(|name| (*name).to_owned()).zip(cells).collect();
        let json = Value::Object(object).to_string();
        self.page.text(before) && self.page.text(&json) && (self.format == Format::Json || self.page.text("\n"))
    }

    /// Prints what waits, and ends the JSON.
    pub(in crate::cli) fn end(mut self) {
        let is_read = match self.format {
            Format::Text => self.decide_widths(),
            Format::JsonLines => true,
            Format::Json if self.rows == 0 => self.page.text("[]\n"),
            Format::Json => self.page.text("\n]\n"),
        };
        if is_read {
            self.page.end();
        }
    }

    /// Prints the rows so far, while others are still to come; the columns' names come with the first row.
    pub(in crate::cli) fn flush(&mut self) -> bool {
        (self.format != Format::Text || self.rows == 0 || self.decide_widths()) && self.page.flush()
    }

    fn text_row(&mut self, cells: [String; COLUMNS]) -> bool {
        let cells = cells.map(|cell| printable_line(&cell).into_owned());
        if self.is_decided {
            return self.print(&cells);
        }
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count());
        }
        self.waiting.push(cells);
        self.waiting.len() <= LOOK_AHEAD || self.decide_widths()
    }

    fn decide_widths(&mut self) -> bool {
        self.is_decided = true;
        std::mem::take(&mut self.waiting).iter().all(|cells| self.print(cells))
    }

    fn print(&mut self, cells: &[String; COLUMNS]) -> bool {
        let padded: Vec<_> = cells.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let line = padded.join("  ");
        let others: usize = self.widths.iter().take(COLUMNS.saturating_sub(1)).map(|width| width + 2).sum();
        let shown = self.width.map(|width| width.max(others + NARROWEST));
        self.page.text(&shortened(line.trim_end(), shown)) && self.page.text("\n")
    }
}

/// The columns of the terminal that standard output is, if it is one.
fn terminal_width() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    tcgetwinsize(stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// The line, cut to so many characters if it has more.
fn shortened(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        Some(_) | None => line.to_owned(),
    }
}

/// A value as a cell of a table for a person.
fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let first = values.first().map(cell_text).unwrap_or_default();
            if values.len() > 1 { format!("{first} +{}", values.len() - 1) } else { first }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_short_and_a_line_fits() {
        for (value, text) in
            [(json!(null), ""), (json!("a"), "a"), (json!(1), "1"), (json!([]), ""), (json!(["a", "b", "c"]), "a +2")]
        {
            assert_eq!(cell_text(&value), text);
        }
        assert_eq!(shortened("Ζωή 12", Some(5)), "Ζωή …");
        assert_eq!((shortened("12345", Some(5)), shortened("123456", None)), ("12345".to_owned(), "123456".to_owned()));
    }
}
