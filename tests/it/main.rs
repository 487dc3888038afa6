//! The gateway from outside: JSON in over HTTP, SOAP out at a real socket, a real SQLite file.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod authentication;
mod axis;
mod bad_input;
mod command_line;
mod documents;
mod durability;
mod list;
mod outcomes;
mod processing;
mod simulator;
mod support;
mod tls;
