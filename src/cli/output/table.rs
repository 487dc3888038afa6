//! A table: columns for a person, or JSON for a program, from the same rows.
//!
//! Rules: a column's name is the key in JSON, where a value keeps its type. In a column null is empty, and an array
//! shows its first value and the number of the others. On a terminal the last column is cut to fit the width.

use std::io::{IsTerminal as _, stdout};

use rustix::termios::tcgetwinsize;
use serde_json::{Map, Value};

use super::{Format, Page};
use crate::printable::printable_line;

/// Rows from which the widths of the columns are computed.
const LOOK_AHEAD: usize = 200;
/// Characters of the last column that are shown even on a narrow terminal.
const NARROWEST: usize = 10;

/// A table that is being printed. The first rows determine the widths of the columns; a wider cell in a later row moves
/// the cells behind it.
pub(in crate::cli) struct Table<const COLUMNS: usize> {
    columns: [&'static str; COLUMNS],
    format: Format,
    page: Page,
    widths: [usize; COLUMNS],
    /// Width of the terminal in characters; `None` without a limit.
    width: Option<usize>,
    /// The first rows, until the widths are known.
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
    /// A table with these columns, named in lower case with underscores.
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

    /// Adds a row; false if the reader has gone away.
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

    /// Prints the gathered rows, and ends the JSON.
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

    /// Prints the gathered rows now, before more rows come; the columns' names come with the first row.
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

/// Width of the terminal, if standard output is one.
fn terminal_width() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    tcgetwinsize(stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Cuts a line to a number of characters.
fn shortened(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        Some(_) | None => line.to_owned(),
    }
}

/// The text of a value in a cell.
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
