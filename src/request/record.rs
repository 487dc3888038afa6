//! The provisioning request as the store keeps it: content, state and outcome.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::{Correlation, Fields, JointCall, PartStatus, RecordId, Rendered, RequestType};
use crate::account::User;
use crate::secret::Secret;
use crate::words::Word;
use crate::xml::mask_blanks;

/// The documented resource that a record belongs to; only that resource shows the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
pub enum Family {
    /// `conax_web_services`.
    #[strum(serialize = "conax_web_services")]
    WebServices,
    /// `conax_sms_sas`.
    #[strum(serialize = "conax_sms_sas")]
    SmsSas,
    /// `panaccess`.
    #[strum(serialize = "panaccess")]
    Panaccess,
}

/// A CA system: the head-end behind a provider. Each system has its own cards: the same number in two systems means two
/// cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Cas {
    /// Conax.
    Conax,
    /// Panaccess.
    Panaccess,
}

/// The state of a request. PENDING ends once, in COMPLETED or REJECTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Not ended.
    Pending,
    /// Conax did the request.
    Completed,
    /// The request was not done, and never will be.
    Rejected,
}

/// The priority of a request: EXPRESS goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Priority {
    /// Before all regular requests.
    Express,
    /// After all express requests.
    Regular,
}

/// The path segment between a family and the name of a method.
const RESOURCE: &str = "provisioning_requests";

impl Cas {
    /// The names of all systems, as a JSON array.
    pub fn all_as_json() -> String {
        words_as_json(Self::VARIANTS)
    }
}

impl Family {
    /// The names of all families, as a JSON array.
    pub fn all_as_json() -> String {
        words_as_json(Self::VARIANTS)
    }

    /// The CA system that the requests of the family go to.
    pub fn cas(self) -> Cas {
        match self {
            Self::WebServices | Self::SmsSas => Cas::Conax,
            Self::Panaccess => Cas::Panaccess,
        }
    }

    /// The path of a method, below the prefix of all methods.
    pub fn method_path(self, method: &str) -> String {
        format!("{}/{RESOURCE}/{method}", self.as_str())
    }

    /// Splits the path of a method into the family and the method's name.
    pub fn of_path(path: &str) -> Option<(Self, &str)> {
        let (family, rest) = path.split_once('/')?;
        Some((family.parse().ok()?, rest.strip_prefix(RESOURCE)?.strip_prefix('/')?))
    }
}

fn words_as_json<W: Word>(words: &[W]) -> String {
    serde_json::Value::from_iter(words.iter().map(|word| word.as_str())).to_string()
}

/// Who sent a request to Conax: the values of process_name.
pub mod process {
    /// The API call itself.
    pub const MANUAL: &str = "MANUAL";
    /// The processing run.
    pub const RUN: &str = "PROVISIONING_REQUEST_PROCESSING";
}

/// The value of a parameter, with its documented type.
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

/// An item of parameters_set: a parameter and the item's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Id of the item.
    pub id: String,
    /// Name of the parameter, as in the documents' examples.
    pub name: String,
    /// Value of the parameter; null is not "".
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
    /// The text with secrets masked.
    pub redacted: String,
    /// The text as sent, if it has a secret, which `redacted` masks, or blanks that are filled at sending. Deleted when
    /// the request has ended.
    pub raw: Option<String>,
}

impl Envelope {
    /// A text without a secret, but perhaps with blanks.
    pub fn without_secret(text: String) -> Self {
        let redacted = mask_blanks(&text, &Secret::mask());
        Self { raw: (redacted != text).then_some(text), redacted }
    }

    /// The text as sent, with its blanks.
    pub fn to_send(&self) -> &str {
        self.raw.as_deref().unwrap_or(&self.redacted)
    }

    /// The client's secret in the text as sent.
    pub fn secret(&self) -> Option<Secret> {
        Secret::between(&mask_blanks(self.raw.as_deref()?, &Secret::mask()), &self.redacted)
    }
}

/// A request in doubt: sent, without a valid answer. The stage says who decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubt {
    /// The gateway resolves the doubt by the resend rule of the type; later requests for the cards wait.
    Resolving {
        /// When the gateway gives up.
        until: DateTime<Utc>,
    },
    /// An operator decides; later requests for the cards go on.
    NeedsOperator,
    /// An operator ordered one more attempt, in its turn among the requests for the cards.
    RetryOrdered,
    /// The request has ended: Conax rejected a resend. The first attempt may have worked.
    Earlier,
}

/// Why a request was rejected, or is in doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// A code of the gateway (see [`failure`]), `AxisFault`, or Conax's StatusCode.
    pub code: String,
    /// The whole text.
    pub description: Option<String>,
    /// Conax's StatusCode, or the fault's code.
    pub provider_code: Option<String>,
    /// Conax's message, or the fault's string.
    pub provider_description: Option<String>,
}

impl Failure {
    /// The reason in one line: the code, then Conax's message if there is one, or else the gateway's description.
    pub fn reason(&self) -> String {
        let line = |text: &Option<String>| {
            text.as_deref()?.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        };
        let words = line(&self.provider_description);
        if self.code == failure::AXIS_FAULT {
            // The code AxisFault adds nothing to the fault's text.
            return words.or_else(|| self.provider_code.clone()).unwrap_or_else(|| self.code.clone());
        }
        match words.or_else(|| line(&self.description)) {
            Some(words) => format!("{}: {words}", self.code),
            None => self.code.clone(),
        }
    }
}

/// Codes of failures found by the gateway itself.
pub mod failure {
    /// A SOAP fault or an HTTP error, with the text that Apache Axis prints for it.
    pub const AXIS_FAULT: &str = "AxisFault";
    /// The service has no CA ID.
    pub const SERVICE_NOT_MAPPED: &str = "SERVICE_NOT_MAPPED";
    /// The stored parameters do not fit the contract that is loaded now.
    pub const CONTRACT_MISMATCH: &str = "CONTRACT_MISMATCH";
    /// No connection, after all tries.
    pub const CONNECT_FAILED: &str = "CONNECT_FAILED";
    /// The TLS handshake failed.
    pub const TLS_FAILED: &str = "TLS_FAILED";
    /// The login failed, so that there is no session, after all tries.
    pub const LOGIN_FAILED: &str = "LOGIN_FAILED";
    /// Conax was too busy, after all tries.
    pub const UPSTREAM_BUSY: &str = "UPSTREAM_BUSY";
    /// The request was sent, and its outcome is unknown.
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    /// The answer has no status, and the bindings classify that as a rejection.
    pub const NO_STATUS: &str = "NO_STATUS";
    /// The gateway replays fixtures, and no case fits.
    pub const NO_FIXTURE: &str = "NO_FIXTURE";
    /// An operator cancelled the request before it was sent.
    pub const CANCELLED: &str = "CANCELLED";
    /// An operator resolved the doubt: Conax did not do the request.
    pub const SETTLED: &str = "SETTLED";
    /// Some parts of the request were done, and others were not; the description names them.
    pub const PARTLY_DONE: &str = "PARTLY_DONE";
    /// All of these codes.
    pub const ALL: [&str; 13] = [
        AXIS_FAULT,
        SERVICE_NOT_MAPPED,
        CONTRACT_MISMATCH,
        CONNECT_FAILED,
        TLS_FAILED,
        LOGIN_FAILED,
        UPSTREAM_BUSY,
        OUTCOME_UNKNOWN,
        NO_FIXTURE,
        NO_STATUS,
        CANCELLED,
        SETTLED,
        PARTLY_DONE,
    ];
}

/// A new request, before the store has accepted it.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Id of the request.
    pub id: RecordId,
    /// The family of the method that created the request.
    pub family: Family,
    /// Type of the request.
    pub request_type: RequestType,
    /// Priority of the request.
    pub priority: Priority,
    /// As the client gave it; `None` if the method was called without it, and the documents show null.
    pub process_immediately: Option<bool>,
    /// When the request is due.
    pub scheduled_at: DateTime<Utc>,
    /// parameters_set.
    pub items: Vec<Item>,
    /// The subscription that the request belongs to, as the client named it (JSON).
    pub subscription: Option<String>,
    /// CA IDs of the smartcards: only one request at a time is sent for each card.
    pub cards: Vec<String>,
    /// CA IDs of the set-top boxes.
    pub stbs: Vec<String>,
    /// The parameters of the API call as JSON, without token; the secret is masked.
    pub api_call: Option<String>,
    /// The message or messages to send; `None` if rendering failed (`rejection` says why).
    pub rendered: Option<Rendered>,
    /// All values of the message except the cards, if the request may be sent together with others of the same values.
    pub joint_fields: Option<Fields>,
    /// Why the gateway will reject the request instead of sending it.
    pub rejection: Option<Failure>,
    /// The ids of the call that created the request; `None` if no call did.
    pub correlation: Option<Correlation>,
    /// User who created the request.
    pub created_by: Arc<User>,
    /// When the request was created.
    pub created_at: DateTime<Utc>,
}

impl NewRequest {
    /// Was the request due only after its acceptance?
    pub fn is_scheduled(&self) -> bool {
        self.scheduled_at > self.created_at
    }

    /// The parameters of the API call, with the secret until the request has ended.
    pub fn call_with_secret(&self) -> Option<serde_json::Value> {
        let mut call: serde_json::Value = serde_json::from_str(self.api_call.as_deref()?).ok()?;
        if let (Some(name), Some(secret)) = (self.request_type.secret(), self.secret())
            && let Some(value) = call.get_mut(name)
        {
            *value = secret.expose().into();
        }
        Some(call)
    }
}

/// A request as the store has it, with its state.
#[derive(Clone, Debug)]
pub struct ProvisioningRequest {
    /// Number of the request: ascending, never used twice.
    pub number: i64,
    /// The order of sending among the requests for a card.
    pub sequence_number: i64,
    /// Content of the request.
    pub content: Arc<NewRequest>,
    /// State of the request.
    pub state: State,
    /// When the request was last sent; `None` if it was never sent.
    pub executed_at: Option<DateTime<Utc>>,
    /// When the record was last changed.
    pub updated_at: DateTime<Utc>,
    /// Number of attempts.
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The stage of the doubt, if the request is in doubt.
    pub in_doubt: Option<InDoubt>,
    /// Was the body handed to a connection in any attempt?
    pub sent: bool,
    /// Text of the last attempt's answer.
    pub response: Option<Arc<str>>,
    /// Conax's transaction id.
    pub reference_number: Option<String>,
    /// Content of a query's answer, as JSON.
    pub result: Option<Box<RawValue>>,
    /// Why the request was rejected, or is in doubt.
    pub failure: Option<Failure>,
    /// Who sent the request: one of [`process`].
    pub process_name: &'static str,
    /// Id of the node that sent the request.
    pub process_id: Option<String>,
    /// The outcome of each part of [`NewRequest::parts`], in their order.
    pub parts: Arc<Vec<PartStatus>>,
    /// The number of the part that the last attempt sent, counted from 1.
    pub last_part: Option<u32>,
    /// The joint call under way, or else the joint call of the last attempt.
    pub joint_call: Option<Arc<JointCall>>,
    /// Is the request under way in a joint call, or leased for a joint call that is not yet stored and sent?
    pub is_in_joint_call: bool,
}
