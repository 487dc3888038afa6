//! The shutdown signal of the process: finish what is under way, start nothing new; and the handling of Unix signals.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The end that sets the signal.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// The end that waits for the signal.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A signal that is not set.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Sets the signal, which stays set.
    pub fn set(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Has the shutdown begun?
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the signal is set, or the trigger is dropped.
    pub async fn wait(&mut self) {
        drop(self.0.wait_for(|set| *set).await);
    }
}

/// SIGTERM, SIGINT, SIGQUIT and SIGHUP, noticed from the creation of this value on.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// End the process.
    Stop,
    /// Load the configuration anew.
    Reload,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The process cannot listen for signals.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of these signals.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.quit.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits for a signal that ends the process.
    pub async fn wait(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}

/// Makes a serving process ignore signals that are not meant to end a process, but would kill it at once and leave
/// requests in doubt. SIGHUP is among them until somebody listens for it.
///
/// # Errors
/// The process cannot listen for signals.
pub fn ignore_other_signals() -> std::io::Result<()> {
    let kinds = [
        SignalKind::hangup(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::alarm(),
        SignalKind::io(),
        SignalKind::pipe(),
        // SIGXFSZ comes with a write beyond a file size limit (setrlimit(2)): ignored, the write fails as on a full
        // disk.
        SignalKind::from_raw(Number::XFSZ.as_raw()),
    ];
    // tokio's handler stays installed when nobody listens to it any more.
    kinds.into_iter().try_for_each(|kind| signal(kind).map(drop))
}
