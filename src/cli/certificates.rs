//! The certificates that the gateway shows: whoever watches is told when they expire, and the log in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::observer::Observers;
use crate::tls::CertificateExpiry;

/// Time before the end of a certificate from which the log warns.
const WARN_BEFORE: TimeDelta = TimeDelta::days(30);
/// Between two warnings.
const EVERY: Duration = Duration::from_secs(12 * 3600);

/// The sentences with which `config check` warns of these certificates.
pub(super) fn warnings(shown: &[CertificateExpiry], now: DateTime<Utc>) -> impl Iterator<Item = String> {
    shown.iter().filter(move |shown| shown.at - now < WARN_BEFORE).map(move |CertificateExpiry { setting, at }| {
        format!("{setting}: the certificate {} at {at}", if *at <= now { "expired" } else { "expires" })
    })
}

/// The certificates that are in use.
pub(super) struct Certificates {
    shown: Mutex<Vec<CertificateExpiry>>,
    observers: Observers,
    clock: Arc<dyn Clock>,
}

impl Certificates {
    /// These are in use from the start.
    pub(super) fn new(shown: Vec<CertificateExpiry>, observers: Observers, clock: Arc<dyn Clock>) -> Self {
        let certificates = Self { shown: Mutex::default(), observers, clock };
        certificates.set(shown);
        certificates
    }

    /// The faults of certificates that are to replace those in use: an expired certificate never replaces one that ends later.
    pub(super) fn check_replacement(&self, new: &[CertificateExpiry]) -> Vec<String> {
        let (now, shown) = (self.clock.now(), self.shown.lock().unwrap_or_else(PoisonError::into_inner));
        let is_worse = |new: &&CertificateExpiry| {
            new.at <= now && shown.iter().any(|old| old.setting == new.setting && old.at > new.at)
        };
        let fault = |new: &CertificateExpiry| {
            format!("{}: the certificate expired at {}: put one in its place that is valid", new.setting, new.at)
        };
        new.iter().filter(is_worse).map(fault).collect()
    }

    /// These are in use from now on.
    pub(super) fn set(&self, shown: Vec<CertificateExpiry>) {
        for CertificateExpiry { setting, at } in &shown {
            self.observers.tell(|observer| observer.certificate_loaded(setting, *at));
        }
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        self.warn();
    }

    /// Warns again and again, for as long as the gateway runs.
    pub(super) async fn watch(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.warn();
        }
    }

    fn warn(&self) {
        let now = self.clock.now();
        for CertificateExpiry { setting, at } in self.shown.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let days = (*at - now).num_days();
            if *at <= now {
                tracing::error!(setting, expired_at = %at, "a certificate has expired: put a new one in its place, and send SIGHUP");
            } else if *at - now < WARN_BEFORE {
                tracing::warn!(setting, expires_at = %at, days, "a certificate is about to expire: put a new one in its place, and send SIGHUP");
            }
        }
    }
}
