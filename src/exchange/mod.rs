//! A client's own SOAP request and its answer, as they are kept: raw, less credentials (`credentials`, `path`), readable
//! ([`crate::coding`]).
//!
//! Rule: what is kept has passed [`Message::new`] and [`Exchange::masked`]: bodies are unpacked, and what signs somebody
//! in stands nowhere. What cannot be read cannot be masked either, and is not kept.

mod credentials;
mod packed;
mod path;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use hyper::HeaderMap;

use crate::coding::{CodingFault, Unpacked, unpacked};
use crate::redaction::{self, Names};
use crate::request::RecordId;
use crate::secret::Secret;
use crate::soap::texts;
pub use credentials::Credentials;
use credentials::kept_headers;
pub use packed::{PackedBody, PackedExchange};
pub use path::bare_path;
use path::without_values;

/// Different secrets in one exchange, at most: each is looked for everywhere.
const SECRETS: usize = 32;
/// Names and values, in their order.
pub type Headers = Vec<(String, String)>;

/// One request of a client, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its id.
    pub id: RecordId,
    /// Ascending in the order in which exchanges ended; the store gives it, 0 before.
    pub number: i64,
    /// When the request's head had come.
    pub at: DateTime<Utc>,
    /// Until the end of the answer.
    pub duration_ms: i64,
    /// Path and query, as the client wrote them.
    pub path: String,
    /// What the client sent.
    pub request: Message,
    /// What upstream answered, if it did.
    pub answer: Option<Answer>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
    /// The type of that error (see [`crate::upstream::proxy_status`]); `None` if the client left by itself.
    pub error_type: Option<String>,
    /// The user that the client signed in as (RFC 7617).
    pub user: Option<String>,
}

/// A head and a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Headers as they came; names in lower case, credentials masked.
    pub headers: Headers,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// Is it only the beginning?
    pub is_truncated: bool,
}

/// An answer of upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Reason phrase as sent, else the standard one.
    pub reason: String,
    /// The rest.
    pub message: Message,
}

/// An exchange without its texts, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: RecordId,
    /// Its number.
    pub number: i64,
    /// When the request's head had come.
    pub at: DateTime<Utc>,
    /// Until the end of the answer.
    pub duration_ms: i64,
    /// Path and query.
    pub path: String,
    /// HTTP status of upstream's answer.
    pub status: Option<u16>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
}

impl Exchange {
    /// The exchange with what is secret in it masked (PINs and passwords by their names, and what the client signed in
    /// with), also where the answer repeats it.
    pub fn masked(mut self, names: &Names, credentials: &[Secret]) -> Self {
        let mut secrets = credentials.to_vec();
        secrets.extend(self.request.secrets(names));
        let mut seen = HashSet::new();
        secrets.retain(|secret| seen.insert(secret.expose().to_owned()));
        if secrets.len() > SECRETS {
            secrets.truncate(SECRETS);
            self.request.drop_body();
            self.answer.iter_mut().for_each(|answer| answer.message.drop_body());
        }
        let mask = |text: String| secrets.iter().fold(text, |text, secret| secret.mask_in(&text));
        let answer = self.answer.map(|answer| {
            let message = answer.message.masked(names, &secrets);
            Answer { reason: mask(answer.reason), message, ..answer }
        });
        let request = self.request.masked(names, &secrets);
        Self { path: mask(without_values(&self.path)), request, answer, error: self.error.map(mask), ..self }
    }
}

impl Message {
    /// What is kept of a head and of the first bytes of its body: once it is unpacked, so many.
    pub fn new(headers: &HeaderMap, body: Vec<u8>, is_truncated: bool, most_bytes: usize) -> Self {
        let Unpacked { body, fault } = unpacked(body, headers, most_bytes);
        let headers = kept_headers(headers);
        let mut message = Self { headers, body, is_truncated: is_truncated || fault.is_some() };
        let is_packed = matches!(fault, Some(CodingFault::Unknown(_)));
        if is_packed || !texts::are_readable(&message.body, message.header("content-type")) {
            message.drop_body();
        }
        message
    }

    /// Keeps nothing of its body.
    pub fn drop_body(&mut self) {
        self.is_truncated |= !self.body.is_empty();
        self.body = Vec::new();
    }

    /// A part of several may be in base64.
    fn may_hold_secret(&self, names: &Names) -> bool {
        texts::are_several(self.header("content-type")) || names.may_hold_secret(&self.body)
    }

    /// What is secret by name in it.
    fn secrets(&self, names: &Names) -> Vec<Secret> {
        let mut secrets = Vec::new();
        if self.may_hold_secret(names) {
            texts::each(&self.body, self.header("content-type"), |text| {
                secrets.extend(redaction::secrets_in(names, text).into_iter().map(Secret::new));
            });
        }
        secrets
    }

    /// The message with what is secret by name masked in it, and wherever these secrets stand by themselves.
    fn masked(self, names: &Names, secrets: &[Secret]) -> Self {
        if secrets.is_empty() && !self.may_hold_secret(names) {
            return self;
        }
        let content_type = self.header("content-type").map(str::to_owned);
        let mask = |text: &str| redaction::mask(names, secrets, text);
        Self { body: texts::rewrite(&self.body, content_type.as_deref(), mask), ..self }
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
