//! x
pub mod xml;
