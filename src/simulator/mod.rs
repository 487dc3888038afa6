//! A stateful Conax behind a real socket, driven by the same contract as the gateway: validates requests against the
//! schema, knows cards, boxes, pairings, subscriptions and PINs, and misbehaves on demand.
//!
//! `simulator.behavior` applies to all requests, reserved card numbers to single requests.

mod conax;
mod fault;
mod reserved;
mod server;
mod sessions;

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::SimulatorSection;
use crate::contract::Contract;
use crate::shutdown::Shutdown;
use conax::Conax;
use sessions::Sessions;

pub use reserved::RESERVED;

/// The simulator; the state lives as long as this value.
pub struct Simulator {
    config: SimulatorSection,
    contract: Arc<Contract>,
    clock: Arc<dyn Clock>,
    conax: Mutex<Conax>,
    sessions: Mutex<Sessions>,
}

impl Simulator {
    /// A simulated Conax without cards.
    pub fn new(config: SimulatorSection, contract: Arc<Contract>, clock: Arc<dyn Clock>) -> Self {
        let conax = Mutex::new(Conax::new(config.cards.clone()));
        let sessions = Mutex::new(Sessions::new(config.session_requests));
        Self { config, contract, clock, conax, sessions }
    }

    /// Serves until shutdown.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) {
        server::serve(Arc::new(self), listener, shutdown).await;
    }
}
