//! The provisioning request: its type and parameters, its states, and the record that tells what happened to it.

mod fields;
mod kind;

pub use fields::Fields;
pub use kind::{Parameter, RequestType, UnknownRequestType};
