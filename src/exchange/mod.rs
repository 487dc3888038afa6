//! The SOAP request of a client and its answer, as stored: raw, without credentials (`credentials`, `path`),
//! readable ([`crate::coding`]).
//!
//! Rule: everything stored has passed [`Message::new`] and [`Exchange::masked`]: bodies are unpacked, and credentials
//! are masked everywhere. A body that cannot be read cannot be masked either, and is not stored.

mod credentials;
mod packed;
mod path;
mod subject;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use hyper::HeaderMap;

use crate::coding::{CodingFault, Unpacked, unpacked};
use crate::redaction::{self, Names};
use crate::request::RecordId;
use crate::secret::Secret;
use crate::soap::texts;
use crate::timings::Timings;
pub use credentials::Credentials;
use credentials::kept_headers;
pub use packed::{PackedBody, PackedExchange};
pub use path::bare_path;
use path::without_values;
pub use subject::{Subject, Subjects};

/// Most different secrets in an exchange: each is searched for in all texts.
const SECRETS: usize = 32;
/// Header names and values, in their order.
pub type Headers = Vec<(String, String)>;

/// A request of a client, and its answer or failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Id of the exchange.
    pub id: RecordId,
    /// Number in the order of the exchanges' ends; 0 until the store assigns it.
    pub number: i64,
    /// Time at which the head of the request had come.
    pub at: DateTime<Utc>,
    /// Milliseconds from there to the end of the answer.
    pub duration_ms: i64,
    /// The stretches of that time, if upstream was asked.
    pub timings: Option<Timings>,
    /// Path and query, as the client wrote them.
    pub path: String,
    /// The client's request.
    pub request: Message,
    /// Upstream's answer, if there was one.
    pub answer: Option<Answer>,
    /// The failure below SOAP, in words.
    pub error: Option<String>,
    /// The type of the failure (see [`crate::upstream::proxy_status`]); `None` if the client left.
    pub error_type: Option<String>,
    /// User name in the client's HTTP Basic credentials (RFC 7617).
    pub user: Option<String>,
    /// The operation, the smartcards and the fault.
    pub subject: Subject,
}

/// Headers and body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Headers as received; names in lower case, credentials masked.
    pub headers: Headers,
    /// The unpacked body.
    pub body: Vec<u8>,
    /// Only the beginning of the body is kept.
    pub is_truncated: bool,
}

/// An answer of upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Reason phrase as sent, else the standard one.
    pub reason: String,
    /// Headers and body.
    pub message: Message,
}

/// An operator's note about an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: DateTime<Utc>,
    /// User name of the operator.
    pub user: String,
    /// The words.
    pub text: String,
}

/// An exchange without its texts, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Id of the exchange.
    pub id: RecordId,
    /// Number in the order of the exchanges' ends.
    pub number: i64,
    /// Time at which the head of the request had come.
    pub at: DateTime<Utc>,
    /// Milliseconds from there to the end of the answer.
    pub duration_ms: i64,
    /// Path and query.
    pub path: String,
    /// HTTP status of upstream's answer.
    pub status: Option<u16>,
    /// The failure below SOAP, in words.
    pub error: Option<String>,
    /// The operation, the smartcards and the fault.
    pub subject: Subject,
}

impl Exchange {
    /// The exchange with its secrets masked (PINs and passwords by their names, and the client's credentials), also
    /// where the answer repeats them.
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
    /// A message from its head and the first bytes of its body, of which at most `most_bytes` are kept, counted
    /// unpacked.
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

    /// Drops the body.
    pub fn drop_body(&mut self) {
        self.is_truncated |= !self.body.is_empty();
        self.body = Vec::new();
    }

    /// A part of a multipart body may be base64.
    fn may_hold_secret(&self, names: &Names) -> bool {
        texts::are_several(self.header("content-type")) || names.may_hold_secret(&self.body)
    }

    /// The secrets in the message, found by element and attribute names.
    fn secrets(&self, names: &Names) -> Vec<Secret> {
        let mut secrets = Vec::new();
        if self.may_hold_secret(names) {
            texts::each(&self.body, self.header("content-type"), |text| {
                secrets.extend(redaction::secrets_in(names, text).into_iter().map(Secret::new));
            });
        }
        secrets
    }

    /// The message with secrets masked by name, and these secrets masked wherever they occur.
    fn masked(self, names: &Names, secrets: &[Secret]) -> Self {
        if secrets.is_empty() && !self.may_hold_secret(names) {
            return self;
        }
        let content_type = self.header("content-type").map(str::to_owned);
        let mask = |text: &str| redaction::mask(names, secrets, text);
        Self { body: texts::rewrite(&self.body, content_type.as_deref(), mask), ..self }
    }

    /// The first header of a name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
