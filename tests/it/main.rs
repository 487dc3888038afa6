//! The gateway from outside: JSON in over HTTP, SOAP out at a real socket, a real SQLite file.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authentication;
mod axis;
mod bad_input;
mod command_line;
mod documentation;
mod documents;
mod durability;
mod list;
mod outcomes;
mod processing;
mod simulator;
mod support;
mod tls;
