//! The ids of a call, from its headers or new: X-Request-Id, `traceparent` and `tracestate`.

use hyper::HeaderMap;

use super::reply::REQUEST_ID;
use crate::request::{Correlation, TraceContext, is_request_id, random_hex};

/// The ids of a call with these headers.
pub(super) fn of(headers: &HeaderMap) -> Correlation {
    let request_id = only(headers, REQUEST_ID.as_str()).filter(|id| is_request_id(id)).map(str::to_owned);
    // Several lines of tracestate are one list (3.3.1.1).
    let states = headers.get_all("tracestate").iter().map(|value| value.to_str());
    let state = states.collect::<Result<Vec<_>, _>>().ok().map(|states| states.join(","));
    let trace = only(headers, "traceparent").and_then(|parent| TraceContext::parse(parent, state));
    Correlation { request_id: request_id.unwrap_or_else(random_hex), trace }
}

/// The value of a header that occurs once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
