//! The gateway from outside: JSON in over HTTP, SOAP out at a real socket, a real SQLite file.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authentication;
mod axis;
mod backup;
mod bad_input;
mod certificates;
mod coalesce;
mod command_line;
mod connections;
mod correlation;
mod date;
mod decide_all;
mod decisions;
mod disk;
mod documentation;
mod documents;
mod doubts;
mod durability;
mod fail_over;
mod faults;
mod fixtures;
mod http_habits;
mod inspector;
mod kills;
mod limits;
mod list;
mod metrics;
mod notes;
mod openapi;
mod outages;
mod outcomes;
mod overload;
mod panaccess;
mod parts;
mod pass_through;
mod processing;
mod providers;
mod reload;
mod replay;
mod session;
mod several_nodes;
mod signals;
mod simulator;
mod startup;
mod support;
mod terminal;
mod timings;
mod tls;
mod types;
mod unparsed;
mod vendor;
