//! The server: the only user of hyper's server side, and the only place with HTTP status codes.
//!
//! accept → `route` (one match) → authenticate → read the body within limits → `api` → reply.

mod auth;
mod body;
mod connection;
mod health;
mod reply;
mod route;

pub use connection::{Connections, serve};
pub use reply::status_of;
pub use route::ROUTES;
