//! The server: the only user of hyper's server side, and the only place with HTTP status codes.
//!
//! accept → `admission` (who stays) → `route` (one match) → authenticate → read the body within limits → `api` → reply;
//! or, below the contract's base path, → `pass_through` → upstream.

mod admission;
mod auth;
mod body;
mod connection;
mod guest;
mod health;
mod metrics;
mod pass_through;
mod reply;
mod route;
mod unparsed;
mod watched;

use std::sync::Arc;

use crate::api::Api;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::observer::ObservedTransport;
use crate::redaction::Names;
use metrics::Scrapes;

pub use connection::{Connections, serve};
pub use pass_through::Captures;
pub use reply::status_of;
pub use route::{Route, routes};

/// What connections are served with.
pub struct Server {
    config: Arc<Config>,
    /// The methods of the JSON face.
    pub api: Api,
    /// What carries the requests that are passed through.
    transport: ObservedTransport,
    /// What keeps them.
    pub captures: Captures,
    /// What Prometheus reads.
    scrapes: Scrapes,
}

/// What is answered at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Everything.
    Whole,
    /// Metrics and health checks.
    Watching,
}

impl Server {
    /// A server for these methods, which passes SOAP through to `transport` and shows the metrics.
    pub fn new(config: Arc<Config>, api: Api, transport: ObservedTransport, metrics: Option<Arc<Metrics>>) -> Self {
        let names = Arc::new(Names::of(&api.contract, &[]));
        let most_bytes = config.pass_through.capture_bytes;
        let captures = Captures::new(api.store.clone(), transport.clone(), names, most_bytes);
        Self { config, api, transport, captures, scrapes: Scrapes::new(metrics) }
    }
}
