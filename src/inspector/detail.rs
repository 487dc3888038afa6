//! All data of a request: both SOAP messages, the record, every attempt, all other events, and the decisions that its
//! state allows; for an exchange see `exchange_detail`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::decide::allowed;
use super::exchange_detail;
use super::found::{Found, find};
use super::list::to_data;
use super::timings::{Timing, timings};
use crate::api::{Api, ApiError, Data, RecordWithHistory};
use crate::contract::Operation;
use crate::request::{Attempt, Event, ProvisioningRequest};

/// All data of a request.
#[derive(Serialize)]
struct RequestDetail<'r> {
    kind: &'static str,
    #[serde(flatten)]
    history: RecordWithHistory<'r>,
    cards: &'r [String],
    /// The path of the creating method; `call` has the client's parameters.
    method_path: String,
    call: Option<&'r RawValue>,
    soap: Option<Soap<'r>>,
    /// The decisions that the request's state allows now.
    decisions: Vec<&'static str>,
    timings: Vec<Timing>,
}

/// The parts of a SOAP request to be sent by hand.
#[derive(Serialize)]
struct Soap<'o> {
    operation: &'o str,
    path: String,
    content_type: &'static str,
    action: &'o str,
}

/// All data of a request or an exchange by its id, or of a request by its number.
///
/// # Errors
/// NOT_FOUND, or the store.
pub async fn detail(api: &Api, id: &str) -> Result<Data, ApiError> {
    match find(api, id).await? {
        Found::Exchange(exchange) => {
            // The texts may be large, and a fault is parsed, so this runs on a blocking thread.
            let (dates, notes) = (api.dates, api.store.list_notes(exchange.number).await?);
            let data = tokio::task::spawn_blocking(move || exchange_detail::to_data(&exchange, notes, dates));
            data.await.map_err(|error| ApiError::internal(error.to_string()))?
        }
        Found::Request(request) => {
            let attempts = api.store.list_attempts(request.number).await?;
            let events = api.store.list_events(request.number).await?;
            request_data(api, &request, &attempts, &events)
        }
    }
}

fn request_data(
    api: &Api,
    request: &ProvisioningRequest,
    attempts: &[Attempt],
    events: &[Event],
) -> Result<Data, ApiError> {
    let content = &request.content;
    let contract = api.providers.of_family(content.family).contract.load();
    let operation = contract.operation(content.request_type);
    let call = content.api_call.as_deref().map(serde_json::from_str::<&RawValue>).transpose();
    to_data(&RequestDetail {
        kind: "request",
        history: RecordWithHistory::new(request, attempts, events, api.dates),
        cards: &content.cards,
        method_path: content.request_type.method_path(content.family),
        call: call.map_err(|error| ApiError::internal(error.to_string()))?,
        soap: operation.map(|operation| Soap::new(contract.base_path(), operation)),
        decisions: allowed(request, api.clock.now()),
        timings: timings(request, attempts),
    })
}

impl<'o> Soap<'o> {
    fn new(base_path: &str, operation: &'o Operation) -> Self {
        Self {
            operation: &operation.name,
            path: format!("{base_path}{}", operation.path),
            content_type: operation.soap.content_type(),
            action: &operation.action,
        }
    }
}
