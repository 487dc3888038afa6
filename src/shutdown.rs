//! The one signal that says: finish what is under way, start nothing new; and what the process makes of Unix signals.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Sets the signal.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Sees the signal.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A signal that is not set yet.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Sets the signal, for good.
    pub fn set(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Is it set?
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is set. A trigger that is gone counts as set.
    pub async fn wait(&mut self) {
        drop(self.0.wait_for(|set| *set).await);
    }
}

/// SIGTERM, SIGINT and SIGQUIT, noticed from the moment that this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
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
        })
    }

    /// Waits for one of them.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}

/// Makes a serving process ignore the signals that mean nothing to it: each one would kill at once, and leave what is
/// under way in doubt. SIGHUP is among them: it comes when the terminal is closed, and from log rotation.
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
        // A write beyond a limit on the size of files (setrlimit(2)): it fails, as on a full disk.
        SignalKind::from_raw(Number::XFSZ.as_raw()),
    ];
    // A handler stays when nobody listens to it any more.
    kinds.into_iter().try_for_each(|kind| signal(kind).map(drop))
}
