//! Progress of long work, on standard error, for a person at a terminal.
//!
//! Rule: where standard error is no terminal nothing is written; at the end the line is gone, so that what the command
//! says stands alone.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Interval at which a line without a known end is drawn.
const TICK: Duration = Duration::from_millis(100);
const COUNTED: &str = "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left";
const BYTES: &str = "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left";

/// The line of a piece of work; it is gone when this is dropped.
pub(in crate::cli) struct Progress(ProgressBar);

impl Progress {
    /// Work of so many steps.
    pub(in crate::cli) fn counted(message: impl Into<Cow<'static, str>>, steps: usize) -> Self {
        Self::new(Some(steps as u64), COUNTED, message)
    }

    /// Reading that many bytes.
    pub(in crate::cli) fn of_bytes(message: impl Into<Cow<'static, str>>, bytes: u64) -> Self {
        Self::new(Some(bytes), BYTES, message)
    }

    /// Work whose end is not known.
    pub(in crate::cli) fn endless(message: impl Into<Cow<'static, str>>) -> Self {
        let progress = Self::new(None, "{msg} {spinner} {elapsed}", message);
        progress.0.enable_steady_tick(TICK);
        progress
    }

    fn new(length: Option<u64>, template: &str, message: impl Into<Cow<'static, str>>) -> Self {
        // indicatif draws nothing where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template).expect("the templates are right: a test makes each");
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(message);
        bar.tick();
        Self(bar)
    }

    /// A step is done.
    pub(in crate::cli) fn step(&self) {
        self.0.inc(1);
    }

    /// A reader that counts what is read.
    pub(in crate::cli) fn reading<R: std::io::Read>(&self, input: R) -> impl std::io::Read {
        self.0.wrap_read(input)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_can_be_made() {
        Progress::counted("cases", 2).step();
        drop((Progress::of_bytes("a file", 7), Progress::endless("writing")));
    }
}
