//! SOAP messages: out by the plan of the contract, in from whatever came back.

pub mod charset;
pub mod decode;
pub mod encode;
pub mod envelope;
pub mod fault;
mod media_type;
mod multipart;
pub mod result;
pub mod texts;
pub mod validate;
