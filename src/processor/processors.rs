//! The processors, one per provider, and their shared state: the node that holds all leases, the waiting calls, and the
//! date.
//!
//! Rule: a provider that is slow, paused or dead does not delay the others: each processor has its own slots, run and
//! session.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::future::join_all;

use super::date::FollowedDate;
use super::node::Node;
use super::waiting::Waiting;
use super::{Load, Processor, was_tried};
use crate::clock::Clock;
use crate::config::Config;
use crate::provider::Providers;
use crate::request::Family;
use crate::shutdown::Shutdown;
use crate::store::{News, RecordKey, RequestStore};
use crate::upstream::BreakerState;

/// A processor for each provider.
pub struct Processors {
    pub(super) all: Vec<Arc<Processor>>,
    pub(super) store: Arc<dyn RequestStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) node: Arc<Node>,
    waiting: Arc<Waiting>,
}

/// The state that all processors share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn RequestStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) node: Arc<Node>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) date: Arc<FollowedDate>,
}

/// The state of a provider.
#[derive(Clone, Debug, Default)]
pub struct ProviderState {
    /// Name of the provider.
    pub provider: String,
    /// The use of the provider's slots.
    pub load: Load,
    /// The state of each base URL's breaker.
    pub breakers: Vec<(String, BreakerState)>,
    /// Do the breakers of all its base URLs pause calls?
    pub is_down: bool,
}

impl Processors {
    /// Creates processors, which are idle until [`Processors::run`].
    pub fn new(config: &Config, providers: &Providers, store: Arc<dyn RequestStore>, clock: Arc<dyn Clock>) -> Self {
        let (node, waiting) = (Arc::new(Node::new(config.store.lease_s)), Arc::<Waiting>::default());
        let date = Arc::new(FollowedDate::new(Arc::clone(&store), Arc::clone(&clock)));
        let shared = Shared { store, clock, node, waiting, date };
        let all = providers.iter().map(|provider| Arc::new(Processor::new(provider, &shared))).collect();
        let Shared { store, clock, node, waiting, .. } = shared;
        Self { all, store, clock, node, waiting }
    }

    /// The processor of a family's requests.
    pub fn of_family(&self, family: Family) -> &Arc<Processor> {
        let found = self.all.iter().find(|processor| processor.systems().contains(&family.cas()));
        found.or(self.all.first()).expect("there is the first provider's")
    }

    /// Runs all processors until shutdown; then nothing new is started.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        join_all(self.all.iter().map(|processor| Arc::clone(processor).run(shutdown.clone()))).await;
        self.waiting.close();
    }

    /// Makes every run look for due requests now.
    pub fn wake(&self) {
        self.all.iter().for_each(|processor| processor.wake());
    }

    /// Follows the news of other processes: wakes the runs, and tells the callers whose request another node sends.
    pub async fn follow_news(&self) -> Infallible {
        loop {
            let ended = match self.store.wait_for_news().await {
                News::Work => Vec::new(),
                News::Ended(numbers) => self.waiting.among(&numbers),
                News::Missed => self.waiting.all(),
            };
            self.wake();
            for number in ended {
                match self.store.find_request(None, RecordKey::Number(number)).await {
                    Ok(Some(request)) if was_tried(&request) => self.waiting.tell(&request),
                    Ok(_) => {}
                    Err(error) => tracing::debug!(number, %error, "a request that ended elsewhere cannot be read now"),
                }
            }
        }
    }

    /// From now on, uses the secrets of a provider's new configuration.
    pub fn set_secrets(&self, config: &Config) {
        for processor in self.all.iter().filter(|processor| processor.provider.name() == config.provider) {
            processor.set_secrets(config.secrets.values());
        }
    }

    /// The state of each provider.
    pub fn states(&self) -> Vec<ProviderState> {
        self.all.iter().map(|processor| processor.state()).collect()
    }

    /// Waits until no attempt is under way.
    pub async fn drain(&self) {
        join_all(self.all.iter().map(|processor| processor.drain())).await;
    }

    /// Ends the providers' sessions, if they have any.
    pub async fn log_out(&self) {
        join_all(self.all.iter().map(|processor| processor.log_out())).await;
    }
}
