//! Messages to a service manager (sd_notify(3)): the gateway is ready, loads its configuration anew, stops, or is still
//! alive. Without a service manager no message is sent.

use sd_notify::NotifyState;

/// The gateway accepts connections.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The gateway stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The configuration is loaded anew, until the gateway is ready again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the service manager is not told of a reload"),
    }
}

/// Says twice in each period that the process works, as long as its tasks run; `None` where nobody wants to know.
pub(super) fn watchdog() -> Option<impl Future<Output = ()>> {
    let period = sd_notify::watchdog_enabled()?;
    Some(async move {
        let mut ticks = tokio::time::interval(period / 2);
        loop {
            ticks.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    })
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
