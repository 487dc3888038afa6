//! The facts of a recording that a replayed answer carries, over HTTP in `Server-Timing` (W3C Server Timing), so that
//! whoever records a replay writes the same case.

use std::time::Duration;

/// The header field's name.
pub const SERVER_TIMING: &str = "server-timing";
/// The name of the time that the recorded answer took.
const METRIC: &str = "recorded";

/// The recording that an answer comes from.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Time that the answer took when recorded.
    pub duration: Option<Duration>,
    /// The key of the answer's pseudonyms.
    pub redacted_with: Option<String>,
}

impl Recorded {
    /// The recording that a header field names, if any.
    pub fn from_server_timing(value: &str) -> Option<Self> {
        let rest = value.split(',').find_map(|metric| metric.trim().strip_prefix(METRIC))?;
        let milliseconds = rest.trim_start().strip_prefix(';')?.trim().strip_prefix("dur=")?.parse().ok()?;
        Some(Self { duration: Some(Duration::from_millis(milliseconds)), redacted_with: None })
    }

    /// The header field's value for an answer that took so many milliseconds.
    pub fn to_server_timing(duration_ms: u64) -> String {
        format!("{METRIC};dur={duration_ms}")
    }
}
