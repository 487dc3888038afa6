//! The timings of a request or an exchange, as a page draws them.

use serde::Serialize;

use crate::request::{Attempt, ProvisioningRequest};
use crate::timings::Timings;

/// A step of a request, in milliseconds since its acceptance, or since its due date if that is later.
#[derive(Serialize)]
pub(super) struct Timing {
    pub(super) step: String,
    pub(super) from_ms: i64,
    pub(super) duration_ms: i64,
    /// The stretches of a call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
}

/// A stretch of a call, in microseconds.
#[derive(Serialize)]
pub(super) struct Part {
    name: &'static str,
    duration_us: u64,
}

pub(super) fn parts_of(timings: Option<&Timings>) -> Vec<Part> {
    let stretches = timings.into_iter().flat_map(Timings::stretches);
    stretches.map(|(name, duration_us)| Part { name, duration_us }).collect()
}

/// The steps of a request: its attempts, and the waits between them.
pub(super) fn timings(request: &ProvisioningRequest, attempts: &[Attempt]) -> Vec<Timing> {
    let start = request.content.created_at.max(request.content.scheduled_at);
    let (mut timings, mut end_ms) = (Vec::new(), 0);
    for attempt in attempts {
        let from_ms = (attempt.started_at - start).num_milliseconds().max(0);
        let is_first =
            attempts.iter().find(|other| other.part == attempt.part).is_some_and(|o| o.attempt == attempt.attempt);
        let waited = if is_first { "waited for its turn" } else { "waited to try again" };
        let waiting_ms = (from_ms - end_ms).max(0);
        timings.push(Timing { step: waited.to_owned(), from_ms: end_ms, duration_ms: waiting_ms, parts: Vec::new() });
        let part = attempt.part.map(|part| format!(", part {part}")).unwrap_or_default();
        let (step, parts) = (format!("attempt {}{part}", attempt.attempt), parts_of(attempt.timings.as_ref()));
        timings.push(Timing { step, from_ms, duration_ms: attempt.duration_ms, parts });
        end_ms = from_ms + attempt.duration_ms;
    }
    timings
}
