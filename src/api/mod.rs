//! The CRM.COM face: what a method takes and returns, free of HTTP.
//!
//! Each method is a `call(app, session, …, params) -> Result<Data, ApiError>`: `show`, `list`, and `create` for all that
//! create a request, whose parameters `draft` reads by the table of request types. Beside them what they share: parameters
//! with the place of every fault, identifiers, dates, fields_set, the record as JSON.

pub mod authentication;
pub mod create;
pub mod list;
pub mod show;

mod date;
mod device;
mod draft;
mod error;
mod fields_set;
mod identifier;
mod json;
mod params;
mod query;
mod rate;
mod record;
mod session;
mod subscription;

pub use date::Dates;
pub use error::{ApiError, Code};
pub use json::parse_object;
pub use params::Params;
pub use query::query_object;
pub use rate::Rates;
pub use record::Record;
pub use session::{Session, Sessions};

/// What a method returns: the `data` of the envelope, written as JSON already.
pub type Data = Box<serde_json::value::RawValue>;

/// Writes the data of a method.
fn data(value: &impl serde::Serialize) -> Result<Data, ApiError> {
    serde_json::value::to_raw_value(value).map_err(|e| ApiError::internal(format!("data cannot be written: {e}")))
}
