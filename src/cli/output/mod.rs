//! Printing for a person: no text can control the terminal. A reader that has gone away (`| head`) is no failure; a
//! full disk is.

mod progress;
mod table;
mod xml;

use std::io::{BufWriter, ErrorKind, Stdout, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::printable::printable;
pub(super) use progress::Progress;
pub(super) use table::{Table, table};
pub(super) use xml::xml_pieces;

/// Interval at which a list without end looks for new rows.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The form in which a list or a record is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// Columns or text for a person.
    #[default]
    Text,
    /// A single JSON document.
    Json,
    /// A JSON object a line.
    JsonLines,
}

#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct FormatFlags {
    /// Print one JSON document.
    #[arg(long, conflicts_with = "jsonl")]
    json: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    jsonl: bool,
}

impl FormatFlags {
    pub(super) fn format(self) -> Format {
        match self {
            Self { json: true, .. } => Format::Json,
            Self { jsonl: true, .. } => Format::JsonLines,
            Self { .. } => Format::Text,
        }
    }
}

/// The flag of a list without end.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct LinesFlag {
    /// Print JSON, one object a line.
    #[arg(long)]
    jsonl: bool,
}

impl LinesFlag {
    pub(super) fn format(self) -> Format {
        FormatFlags { json: false, jsonl: self.jsonl }.format()
    }
}

/// The flag of a command that does one thing, and says what came of it.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct ResultFlag {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl ResultFlag {
    /// Prints the result: in words, or as JSON.
    pub(super) fn print(self, words: &str, value: &serde_json::Value) {
        if self.json { json(value, Format::Json) } else { line(words) }
    }

    /// Prints the result, of which a person is told on standard error, if at all.
    pub(super) fn print_or_note(self, words: Option<&str>, value: &serde_json::Value) {
        match words {
            _ if self.json => json(value, Format::Json),
            Some(words) => note(words),
            None => {}
        }
    }

    /// Prints lines for a person; as JSON, one value.
    pub(super) fn print_lines<T: AsRef<str>>(self, words: impl IntoIterator<Item = T>, value: &serde_json::Value) {
        if self.json {
            json(value, Format::Json);
        } else {
            lines(words);
        }
    }
}

/// A piece of text with a style, which only a terminal with colours shows.
pub(super) struct Piece {
    pub(super) style: Style,
    pub(super) text: String,
}

impl Piece {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { style: Style::new(), text: text.into() }
    }

    pub(super) fn heading(text: impl Into<String>) -> Self {
        Self { style: Style::new().bold(), text: text.into() }
    }
}

/// Prints a text, which may have several lines, and a line end.
pub(super) fn line(text: &str) {
    lines([text]);
}

/// Prints texts, each with a line end, in one write; false if the reader has gone away, which ends the iteration.
pub(super) fn lines<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> bool {
    let mut page = Page::new();
    texts.into_iter().all(|text| page.text(text.as_ref()) && page.text("\n")) && page.end()
}

/// Prints pieces of text without line ends between them.
pub(super) fn pieces(pieces: impl IntoIterator<Item = Piece>) -> bool {
    let mut page = Page::new();
    pieces.into_iter().all(|piece| page.piece(&piece)) && page.end()
}

/// Prints a JSON document: on one line as [`Format::JsonLines`], else indented.
pub(super) fn json(value: &impl serde::Serialize, format: Format) {
    let json = match format {
        Format::JsonLines => serde_json::to_string(value),
        Format::Json | Format::Text => serde_json::to_string_pretty(value),
    };
    match json {
        Ok(json) => line(&json),
        Err(error) => note(&format!("conax-gateway: {error}")),
    }
}

/// Prints exactly these bytes.
pub(super) fn bytes(bytes: &[u8]) {
    let mut page = Page::new();
    if page.written(|out| out.write_all(bytes)) {
        page.end();
    }
}

/// False once the reader of standard output has gone.
pub(super) fn has_reader() -> bool {
    let out = std::io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    match poll(&mut polled, Some(&Timespec::default())) {
        Ok(_) => !polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR)),
        Err(_) => true,
    }
}

/// Prints a note for the person at the terminal to standard error; log lines go elsewhere.
pub(super) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", printable(text)));
}

/// Prints the faults of a failed command, one a line; returns the exit code.
pub(super) fn failed(faults: &str) -> ExitCode {
    for fault in faults.lines() {
        note(&format!("conax-gateway: {fault}"));
    }
    ExitCode::FAILURE
}

/// Output that is gathered before it is written, so that a line costs no system call.
struct Page {
    out: BufWriter<Stdout>,
    has_reader: bool,
    has_colours: bool,
}

impl Page {
    fn new() -> Self {
        // anstream looks at NO_COLOR and CLICOLOR, and at whether standard output is a terminal.
        let has_colours = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        Self { out: BufWriter::with_capacity(64 * 1024, std::io::stdout()), has_reader: true, has_colours }
    }

    fn text(&mut self, text: &str) -> bool {
        self.written(|out| write!(out, "{}", printable(text)))
    }

    fn piece(&mut self, Piece { style, text }: &Piece) -> bool {
        if self.has_colours {
            self.written(|out| write!(out, "{style}{}{style:#}", printable(text)))
        } else {
            self.text(text)
        }
    }

    fn flush(&mut self) -> bool {
        self.written(BufWriter::flush)
    }

    fn end(mut self) -> bool {
        self.flush()
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
