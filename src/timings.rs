//! The stretches of a call's time: waiting for a way, resolving the name, connecting, TLS, sending, waiting for the answer,
//! reading it.
//!
//! Rule: a stretch that did not happen has no time. A connection that was kept open from an earlier call needs no name, no
//! connection and no handshake; an answer that did not come was not read.

use serde::{Deserialize, Serialize};

/// The stretches of a call, in microseconds, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timings {
    /// Before anything was tried at the URL that the call went to: a pause of its breaker, or another URL that took nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_us: Option<u64>,
    /// Resolving the host's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// Connecting, without the name and the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// The TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// Handing the request to the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_us: Option<u64>,
    /// From there to the head of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_us: Option<u64>,
    /// From there to the end of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_us: Option<u64>,
}

impl Timings {
    /// The stretches that happened, each with its name, in microseconds.
    pub fn stretches(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { blocked_us, dns_us, connect_us, tls_us, send_us, wait_us, read_us } = *self;
        let named = [
            ("blocked", blocked_us),
            ("name", dns_us),
            ("connect", connect_us),
            ("TLS", tls_us),
            ("send", send_us),
            ("wait", wait_us),
            ("read", read_us),
        ];
        named.into_iter().filter_map(|(name, time)| Some((name, time?)))
    }

    /// In a line, such as `connect 0.3 ms, wait 12.5 ms, read 0.1 ms`; without what took no time to speak of.
    pub fn in_words(&self) -> String {
        let told = self.stretches().filter(|(name, us)| *us >= 50 || matches!(*name, "wait" | "read"));
        let words = told.map(|(name, us)| format!("{name} {}.{} ms", (us + 50) / 1000, (us + 50) / 100 % 10));
        words.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_took_time() {
        let timings =
            Timings { blocked_us: Some(3), connect_us: Some(349), wait_us: Some(12_950), ..Timings::default() };
        assert_eq!(timings.in_words(), "connect 0.3 ms, wait 13.0 ms");
        assert_eq!(serde_json::to_string(&timings).unwrap(), r#"{"blocked_us":3,"connect_us":349,"wait_us":12950}"#);
    }
}
