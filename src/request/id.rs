//! Identifiers: 32 upper-case hex digits, as CRM.COM prints them. The gateway's ids sort by time, so that an index grows
//! at its end.

use std::fmt;
use std::sync::Mutex;

use chrono::{DateTime, Utc};

/// An id of 32 upper-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct RecordId(String);

impl RecordId {
    /// A new id: 48 bits of milliseconds, 16 bits of a counter within the millisecond, 64 random bits.
    pub fn new(now: DateTime<Utc>) -> Self {
        static LAST: Mutex<(i64, u16)> = Mutex::new((0, 0));
        let (millis, counter) = {
            let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let millis = now.timestamp_millis().max(last.0);
            *last = if millis == last.0 {
                last.1.checked_add(1).map_or((millis + 1, 0), |next| (millis, next))
            } else {
                (millis, 0)
            };
            *last
        };
        Self(format!("{:012X}{counter:04X}{:016X}", millis & 0xFFFF_FFFF_FFFF, rand::random::<u64>()))
    }

    /// Checks an id that came from outside or from the store.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        (text.len() == 32 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 32 random upper-case hex digits: tokens, API keys, and ids whose order does not matter.
pub fn random_hex() -> String {
    format!("{:032X}", rand::random::<u128>())
}

/// A random UUID (RFC 9562, version 4).
pub fn random_uuid() -> String {
    let hex = random_hex().to_lowercase();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_even_within_a_millisecond_and_when_the_clock_steps_back() {
        let now = Utc::now();
        let ids: Vec<_> = (0..100_000).map(|i| RecordId::new(now - chrono::Duration::milliseconds(i % 3))).collect();
        assert!(ids.windows(2).all(|w| w[0] < w[1]));
        assert!(ids.iter().all(|id| RecordId::parse(id.as_str()).is_some()));
    }
}
