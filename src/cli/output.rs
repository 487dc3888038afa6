//! Printing for a person: no text steers the terminal; a reader that has gone away (`| head`) is no failure, a full disk
//! is.

use std::io::{BufWriter, ErrorKind, Stdout, Write as _};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::printable::{printable, printable_line};

/// Rows that a table waits for, to see how wide its columns are.
const LOOK_AHEAD: usize = 200;

/// One text to standard output; it may have several lines.
pub(super) fn line(text: &str) {
    lines([text]);
}

/// Texts to standard output, written together; false when the reader has gone away, and then no more are asked for.
pub(super) fn lines<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> bool {
    let mut page = Page::new();
    texts.into_iter().all(|text| page.line(text.as_ref())) && page.end()
}

/// Is there still somebody who reads standard output?
pub(super) fn has_reader() -> bool {
    let out = std::io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    match poll(&mut polled, Some(&Timespec::default())) {
        Ok(_) => !polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR)),
        Err(_) => true,
    }
}

/// One line to standard error: a note for the person at the terminal, not a log line.
pub(super) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", printable(text)));
}

/// The faults of a failed command, one a line, and its exit code.
pub(super) fn failed(faults: &str) -> ExitCode {
    for fault in faults.lines() {
        note(&format!("conax-gateway: {fault}"));
    }
    ExitCode::FAILURE
}

/// What is on its way to standard output: gathered, so that a line costs no system call.
struct Page {
    out: BufWriter<Stdout>,
    has_reader: bool,
}

impl Page {
    fn new() -> Self {
        Self { out: BufWriter::with_capacity(64 * 1024, std::io::stdout()), has_reader: true }
    }

    fn line(&mut self, text: &str) -> bool {
        self.written(|out| writeln!(out, "{}", printable(text)))
    }

    fn end(mut self) -> bool {
        self.written(BufWriter::flush)
    }

    fn written(&mut self, write: impl FnOnce(&mut BufWriter<Stdout>) -> std::io::Result<()>) -> bool {
        if !self.has_reader {
            return false;
        }
        match write(&mut self.out) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.has_reader = false;
                false
            }
            Err(error) => {
                note(&format!("conax-gateway: standard output: {error}"));
                std::process::exit(1);
            }
        }
    }
}

/// The cells of a row that is in no table, on one line.
pub(super) fn joined(cells: &[String]) -> String {
    cells.iter().map(|cell| printable_line(cell)).collect::<Vec<_>>().join("  ")
}

/// All rows of a table.
pub(super) fn table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) {
    let mut table = Table::new(headings);
    if rows.into_iter().all(|row| table.row(row)) {
        table.end();
    }
}

/// Rows as columns, the headings first. The first rows decide how wide a column is; a later cell that is wider takes
/// the room that it needs.
pub(super) struct Table<const COLUMNS: usize> {
    page: Page,
    widths: [usize; COLUMNS],
    /// The first rows, until the widths are decided.
    waiting: Vec<[String; COLUMNS]>,
    is_decided: bool,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(headings: [&str; COLUMNS]) -> Self {
        let mut table = Self { page: Page::new(), widths: [0; COLUMNS], waiting: Vec::new(), is_decided: false };
        table.row(headings.map(str::to_owned));
        table
    }

    /// Adds a row; false when the reader has gone away.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) -> bool {
        let cells = cells.map(|cell| printable_line(&cell).into_owned());
        if self.is_decided {
            return self.print(&cells);
        }
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count());
        }
        self.waiting.push(cells);
        self.waiting.len() <= LOOK_AHEAD || self.decide()
    }

    /// Prints what waits.
    pub(super) fn end(mut self) {
        if self.decide() {
            self.page.end();
        }
    }

    fn decide(&mut self) -> bool {
        self.is_decided = true;
        std::mem::take(&mut self.waiting).iter().all(|cells| self.print(cells))
    }

    fn print(&mut self, cells: &[String; COLUMNS]) -> bool {
        let padded: Vec<_> = cells.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        self.page.line(padded.join("  ").trim_end())
    }
}
