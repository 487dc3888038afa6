//! The facts of a recording that a replayed answer carries, over HTTP in `Server-Timing` (W3C Server Timing), so that
//! recording the replay writes the same case.

use std::time::Duration;

/// The header field's name.
pub const SERVER_TIMING: &str = "server-timing";
/// The name of the metric: the time that the recorded answer took.
const METRIC: &str = "recorded";

/// The recording that an answer comes from.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The time that the answer took when recorded.
    pub duration: Option<Duration>,
    /// The id of the key of the answer's pseudonyms.
    pub redacted_with: Option<String>,
}

impl Recorded {
    /// Reads the header's value; `None` if it names no recording.
    pub fn from_server_timing(value: &str) -> Option<Self> {
        let rest = value.split(',').find_map(|metric| metric.trim().strip_prefix(METRIC))?;
        let milliseconds = rest.trim_start().strip_prefix(';')?.trim().strip_prefix("dur=")?.parse().ok()?;
        Some(Self { duration: Some(Duration::from_millis(milliseconds)), redacted_with: None })
    }

    /// The header's value for an answer that took `duration_ms` milliseconds.
    pub fn to_server_timing(duration_ms: u64) -> String {
        format!("{METRIC};dur={duration_ms}")
    }
}
