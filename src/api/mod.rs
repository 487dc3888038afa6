//! The CRM.COM face: what a method takes and returns, free of HTTP.
//!
//! One file a method, each with `call(app, session, params) -> Result<Data, ApiError>`; beside them what they share:
//! reading parameters with the place of every fault, identifiers, dates, fields_set, and the record as JSON.

pub mod add_subscriptions;
pub mod authentication;
pub mod cancel_subscriptions;
pub mod create_pairing;
pub mod list;
pub mod show;

mod create;
mod date;
mod device;
mod error;
mod fields_set;
mod identifier;
mod json;
mod params;
mod record;
mod session;
mod subscriptions;

pub use date::Dates;
pub use error::{ApiError, Code};
pub use json::parse_object;
pub use params::{Params, query_object};
pub use record::Record;
pub use session::{Session, Sessions};

/// What a method returns: the `data` of the envelope, written as JSON already.
pub type Data = Box<serde_json::value::RawValue>;

/// Writes the data of a method.
fn data(value: &impl serde::Serialize) -> Result<Data, ApiError> {
    serde_json::value::to_raw_value(value).map_err(|e| ApiError::internal(format!("data cannot be written: {e}")))
}
