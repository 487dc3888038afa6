//! The headers by which a proxy in front of the gateway describes the client's own call.

use hyper::HeaderMap;

use super::Server;

/// The first value of a header that each proxy adds to.
pub(super) fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    Some(headers.get(name)?.to_str().ok()?.split(',').next()?.trim())
}

/// The scheme of the client's call: `http` or `https`.
pub(super) fn scheme<'h>(server: &Server, headers: &'h HeaderMap) -> &'h str {
    let usual = if server.config.server.tls_certificate.is_some() { "https" } else { "http" };
    first(headers, "x-forwarded-proto").filter(|scheme| ["http", "https"].contains(scheme)).unwrap_or(usual)
}
