//! `/livez` and `/readyz`, for programs that start, stop and balance gateways. They need no sign-in, and show no internal
//! details.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Map, json};

use super::Server;
use super::reply::{self, Reply};

/// Longest time that the store may take to answer.
const STORE_TIME: Duration = Duration::from_secs(2);

const LIVE: &str = "/livez";
const READY: &str = "/readyz";

/// Is this path a health check?
pub(super) fn is_check(path: &str) -> bool {
    [LIVE, READY].contains(&path)
}

/// The answer to a health check.
pub(super) async fn respond(server: &Server, method: &Method, path: &str) -> Reply {
    match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => reply::not_allowed("GET, HEAD"),
        READY => ready(server).await,
        _ => reply::json_reply(StatusCode::OK, &json!({"status": "ok"})),
    }
}

/// Answers `/readyz`. The contract needs no check: it is loaded before the server listens.
async fn ready(server: &Server) -> Reply {
    let store = match tokio::time::timeout(STORE_TIME, server.api.store.check_writable()).await {
        Ok(Ok(())) => "ok",
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready: the store cannot be written");
            "not writable"
        }
        Err(_) => "not answering",
    };
    let states = server.api.processors.states();
    let word = |is_down| if is_down { "not answering" } else { "ok" };
    // If one provider answers, its requests must still come here.
    let upstream = word(states.iter().all(|state| state.is_down));
    let providers: Map<_, _> = states.into_iter().map(|state| (state.provider, word(state.is_down).into())).collect();
    let is_ready = (store, upstream) == ("ok", "ok");
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let status_word = if is_ready { "ok" } else { "not ready" };
    reply::json_reply(
        status,
        &json!({"status": status_word, "store": store, "contract": "ok", "upstream": upstream, "providers": providers}),
    )
}
