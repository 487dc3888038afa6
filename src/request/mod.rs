//! The provisioning request: its type and parameters, its states, and the record that tells what happened to it.

mod fields;
mod id;
mod kind;
mod outcome;
mod record;

pub use fields::Fields;
pub use id::{RecordId, random_hex};
pub use kind::{Parameter, RequestType, UnknownRequestType};
pub use outcome::{Attempt, Outcome};
pub use record::{Failure, Family, Item, NewRequest, Priority, ProvisioningRequest, State, failure, process};
