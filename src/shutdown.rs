//! The one signal that says: finish what is under way, start nothing new.

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

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// The process cannot listen for signals.
pub async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupt = tokio::signal::ctrl_c() => interrupt,
    }
}
