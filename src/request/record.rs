//! The provisioning request as it is kept: what was asked, where it stands, and what came of it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::{RecordId, RequestType};
use crate::account::User;
use crate::secret::Secret;
use crate::words::Word as _;

/// Which of the two documented resources a record belongs to; it is seen only through that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
pub enum Family {
    /// `conax_web_services`.
    #[strum(serialize = "conax_web_services")]
    WebServices,
    /// `conax_sms_sas`.
    #[strum(serialize = "conax_sms_sas")]
    SmsSas,
}

/// Where a request stands. PENDING goes to one of the others, never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Not ended.
    Pending,
    /// Conax did it.
    Completed,
    /// Not done, and never will be.
    Rejected,
}

/// EXPRESS goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Priority {
    /// Before all regular requests.
    Express,
    /// In its turn.
    Regular,
}

/// What stands between a family and the name of a method.
const RESOURCE: &str = "provisioning_requests";

impl Family {
    /// The path of a method, below the prefix of all methods.
    pub fn method_path(self, method: &str) -> String {
        format!("{}/{RESOURCE}/{method}", self.as_str())
    }

    /// The family and the name of the method that a path leads to.
    pub fn of_path(path: &str) -> Option<(Self, &str)> {
        let (family, rest) = path.split_once('/')?;
        Some((family.parse().ok()?, rest.strip_prefix(RESOURCE)?.strip_prefix('/')?))
    }
}

/// Who sent a request to Conax: the value of process_name.
pub mod process {
    /// The API call itself.
    pub const MANUAL: &str = "MANUAL";
    /// The processing run.
    pub const RUN: &str = "PROVISIONING_REQUEST_PROCESSING";
}

/// The value of a parameter, of the type that the documents give it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// String or Date.
    Text(String),
    /// Integer.
    Whole(i64),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(number) => number.fmt(f),
        }
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// One item of parameters_set: one parameter and its own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Id of the item.
    pub id: String,
    /// Name of the parameter, as in the documents' examples.
    pub name: String,
    /// Its value; null is not "".
    pub value: Option<Scalar>,
}

impl Item {
    /// An item with an id of its own.
    pub fn new(name: &str, value: Option<impl Into<Scalar>>) -> Self {
        Self { id: super::random_hex(), name: name.to_owned(), value: value.map(Into::into) }
    }
}

/// The SOAP request, rendered once and sent as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// As it is shown.
    pub redacted: String,
    /// As it is sent, where that has a secret that `redacted` masks; gone when the request has ended.
    pub raw: Option<String>,
}

impl Envelope {
    /// What is sent.
    pub fn to_send(&self) -> &str {
        self.raw.as_deref().unwrap_or(&self.redacted)
    }

    /// The secret that is sent and not shown.
    pub fn secret(&self) -> Option<Secret> {
        Secret::between(self.raw.as_deref()?, &self.redacted)
    }
}

/// What is to become of a request that was sent without a valid answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubt {
    /// The gateway resolves it by the resend rule of its type, until then; its cards wait.
    Resolving {
        /// When it gives up.
        until: DateTime<Utc>,
    },
    /// An operator decides; no card waits.
    NeedsOperator,
    /// An operator ordered it to be sent once more, in its cards' turn.
    RetryOrdered,
    /// Nothing more: Conax said no to a repetition, and the request has ended. What was sent before may have worked.
    Earlier,
}

/// Why a request was rejected, or is uncertain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Our code, `AxisFault`, or Conax's StatusCode.
    pub code: String,
    /// The whole text.
    pub description: Option<String>,
    /// Conax's StatusCode, or the fault's code.
    pub provider_code: Option<String>,
    /// Conax's message, or the fault's string.
    pub provider_description: Option<String>,
}

impl Failure {
    /// The reason in one line, as a person would say it: the words of Conax where it gave some, else ours, behind the code.
    pub fn reason(&self) -> String {
        let line = |text: &Option<String>| {
            text.as_deref()?.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        };
        let words = line(&self.provider_description);
        if self.code == failure::AXIS_FAULT {
            // The code says only that there is a fault.
            return words.or_else(|| self.provider_code.clone()).unwrap_or_else(|| self.code.clone());
        }
        match words.or_else(|| line(&self.description)) {
            Some(words) => format!("{}: {words}", self.code),
            None => self.code.clone(),
        }
    }
}

/// Codes of failures that the gateway itself finds.
pub mod failure {
    /// A SOAP fault or an HTTP error, with the text that Apache Axis prints for it.
    pub const AXIS_FAULT: &str = "AxisFault";
    /// The service has no CA ID.
    pub const SERVICE_NOT_MAPPED: &str = "SERVICE_NOT_MAPPED";
    /// The stored parameters no longer make a message of the contract that is loaded now.
    pub const CONTRACT_MISMATCH: &str = "CONTRACT_MISMATCH";
    /// No connection, after all tries.
    pub const CONNECT_FAILED: &str = "CONNECT_FAILED";
    /// The TLS handshake failed.
    pub const TLS_FAILED: &str = "TLS_FAILED";
    /// Conax was too busy, after all tries.
    pub const UPSTREAM_BUSY: &str = "UPSTREAM_BUSY";
    /// Sent, and what became of it is not known.
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    /// The answer has no status, and the bindings say that this is a no.
    pub const NO_STATUS: &str = "NO_STATUS";
    /// Requests are answered from recorded fixtures, and none fits.
    pub const NO_FIXTURE: &str = "NO_FIXTURE";
    /// An operator cancelled it before it was sent.
    pub const CANCELLED: &str = "CANCELLED";
    /// Its outcome was not known, and an operator found that Conax did not do it.
    pub const SETTLED: &str = "SETTLED";
    /// Every one of them.
    pub const ALL: [&str; 11] = [
        AXIS_FAULT,
        SERVICE_NOT_MAPPED,
        CONTRACT_MISMATCH,
        CONNECT_FAILED,
        TLS_FAILED,
        UPSTREAM_BUSY,
        OUTCOME_UNKNOWN,
        NO_FIXTURE,
        NO_STATUS,
        CANCELLED,
        SETTLED,
    ];
}

/// A request on its way into the store.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Its id.
    pub id: RecordId,
    /// The resource that created it.
    pub family: Family,
    /// What it asks for.
    pub request_type: RequestType,
    /// Its priority.
    pub priority: Priority,
    /// As given; `None` where the method was called without it and the documents show null.
    pub process_immediately: Option<bool>,
    /// When it is due.
    pub scheduled_at: DateTime<Utc>,
    /// parameters_set.
    pub items: Vec<Item>,
    /// The subscription it belongs to, as the client named it (JSON), if it did.
    pub subscription: Option<String>,
    /// The smartcards it touches: one request at a time is sent for each.
    pub cards: Vec<String>,
    /// The set-top boxes it touches.
    pub stbs: Vec<String>,
    /// What the client called with, as JSON: without token, and with the secret masked.
    pub api_call: Option<String>,
    /// The SOAP request; `None` where it cannot be sent (and then `rejection` says why).
    pub envelope: Option<Envelope>,
    /// Why it is to be rejected without being sent, when its turn comes.
    pub rejection: Option<Failure>,
    /// Who created it.
    pub created_by: Arc<User>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl NewRequest {
    /// Was it to wait for its date when it was accepted?
    pub fn is_scheduled(&self) -> bool {
        self.scheduled_at > self.created_at
    }

    /// What the client called with, its secret in place, for as long as that is known.
    pub fn call_with_secret(&self) -> Option<serde_json::Value> {
        let mut call: serde_json::Value = serde_json::from_str(self.api_call.as_deref()?).ok()?;
        let secret = self.envelope.as_ref().and_then(Envelope::secret);
        if let (Some(name), Some(secret)) = (self.request_type.secret(), secret)
            && let Some(value) = call.get_mut(name)
        {
            *value = secret.expose().into();
        }
        Some(call)
    }
}

/// A request as the store has it.
#[derive(Clone, Debug)]
pub struct ProvisioningRequest {
    /// Ascending, never used twice.
    pub number: i64,
    /// Per smartcard, the order of sending.
    pub sequence_number: i64,
    /// What was asked.
    pub content: Arc<NewRequest>,
    /// Where it stands.
    pub state: State,
    /// When it was last sent; `None` while nothing of it was.
    pub executed_at: Option<DateTime<Utc>>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Times that sending was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// It was sent, and the outcome is not known: what is done about it.
    pub in_doubt: Option<InDoubt>,
    /// Was the body handed to a connection in any attempt?
    pub sent: bool,
    /// The text that came back in the last attempt.
    pub response: Option<Arc<str>>,
    /// Conax's transaction id.
    pub reference_number: Option<String>,
    /// What the answer of a query tells, as JSON.
    pub result: Option<Box<RawValue>>,
    /// Why it was rejected, or what is uncertain about it.
    pub failure: Option<Failure>,
    /// Who sent it: [`process`].
    pub process_name: &'static str,
    /// Id of the processing run that sent it.
    pub process_id: Option<String>,
}
