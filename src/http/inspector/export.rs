//! Answers with a request or an exchange as a file to save. The inspector's exporter makes the content, with pseudonyms.

use std::sync::Arc;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use super::super::Server;
use super::super::reply::Reply;
use crate::api::{ApiError, Code};
use crate::inspector::{self, ExportFault, ExportForm, Exporter, Found};

/// A request or an exchange with pseudonyms, as a file.
pub(super) async fn export(server: &Server, id: &str, form: ExportForm) -> Result<Reply, ApiError> {
    let api = &server.api;
    let found = inspector::find(api, id).await?;
    let name = match &found {
        Found::Request(request) => format!("request-{}.{}", request.number, form.ending()),
        Found::Exchange(exchange) => format!("exchange-{}.{}", exchange.number, form.ending()),
    };
    let provider = match &found {
        Found::Request(request) => Some(api.providers.of_family(request.content.family)),
        Found::Exchange(exchange) => api.providers.of_path(&exchange.path).map(|(provider, _)| provider),
    };
    let provider = provider.unwrap_or(api.providers.first());
    let (config, contract, store) = (&provider.config, provider.contract.load_full(), Arc::clone(&api.store));
    let exporter = Exporter { config: Arc::clone(config), contract, store };
    let bytes = exporter.export(found, form).await.map_err(|fault| match fault {
        ExportFault::Exchange(_) | ExportFault::NothingSent | ExportFault::NoOperation(_) => {
            ApiError::new(Code::Conflict, format!("This is not exported: {fault}."))
        }
        ExportFault::Store(error) => error.into(),
        fault => ApiError::internal(fault.to_string()),
    })?;
    let mut reply = Response::new(Full::new(Bytes::from(bytes)));
    let attachment = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let attachment = attachment.map_err(|error| ApiError::internal(error.to_string()))?;
    reply.headers_mut().insert(CONTENT_DISPOSITION, attachment);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    Ok(reply)
}
