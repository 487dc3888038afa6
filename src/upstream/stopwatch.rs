//! Notes the moments of one call, and computes its timings.
//!
//! Rule: clones share their notes, so that the caller has the timings however the call ends, even by a timeout. A
//! connection that was made meanwhile, but not used, is not part of the call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::timings::Timings;

tokio::task_local! {
    // The HTTP client does not tell its connector which request a connection is made for.
    static CURRENT: Stopwatch;
}

/// Measures one call.
#[derive(Clone, Debug)]
pub struct Stopwatch(Arc<Mutex<Moments>>);

/// The moments of a call, as far as they have happened.
#[derive(Clone, Copy, Debug)]
struct Moments {
    began: Instant,
    /// The last connection that was begun for the call.
    connection: Option<Connecting>,
    /// When a connection first asked for the request.
    taken: Option<Instant>,
    /// When the last piece of the request was handed over.
    sent: Option<Instant>,
    /// When the head of the answer came.
    answered: Option<Instant>,
    ended: Option<Instant>,
}

/// The moments of connecting.
#[derive(Clone, Copy, Debug)]
struct Connecting {
    began: Instant,
    is_tls: bool,
    resolving: Option<Instant>,
    resolved: Option<Instant>,
    connected: Option<Instant>,
    ready: Option<Instant>,
}

/// A moment of a call, to be noted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    /// Connecting begins.
    Connecting { is_tls: bool },
    /// Looking up the host's name begins.
    Resolving,
    /// The host's name is resolved.
    Resolved,
    /// The host has accepted the TCP connection.
    Connected,
    /// The connection is ready.
    Ready,
    /// A piece of the request was handed to a connection.
    Sent,
    /// The head of the answer came.
    Answered,
    /// The call has ended.
    Ended,
}

impl Stopwatch {
    /// Starts a stopwatch.
    pub fn start() -> Self {
        let began = Instant::now();
        let moments = Moments { began, connection: None, taken: None, sent: None, answered: None, ended: None };
        Self(Arc::new(Mutex::new(moments)))
    }

    /// The stopwatch of the current task, for which connections are made.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs the future that the stopwatch measures.
    pub(super) async fn measure<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    pub(super) fn note(&self, note: Note) {
        self.moments().note(note, Instant::now());
    }

    /// The timings up to the end of the call, or up to now; `None` if nothing was tried.
    pub fn timings(&self) -> Option<Timings> {
        let moments = *self.moments();
        moments.timings(moments.ended.unwrap_or_else(Instant::now))
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moments {
    fn note(&mut self, note: Note, now: Instant) {
        match (note, &mut self.connection) {
            (Note::Connecting { is_tls }, connection) => {
                let (resolving, resolved, connected, ready) = (None, None, None, None);
                *connection = Some(Connecting { began: now, is_tls, resolving, resolved, connected, ready });
            }
            (Note::Resolving, Some(connection)) => connection.resolving = Some(now),
            (Note::Resolved, Some(connection)) => connection.resolved = Some(now),
            (Note::Connected, Some(connection)) => connection.connected = Some(now),
            (Note::Ready, Some(connection)) => connection.ready = Some(now),
            (Note::Resolving | Note::Resolved | Note::Connected | Note::Ready, None) => {}
            (Note::Sent, _) => {
                self.taken.get_or_insert(now);
                self.sent = Some(now);
            }
            (Note::Answered, _) => self.answered = Some(now),
            (Note::Ended, _) => self.ended = Some(now),
        }
    }

    fn timings(&self, end: Instant) -> Option<Timings> {
        let mut laps = Laps { at: self.began, end };
        let mut timings = Timings::default();
        // The request went over the new connection only if that was ready before the request was taken.
        let first_use = self.taken.or(self.answered);
        let connection = self.connection.filter(|made| match first_use {
            Some(used) => made.ready.is_some_and(|ready| ready <= used),
            None => true,
        });
        if let Some(made) = connection {
            timings.blocked_us = Some(laps.to(Some(made.began)));
            timings.dns_us = made.resolving.map(|_| laps.to(made.resolved));
            if made.resolving.is_none() || made.resolved.is_some() {
                let connected = if made.is_tls { made.connected } else { made.connected.or(made.ready) };
                timings.connect_us = Some(laps.to(connected));
                timings.tls_us = (made.is_tls && connected.is_some()).then(|| laps.to(made.ready));
            }
        } else {
            timings.blocked_us = Some(laps.to(Some(first_use?)));
        }
        if first_use.is_some() {
            let sent = self.sent.map(|sent| self.answered.map_or(sent, |answered| sent.min(answered)));
            timings.send_us = sent.map(|sent| laps.to(Some(sent)));
            timings.wait_us = Some(laps.to(self.answered));
            timings.read_us = self.answered.map(|_| laps.to(Some(end)));
        }
        Some(timings)
    }
}

/// Measures the laps between successive moments.
struct Laps {
    at: Instant,
    end: Instant,
}

impl Laps {
    /// Microseconds to this moment, or to the end if the moment did not come.
    fn to(&mut self, moment: Option<Instant>) -> u64 {
        let moment = moment.map_or(self.end, |moment| moment.min(self.end));
        let lap = moment.saturating_duration_since(self.at);
        self.at = self.at.max(moment);
        u64::try_from(lap.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn timings(notes: &[(u64, Note)], end: u64) -> Option<Timings> {
        let began = Instant::now();
        let mut moments = Moments { began, connection: None, taken: None, sent: None, answered: None, ended: None };
        let at = |us: u64| began + Duration::from_micros(us);
        notes.iter().for_each(|(us, note)| moments.note(*note, at(*us)));
        moments.timings(at(end))
    }

    const NEW: [(u64, Note); 5] = [
        (1, Note::Connecting { is_tls: true }),
        (2, Note::Resolving),
        (5, Note::Resolved),
        (9, Note::Connected),
        (20, Note::Ready),
    ];

    #[test]
    fn a_new_connection_has_every_stretch_and_together_they_are_the_call() {
        let answered = [(21, Note::Sent), (50, Note::Answered)];
        let found = timings(&[&NEW[..], &answered].concat(), 60).unwrap();
        let all = [("blocked", 1), ("name", 4), ("connect", 4), ("TLS", 11), ("send", 1), ("wait", 29), ("read", 10)];
        assert_eq!(found.stretches().collect::<Vec<_>>(), all);
        assert_eq!(found.stretches().map(|(_, us)| us).sum::<u64>(), 60);
    }

    #[test]
    fn a_connection_that_was_there_takes_no_time_also_where_another_one_was_begun() {
        let used = [(3, Note::Sent), (30, Note::Answered)];
        let expected = vec![("blocked", 3), ("send", 0), ("wait", 27), ("read", 2)];
        let meanwhile = [&NEW[..1], &used, &NEW[1..]].concat();
        for notes in [&used[..], &meanwhile] {
            assert_eq!(timings(notes, 32).unwrap().stretches().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_failed_took_its_time_where_it_failed() {
        for (notes, last) in [(2, "name"), (3, "connect"), (4, "TLS")] {
            let found = timings(&NEW[..notes], 100).unwrap();
            assert_eq!(found.stretches().last().unwrap().0, last);
            assert_eq!(found.stretches().map(|(_, us)| us).sum::<u64>(), 100);
        }
        let silent = timings(&[(3, Note::Sent)], 100).unwrap();
        assert_eq!((silent.wait_us, silent.read_us), (Some(97), None));
        assert_eq!(timings(&[], 100), None);
    }
}
