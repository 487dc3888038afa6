//! The server: the only user of hyper's server side, and the only place with HTTP status codes.
//!
//! accept → `admission` (who stays) → `route` (one match) → authenticate → read the body within limits → `api` → reply;
//! or, below the contract's base path, → `pass_through` → upstream.

mod admission;
mod auth;
mod body;
mod capture;
mod connection;
mod guest;
mod health;
mod inbound;
mod pass_through;
mod reply;
mod route;
mod unparsed;
mod watched;

pub use capture::Captures;
pub use connection::{Connections, serve};
pub use reply::status_of;
pub use route::{Route, routes};
