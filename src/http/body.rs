//! Reads a request's body within its limits: media type, size, time.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::api::{ApiError, Code, Params, parse_object};
use crate::config::Server;

/// Limits in bytes and time on reading the rest of a body that is not used.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Reads a JSON object as parameters. An empty body means an empty object if `may_be_empty`.
///
/// # Errors
/// UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT or MALFORMED_JSON.
pub(super) async fn read_body(
    config: &Server,
    headers: &HeaderMap,
    body: Incoming,
    may_be_empty: bool,
) -> Result<Params, ApiError> {
    let too_large = || {
        let message = format!("The body is larger than {} bytes.", config.max_body_bytes);
        ApiError::new(Code::PayloadTooLarge, message)
    };
    let mut body = body;
    let limited = Limited::new(&mut body, config.max_body_bytes);
    let bytes: Bytes = match tokio::time::timeout(config.body_timeout_s, limited.collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            return Err(too_large());
        }
        Ok(Err(error)) => return Err(ApiError::new(Code::BadRequest, format!("The body could not be read: {error}."))),
        Err(_) => return Err(ApiError::new(Code::RequestTimeout, "The body did not arrive in time.")),
    };
    if bytes.is_empty() && may_be_empty {
        return Ok(Params::new(serde_json::Map::new()));
    }
    check_media_type(headers)?;
    parse_object(&bytes).map(Params::new)
}

/// Reads on for a while: closing with unread bytes resets the connection, and the client might never read the answer.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let read_on = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    drop(tokio::time::timeout(DISCARD_TIME, read_on).await);
}

fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(CONTENT_TYPE).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let media_type = value.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if headers.get(CONTENT_ENCODING).is_some_and(|v| !v.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::new(Code::UnsupportedMediaType, "The body must come without Content-Encoding."));
    }
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(Code::UnsupportedMediaType, "The Content-Type must be application/json."))
}
