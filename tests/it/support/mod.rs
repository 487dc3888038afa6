//! What the tests stand on: a gateway (the real binary), a client for its JSON face, and a Conax that says what it is
//! told to.

mod client;
mod conax;
mod gateway;
mod postgres;
mod relay;
mod tls;
mod wire;

pub use client::{Client, WEB};
pub use conax::{Conax, Reaction, Received, answer_to, ok_answer, operation_of, values_of, xml_answer};
pub use gateway::{BIN, Gateway, PASSWORD, USER, command_with, eventually, run, run_in, run_with_input};
pub use postgres::{Cluster, Pooler};
pub use relay::Relay;
pub use tls::{Authority, Certificate};
pub use wire::{Upstream, Wire};
