//! API errors: a stable code, a sentence for a person, the location, and a private text that only the log gets.

use std::time::Duration;

use strum::{EnumMessage, IntoStaticStr, VariantArray};

use crate::processor::SubmitError;
use crate::store::StoreError;

/// Retry-After while the store fails; the gateway cannot know how long that takes.
const OUT_OF_ORDER: Duration = Duration::from_secs(5);

/// Stable codes of API errors, the value of `status.code`. docs/methods.md takes the meanings from these comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumMessage, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// A mandatory parameter is absent or null.
    MissingParameter,
    /// A parameter is unknown, or its type, length, range, value or characters are wrong.
    InvalidParameter,
    /// The parameters exclude each other.
    ConflictingParameters,
    /// The body is not JSON, or not a JSON object, or names a key twice.
    MalformedJson,
    /// The HTTP request itself is ambiguous or broken; 414 or 431 if its target or head is too large.
    BadRequest,
    /// User name, password or API key are wrong.
    InvalidCredentials,
    /// The token is unknown, expired or released.
    InvalidToken,
    /// The role of the user does not allow it.
    Forbidden,
    /// There is no such method.
    MethodNotFound,
    /// There is no such record, or no such entry in a strict catalogue.
    NotFound,
    /// The method exists for another HTTP verb; `Allow` names it.
    MethodNotAllowed,
    /// The Idempotency-Key was used before, with another call.
    Conflict,
    /// The body was not received in time.
    RequestTimeout,
    /// The body is larger than `server.max_body_bytes`.
    PayloadTooLarge,
    /// The body is not declared as application/json.
    UnsupportedMediaType,
    /// Too many requests of one user, or too many signing in at once; try again after `Retry-After`.
    TooManyRequests,
    /// The gateway failed; the log has the reason under the X-Request-Id.
    InternalError,
    /// The gateway cannot take requests now; try again after `Retry-After`.
    Unavailable,
}

/// An API error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Stable code.
    pub code: Code,
    /// A sentence for a person.
    pub message: String,
    /// JSON path of the parameter; empty if the error concerns none.
    pub location: String,
    /// The cause, for the log only.
    pub private: Option<String>,
    /// Time after which the same call may work; `None` if waiting does not help.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error that no parameter caused.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), location: String::new(), private: None, retry_after: None }
    }

    /// TOO_MANY_REQUESTS or UNAVAILABLE: the same call may work after `retry_after`.
    pub fn later(code: Code, message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(code, message) }
    }

    /// An error of the parameter at a JSON path.
    pub fn at(code: Code, location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { location: location.into(), ..Self::new(code, message) }
    }

    /// INVALID_PARAMETER at a JSON path.
    pub fn invalid(location: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at(Code::InvalidParameter, location, message)
    }

    /// MISSING_PARAMETER at a JSON path.
    pub fn missing(location: impl Into<String>) -> Self {
        let location = location.into();
        let name = location.rsplit('.').next().unwrap_or_default().to_owned();
        Self::at(Code::MissingParameter, location, format!("{name} is mandatory."))
    }

    /// UNAVAILABLE: the gateway cannot take the call now.
    pub fn busy(retry_after: Duration) -> Self {
        Self::later(Code::Unavailable, "The gateway cannot take requests now.", retry_after)
    }

    /// INTERNAL_ERROR; `cause` goes to the log only.
    pub fn internal(private: impl Into<String>) -> Self {
        let error = Self::new(
            Code::InternalError,
            "The call failed inside the gateway; the log has the details under the X-Request-Id.",
        );
        Self { private: Some(private.into()), ..error }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Full { retry_after } => Self::busy(retry_after),
            SubmitError::Store(error) => error.into(),
            SubmitError::Undecided => {
                let message = "The store has not answered yet, and the request may be accepted all the same: repeat it \
                               with the same Idempotency-Key, or look for it before.";
                Self { private: Some(error.to_string()), ..Self::later(Code::Unavailable, message, OUT_OF_ORDER) }
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let private = error.to_string();
        match error {
            StoreError::Busy(retry_after) => Self::busy(retry_after),
            StoreError::Unavailable(_) | StoreError::Damaged(_) => {
                Self { private: Some(private), ..Self::busy(OUT_OF_ORDER) }
            }
            StoreError::Taken(_) | StoreError::NotAllowed(_) | StoreError::Other(_) => Self::internal(private),
        }
    }
}
