//! A provisioning gateway: CRM.COM's JSON methods in, Conax's SOAP calls out, a durable record of both.
//!
//! The map, in the order that data flows:
//!
//! - [`cli`]: the command line, one file a subcommand; `app` builds everything once and serves; `reload` replaces what
//!   may be replaced meanwhile; `transport` opens the way to Conax that the configuration names: live, recorded or replayed.
//! - [`config`], `telemetry`, [`tls`], `shutdown`, `clock`, `pace`, `peer`, `lock`, `printable`, `secret`,
//!   `timings`, `words`, `writable`: the ground that all other rooms stand on.
//! - [`http`]: the only user of hyper's server and of HTTP status codes: accept, route, authenticate, read, reply.
//! - [`api`]: the CRM.COM face, one file a method; `account` is who calls, `catalogue` what they name.
//! - `inspector`: the traffic on pages for a browser: what they show, and their files.
//! - [`request`]: the provisioning request, its types, states and outcome.
//! - `exchange`: what a client and Conax said to each other through us, as it is kept.
//! - `search`: the language in which a person searches both.
//! - `store`: where both are kept: one trait a kind of thing; SQLite or PostgreSQL behind them.
//! - `retention`: deletes what ended long ago.
//! - `provider`: the head-end of a CA system: its contract and its upstream; a gateway may have several.
//! - `processor`: sends requests, at once or in their turn, one processor a provider; policy is pure functions.
//! - [`contract`]: WSDL, XSD and bindings, compiled to a plan.
//! - [`soap`]: messages out and in by that plan; [`axis`]: fault text as Apache Axis words it.
//! - [`upstream`]: the transport to Conax, and how far the bytes got; `coding` undoes the codings of bodies.
//! - `observer`: who watches what happens, as recording does, `metrics`, which counts it for Prometheus, and `traces`, which
//!   makes spans of it for OpenTelemetry.
//! - [`recording`]: recorded traffic; a replay is a transport, too.
//! - `redaction`: takes out what is personal, by the names in the contract and by value.
//! - [`simulator`]: a Conax of our own, behind a real socket.
//! - [`xml`]: a strict reader, a tree and a writer, for all of them.

pub mod account;
pub mod api;
mod app;
pub mod axis;
mod catalogue;
pub mod cli;
mod clock;
mod coding;
pub mod config;
pub mod contract;
mod exchange;
pub mod http;
mod inspector;
mod lock;
mod metrics;
mod observer;
mod pace;
mod peer;
mod printable;
mod processor;
mod provider;
pub mod recording;
mod redaction;
mod reload;
pub mod request;
mod retention;
mod search;
mod secret;
mod shutdown;
pub mod simulator;
pub mod soap;
pub mod store;
mod telemetry;
mod timings;
pub mod tls;
mod traces;
mod transport;
pub mod upstream;
mod words;
mod writable;
pub mod xml;
