pub mod account;
pub mod catalogue;
pub mod clock;
pub mod config;
pub mod request;
pub mod store;
pub mod xml;
