//! The provisioning request: its type and parameters, its states, and the record that tells what happened to it.

mod classification;
mod correlation;
mod decision;
mod fields;
mod history;
mod id;
mod joint;
mod mask;
mod outcome;
mod parameter;
mod part;
mod record;
mod request_type;
mod types;

pub use classification::Classification;
pub use correlation::{Correlation, REQUEST_ID_LENGTH, TraceContext, TraceParent, is_request_id, new_span_id};
pub use decision::{Decision, NotAllowed, Order};
pub use fields::{CONTEXT, Fields};
pub use history::{Attempt, Event, EventKind};
pub use id::{RecordId, random_hex, random_uuid};
pub use joint::JointCall;
pub use outcome::{Next, Outcome};
pub use parameter::{CARD_ID, DEVICE_FIELDS, Parameter, SEQUENCE_NUMBER, SERVICE_ID, STB_ID, Shape, Steps};
pub use part::{Part, PartState, PartStatus, Rendered};
pub use record::{
    Cas, Envelope, Failure, Family, InDoubt, Item, NewRequest, Priority, ProvisioningRequest, Scalar, State, failure,
    process,
};
pub use request_type::{Field, RequestType, UnknownRequestType};
