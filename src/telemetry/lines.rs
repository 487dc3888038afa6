//! Log lines on their way to standard error: gathered in memory, written by one thread a few times a second.
//!
//! tracing-appender wakes its thread for every line instead: at full load strace counted some 14,000 yields and 7,000
//! writes a second.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::printable::printable_line;

/// Time for which lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// Most bytes that may wait to be written; beyond that, lines are dropped.
const MOST_BYTES: usize = 8 * 1024 * 1024;

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    is_ending: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

/// The end that takes lines.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

/// Owner of the writing thread; dropping it writes the waiting lines.
pub(super) struct LogGuard {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Starts the thread that writes to standard error.
    pub(super) fn start() -> io::Result<(Self, LogGuard)> {
        let lines = Self(Arc::default());
        let writing = lines.clone();
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_on())?;
        Ok((lines.clone(), LogGuard { lines, thread: Some(thread) }))
    }

    fn write_on(&self) {
        loop {
            let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let ready = self.0.wake.wait_while(waiting, |w| w.bytes.is_empty() && !w.is_ending);
            let is_ending = ready.unwrap_or_else(PoisonError::into_inner).is_ending;
            if !is_ending {
                std::thread::sleep(GATHER);
            }
            let (bytes, dropped) = {
                let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                (std::mem::take(&mut waiting.bytes), std::mem::take(&mut waiting.dropped))
            };
            // A failed write to the log cannot be reported anywhere.
            let mut error = io::stderr().lock();
            drop(error.write_all(&bytes));
            if dropped > 0 {
                drop(writeln!(error, "conax-gateway: {dropped} log lines were dropped"));
            }
            if is_ending {
                return;
            }
        }
    }
}

impl Write for Lines {
    /// Takes a whole line from the formatting layer. Control characters are escaped, so that a value neither ends the
    /// line nor controls a terminal.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let taken = line.len();
        let text = String::from_utf8_lossy(line);
        let line = printable_line(text.trim_end_matches('\n'));
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.len() + line.len() >= MOST_BYTES {
            waiting.dropped += 1;
            return Ok(taken);
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line.as_bytes());
        waiting.bytes.push(b'\n');
        drop(waiting);
        if was_empty {
            self.0.wake.notify_one();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.lines.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_ending = true;
        self.lines.0.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
