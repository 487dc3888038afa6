//! The gauges that are read at each scrape: queues, doubts, files, breakers, slots.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use strum::VariantArray as _;

use super::{Labels, PREFIX};
use crate::processor::ProviderState;
use crate::request::Priority;
use crate::store::{StoreMeasures, WaitingMeasures};
use crate::upstream::BreakerState;
use crate::words::Word as _;

/// The gauges at one moment.
pub struct Sample {
    /// The moment.
    pub now: DateTime<Utc>,
    /// Figures of the store; `None` while the store does not answer.
    pub store: Option<StoreMeasures>,
    /// The state of each provider.
    pub providers: Vec<ProviderState>,
}

/// A gauge for each set of labels.
type Gauges<const N: usize> = Family<Labels<N>, Gauge<i64>>;

impl Sample {
    /// The sample as metrics, built anew for each scrape so that all values are of one moment.
    pub(super) fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix(PREFIX);
        let build = Info::new([("version", env!("BUILD_VERSION"))]);
        all.register("build", "The version that runs", build);
        let is_read = ConstGauge::new(u64::from(self.store.is_some()));
        all.register(
            "store_readable",
            "1 if the store could be read for this scrape; without that its metrics are absent",
            is_read,
        );
        self.add_providers(&mut all);
        if let Some(store) = &self.store {
            self.add_store(&mut all, store);
        }
        all
    }

    fn add_providers(&self, all: &mut Registry) {
        let (under_way, calls, breakers) = (Gauges::default(), Gauges::default(), Gauges::default());
        let states =
            [(BreakerState::Closed, "closed"), (BreakerState::Open, "open"), (BreakerState::HalfOpen, "half_open")];
        for ProviderState { provider, load, breakers: urls, .. } in &self.providers {
            let label = || ("provider", Cow::Owned(provider.clone()));
            under_way.get_or_create(&[label()]).set(whole(load.under_way));
            calls.get_or_create(&[label()]).set(whole(load.waiting));
            for ((url, now), (state, word)) in urls.iter().flat_map(|url| states.map(|state| (url, state))) {
                let labels = [label(), ("base_url", url.clone().into()), ("state", word.into())];
                breakers.get_or_create(&labels).set(i64::from(state == *now));
            }
        }
        all.register("requests_under_way", "Provisioning requests that are being sent", under_way);
        all.register("immediate_calls_waiting", "Calls that wait for a slot", calls);
        let help =
            "1 for the state that the breaker of a base URL is in: closed lets calls through, open none, half_open one";
        all.register("upstream_breaker_state", help, breakers);
    }

    fn add_store(&self, all: &mut Registry, store: &StoreMeasures) {
        let (waiting, oldest) = (Gauges::default(), Family::<Labels<1>, Gauge<f64, AtomicU64>>::default());
        for (priority, measures) in Priority::VARIANTS.iter().zip(&store.waiting) {
            let WaitingMeasures { due, scheduled, oldest_due } = measures;
            let priority = || ("priority", Cow::Borrowed(priority.as_str()));
            for (state, count) in [("due", due), ("scheduled", scheduled)] {
                waiting.get_or_create(&[priority(), ("state", state.into())]).set(*count);
            }
            let age = oldest_due.map(|at| (self.now - at).to_std().unwrap_or_default());
            oldest.get_or_create(&[priority()]).set(age.unwrap_or_default().as_secs_f64());
        }
        all.register("requests_waiting", "Provisioning requests that wait for their turn", waiting);
        let help = "How long the request has been due that has waited longest for its turn; 0 if none is due";
        all.register_with_unit("oldest_due_request_age", help, Unit::Seconds, oldest);
        let in_doubt = Gauges::default();
        for (stage, count) in [("resolving", store.resolving), ("needs_operator", store.needs_operator)] {
            in_doubt.get_or_create(&[("stage", stage.into())]).set(count);
        }
        all.register("requests_in_doubt", "Provisioning requests that were sent and have no valid answer", in_doubt);
        let blocked = ConstGauge::new(store.blocked);
        all.register("requests_blocked", "Provisioning requests that wait for an earlier one of their cards", blocked);
        let queue = ConstGauge::new(count(store.queue));
        all.register("store_queued_writes", "Writes that wait for the disk", queue);
        for (name, help, bytes) in [
            ("store_database_size", "Size of the database", Some(store.database_bytes)),
            ("store_wal_size", "Size of the database's write-ahead log", store.wal_bytes),
            ("store_available", "Room that the disk of the database has left for the gateway", store.available_bytes),
        ] {
            if let Some(bytes) = bytes {
                all.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes));
            }
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
