//! Replies: the envelope around data or an error, with the HTTP status by the configured mode.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::conversation::HEAD_BYTES;
use crate::api::{ApiError, Code, Data};
use crate::config::HttpStatusMode;
use crate::request::random_hex;
use crate::words::Word as _;

/// The header with the id of a request; every answer has this header, and the log the id.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The body type of all replies.
pub(super) type Reply = Response<Full<Bytes>>;

/// The envelope of every answer.
#[derive(serde::Serialize)]
struct Envelope<'a> {
    status: Status<'a>,
    data: Option<Data>,
}

#[derive(serde::Serialize)]
struct Status<'a> {
    code: &'static str,
    message: &'a str,
    description: &'a str,
}

/// The reply to a call that succeeded.
pub(super) fn success(data: Data) -> Reply {
    json_reply(
        StatusCode::OK,
        &Envelope { status: Status { code: "OK", message: "", description: "" }, data: Some(data) },
    )
}

/// The reply to a call that failed. `allow` goes with METHOD_NOT_ALLOWED.
pub(super) fn error(error: &ApiError, mode: HttpStatusMode, allow: Option<&'static str>) -> Reply {
    let status = match mode {
        HttpStatusMode::Rest => status_of(error.code),
        HttpStatusMode::Always200 => StatusCode::OK,
    };
    let mut reply = json_reply_of(status, error_json(error));
    if let Some(allow) = allow {
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(retry_after) = error.retry_after {
        set_retry_after(&mut reply, retry_after);
    }
    reply
}

fn error_json(error: &ApiError) -> Bytes {
    let status = Status { code: error.code.as_str(), message: &error.message, description: &error.location };
    json_bytes(&Envelope { status, data: None })
}

fn json_bytes(json: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(json).expect("texts and JSON that is written already can always be written").into()
}

/// A reply with a JSON body.
pub(super) fn json_reply(status: StatusCode, json: &impl serde::Serialize) -> Reply {
    json_reply_of(status, json_bytes(json))
}

/// A reply with JSON that is already written.
pub(super) fn json_reply_of(status: StatusCode, json: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(json));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// Sets `Retry-After`.
pub(super) fn set_retry_after(reply: &mut Reply, retry_after: Duration) {
    reply.headers_mut().insert(RETRY_AFTER, whole_seconds(retry_after).into());
}

/// Whole seconds, rounded up, so that a client does not come too early (RFC 9110, 10.2.3).
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1)
}

/// Sets the headers of the gateway's own answers: the request's id, and Date (RFC 9110, 6.6.1).
pub(super) fn sign<B>(reply: &mut Response<B>, request_id: &str, now: DateTime<Utc>) {
    let date = httpdate::fmt_http_date(now.into());
    for (name, value) in [(REQUEST_ID, request_id), (DATE, &date)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            reply.headers_mut().insert(name, value);
        }
    }
}

/// The reply to bytes that are not an HTTP/1.1 request, with the status of hyper; the connection then ends.
pub(super) fn unparsed(status: StatusCode, mode: HttpStatusMode, now: DateTime<Utc>) -> Vec<u8> {
    let message = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            format!("The request line and headers are larger than {HEAD_BYTES} bytes.")
        }
        StatusCode::URI_TOO_LONG => "The request target is too long.".to_owned(),
        _ => "This is no HTTP/1.1 request; in its target, quotes and spaces must be percent-encoded.".to_owned(),
    };
    let request_id = random_hex();
    let error = ApiError::new(Code::BadRequest, message);
    tracing::info!(request_id, status = status.as_u16(), code = error.code.as_str(), "a request could not be parsed");
    let status = if mode == HttpStatusMode::Rest { status } else { StatusCode::OK };
    let body = error_json(&error);
    let mut reply = json_reply_of(status, body.clone());
    sign(&mut reply, &request_id, now);
    let mut bytes =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len()).into_bytes();
    for (name, value) in reply.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(body);
    bytes
}

/// 404 without an envelope, for paths outside the API.
pub(super) fn not_found() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NOT_FOUND;
    reply
}

/// 405 without an envelope, for paths outside the API.
pub(super) fn not_allowed(allow: &'static str) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// The HTTP status of an error code.
pub fn status_of(code: Code) -> StatusCode {
    match code {
        Code::MissingParameter
        | Code::InvalidParameter
        | Code::ConflictingParameters
        | Code::MalformedJson
        | Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::InvalidCredentials | Code::InvalidToken => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::MethodNotFound | Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Conflict => StatusCode::CONFLICT,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_the_seconds_that_are_named_has_waited_long_enough() {
        let named = [0, 1, 1000, 1001, 59_999].map(|millis| whole_seconds(Duration::from_millis(millis)));
        assert_eq!(named, [1, 1, 1, 2, 60]);
    }
}
