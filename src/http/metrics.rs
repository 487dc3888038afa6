//! `/metrics`: collects the state of all parts, and writes the page. No sign-in is needed, since the page has no data of
//! customers.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::reply::{self, Reply};
use super::{Server, packing};
use crate::contract::Contract;
use crate::metrics::{self, Metrics, Sample};

pub(super) const PATH: &str = "/metrics";
/// Longest time that the store may take to answer.
const STORE_TIME: Duration = Duration::from_secs(2);
/// How long a page is reused, so that frequent scrapes are cheap.
const KEPT: Duration = Duration::from_secs(1);

/// The metrics, with the last page.
pub(super) struct Scrapes {
    metrics: Option<Arc<Metrics>>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Scrapes {
    pub(super) fn new(metrics: Option<Arc<Metrics>>) -> Self {
        Self { metrics, last: Mutex::default() }
    }

    /// From now on, status codes of these contracts are reasons by name.
    pub(super) fn follow(&self, contracts: &[Arc<Contract>]) {
        if let Some(metrics) = &self.metrics {
            metrics.follow(contracts);
        }
    }
}

/// Answers a scrape; `None` if metrics are off.
pub(super) async fn respond(server: &Server, method: &Method) -> Option<Reply> {
    let metrics = server.scrapes.metrics.as_ref()?;
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(reply::not_allowed("GET, HEAD"));
    }
    let mut last = server.scrapes.last.lock().await;
    let page = match &*last {
        Some((at, page)) if at.elapsed() < KEPT => page.clone(),
        _ => {
            let page = Bytes::from(metrics.render(&sample(server).await));
            *last = Some((Instant::now(), page.clone()));
            page
        }
    };
    let mut reply = Response::new(Full::new(page));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    Some(packing::allow(reply))
}

/// The state of queues, files and breakers now.
pub(super) async fn sample(server: &Server) -> Sample {
    let now = server.api.clock.now();
    let store = match tokio::time::timeout(STORE_TIME, server.api.store.measure(now)).await {
        Ok(Ok(measures)) => Some(measures),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store cannot be measured now");
            None
        }
        Err(_) => None,
    };
    Sample { now, store, providers: server.api.processors.states() }
}
