//! The server: the only user of hyper's server side, and the only place with HTTP status codes.
//!
//! accept → `admission` (which connections stay) → `route` (one match) → authenticate → read the body within limits →
//! `api` → reply; or, below the contract's base path, → `pass_through` → upstream; or, below `/inspector/`, →
//! `inspector`.

mod admission;
mod auth;
mod body;
mod connection;
mod conversation;
mod correlation;
mod forwarded;
mod guest;
mod health;
mod inspector;
mod methods;
mod metrics;
mod openapi;
mod packing;
mod pass_through;
mod reply;
mod resting;
mod route;
mod unparsed;
mod watched;

use std::sync::Arc;

use crate::api::Api;
use crate::config::Config;
use crate::contract::Contract;
use crate::metrics::Metrics;
use crate::observer::Observers;
use metrics::Scrapes;
use openapi::OpenApi;

pub use connection::{Connections, CurrentTls, serve};
pub use inspector::Streams;
pub use methods::{Route, routes};
pub use pass_through::Captures;
pub use reply::status_of;

/// Everything that connections share.
pub struct Server {
    config: Arc<Config>,
    /// The methods of the JSON API.
    pub api: Arc<Api>,
    /// The captures of passed exchanges.
    pub captures: Captures,
    /// Streams of events to pages of the inspector.
    pub streams: Streams,
    /// The metrics of `/metrics`.
    scrapes: Scrapes,
    /// The OpenAPI document.
    openapi: OpenApi,
}

/// The paths that an address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// All paths.
    Whole,
    /// Metrics and health checks only.
    Watching,
}

impl Server {
    /// A server for the methods of `api`; SOAP is passed through to its providers.
    pub fn new(config: Arc<Config>, api: Api, metrics: Option<Arc<Metrics>>) -> Self {
        let openapi = OpenApi::new(&config.server);
        let most_bytes = config.pass_through.capture_bytes;
        let captures = Captures::new(api.store.clone(), &api.providers, most_bytes);
        let (api, scrapes) = (Arc::new(api), Scrapes::new(metrics));
        Self { config, api, captures, streams: Streams::default(), scrapes, openapi }
    }

    /// The observers of all providers.
    fn observers(&self) -> &Observers {
        self.api.providers.first().transport.observers()
    }

    /// From now on calls use these contracts, one per provider; calls under way keep their contract.
    pub fn replace_contracts(&self, contracts: Vec<Arc<Contract>>) {
        for (provider, contract) in self.api.providers.iter().zip(contracts) {
            provider.contract.store(contract);
        }
        self.captures.follow(&self.api.providers);
        self.scrapes.follow(&self.api.providers.contracts());
    }
}
