//! Printing: a reader that has gone away (`| head`) is no failure, a full disk is.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

/// One line to standard output.
pub(super) fn line(text: &str) {
    line_for_reader(text);
}

/// The same; false when its reader has gone away.
pub(super) fn line_for_reader(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => {
            note(&format!("conax-gateway: standard output: {error}"));
            std::process::exit(1);
        }
    }
}

/// One line to standard error: a note for the person at the terminal, not a log line.
pub(super) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// The faults of a failed command, one a line, and its exit code.
pub(super) fn failed(faults: &str) -> ExitCode {
    for fault in faults.lines() {
        note(&format!("conax-gateway: {fault}"));
    }
    ExitCode::FAILURE
}

/// Rows as columns, the headings first.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|h| h.len())).max().unwrap_or(0)
    };
    let print = |cells: &[String]| {
        let padded: Vec<_> = cells.iter().enumerate().map(|(i, c)| format!("{c:<width$}", width = width(i))).collect();
        line(padded.join("  ").trim_end());
    };
    print(&headings.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>());
    rows.iter().for_each(|row| print(row));
}

/// What came over the wire must not steer the terminal.
pub(super) fn without_controls(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() && c != '\n' && c != '\t' { c.escape_default().to_string() } else { c.into() };
    text.chars().map(shown).collect()
}
