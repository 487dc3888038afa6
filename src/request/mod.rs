//! The provisioning request: its type and parameters, its states, and the record that tells what happened to it.

mod decision;
mod fields;
mod history;
mod id;
mod kind;
mod mask;
mod outcome;
mod record;

pub use decision::{Decision, NotAllowed, Order};
pub use fields::Fields;
pub use history::{Attempt, Event, EventKind};
pub use id::{RecordId, random_hex};
pub use kind::{DEVICE_PARAMETERS, Parameter, RequestType, UnknownRequestType};
pub use mask::Secret;
pub use outcome::{Next, Outcome};
pub use record::{
    Body, Doubt, Failure, Family, Item, NewRequest, Priority, ProvisioningRequest, Scalar, State, failure, process,
};
