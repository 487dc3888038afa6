//! Admission of connections: the number of open connections is bounded, whatever clients do.
//!
//! Rule: no connection waits to be accepted. If all slots are taken, or an address has used up its share, a new
//! connection displaces an idle connection: of the connections that never sent a byte the longest silent, or else the
//! connection whose request has been incomplete for longest. If every connection is busy, the new connection goes to the
//! reserve, where only health checks are answered; other requests get 503, unless a slot is free by the time of the
//! request.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::pace::Pace;
use crate::peer::Peer;

/// Time for which no connection is displaced: bytes of its client may be on their way.
const GRACE: Duration = Duration::from_millis(50);

/// Limits on the number of open connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections with full access.
    pub(super) slots: usize,
    /// Most of these for one address.
    pub(super) per_peer: usize,
    /// Connections in the reserve, on top of the slots.
    pub(super) reserve: usize,
}

/// The paths that a connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// All paths.
    All,
    /// Health checks only.
    Health,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// A complete request is being answered.
    Busy,
    /// The client has sent bytes before, and its next request is absent or incomplete.
    Waiting,
    /// The client has never sent a byte.
    Silent,
}

/// The open connections; `H` is the handle that ends a connection.
pub(super) struct Admission<H> {
    limits: Limits,
    open: HashMap<u64, Open<H>>,
    next_id: u64,
    /// Duration of recent requests.
    pace: Pace,
}

struct Open<H> {
    peer: Peer,
    access: Access,
    phase: Phase,
    since: Instant,
    handle: H,
}

impl<H> Admission<H> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, open: HashMap::new(), next_id: 0, pace: Pace::default() }
    }

    /// Admits a connection; returns its id, and the connection that is displaced.
    pub(super) fn admit(&mut self, peer: Peer, handle: H, now: Instant) -> (u64, Option<H>) {
        let (access, displaced) = match self.make_room(peer, now) {
            Ok(displaced) => (Access::All, displaced),
            Err(()) => (Access::Health, self.make_room_in_reserve(peer)),
        };
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id, Open { peer, access, phase: Phase::Silent, since: now, handle });
        (id, displaced)
    }

    /// Notes the first bytes of a client, or the end of an answer: now the client has to send a request.
    pub(super) fn wait(&mut self, id: u64, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            if open.phase == Phase::Busy {
                self.pace.note(now.saturating_duration_since(open.since));
            }
            (open.phase, open.since) = (Phase::Waiting, now);
        }
    }

    /// Notes the head of a request; returns the paths it may ask for, and the connection that is displaced.
    pub(super) fn ask(&mut self, id: u64, now: Instant) -> (Access, Option<H>) {
        let Some(open) = self.open.get_mut(&id) else { return (Access::Health, None) };
        (open.phase, open.since) = (Phase::Waiting, now);
        if open.access == Access::All {
            return (Access::All, None);
        }
        let peer = open.peer;
        match (self.make_room(peer, now), self.open.get_mut(&id)) {
            (Ok(displaced), Some(open)) => {
                open.access = Access::All;
                (Access::All, displaced)
            }
            _ => (Access::Health, None),
        }
    }

    /// Notes a complete request, whose work begins; false if the connection was displaced before.
    pub(super) fn begin(&mut self, id: u64, now: Instant) -> bool {
        let Some(open) = self.open.get_mut(&id) else { return false };
        (open.phase, open.since) = (Phase::Busy, now);
        true
    }

    /// Removes a connection that has ended.
    pub(super) fn close(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// Estimated time until a connection in the reserve can have a slot.
    pub(super) fn retry_after(&self, now: Instant) -> Duration {
        let busy: Vec<_> = self.open.values().filter(|open| open.phase == Phase::Busy).collect();
        let all: Duration = busy.iter().map(|open| now.saturating_duration_since(open.since)).sum();
        let so_far = all / u32::try_from(busy.len()).unwrap_or(u32::MAX).max(1);
        self.pace.time_for(self.count(Access::Health, None), self.limits.slots, so_far)
    }

    fn count(&self, access: Access, peer: Option<Peer>) -> usize {
        let is_meant = |open: &&Open<H>| open.access == access && peer.is_none_or(|peer| open.peer == peer);
        self.open.values().filter(is_meant).count()
    }

    /// Frees a slot for a connection of this address, if the limits need it; `Err` if every candidate is busy.
    fn make_room(&mut self, peer: Peer, now: Instant) -> Result<Option<H>, ()> {
        let whose = if self.count(Access::All, Some(peer)) >= self.limits.per_peer {
            Some(peer)
        } else if self.count(Access::All, None) >= self.limits.slots {
            None
        } else {
            return Ok(None);
        };
        let may_go = |open: &Open<H>| open.phase > Phase::Busy && now.saturating_duration_since(open.since) >= GRACE;
        self.displace(Access::All, whose, may_go).map(Some).ok_or(())
    }

    /// Frees a slot in the reserve, always. An address with more than half of the reserve loses one of its own connections.
    fn make_room_in_reserve(&mut self, peer: Peer) -> Option<H> {
        if self.count(Access::Health, None) < self.limits.reserve {
            return None;
        }
        let is_greedy = self.count(Access::Health, Some(peer)) > self.limits.reserve / 2;
        self.displace(Access::Health, is_greedy.then_some(peer), |_| true)
    }

    fn displace(&mut self, access: Access, whose: Option<Peer>, may_go: impl Fn(&Open<H>) -> bool) -> Option<H> {
        let is_meant = |open: &Open<H>| open.access == access && whose.is_none_or(|peer| open.peer == peer);
        let longest = self.open.iter().filter(|(_, open)| is_meant(open) && may_go(open));
        let longest = longest.max_by_key(|(id, open)| (open.phase, std::cmp::Reverse((open.since, **id))));
        let id = *longest?.0;
        self.open.remove(&id).map(|open| open.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Doorman {
        admission: Admission<&'static str>,
        origin: Instant,
    }

    impl Doorman {
        fn new(slots: usize, per_peer: usize, reserve: usize) -> Self {
            Self { admission: Admission::new(Limits { slots, per_peer, reserve }), origin: Instant::now() }
        }

        fn at(&self, millis: u64) -> Instant {
            self.origin + Duration::from_millis(millis)
        }

        fn admit(&mut self, name: &'static str, address: [u8; 4], millis: u64) -> (u64, Option<&'static str>) {
            let now = self.at(millis);
            self.admission.admit(Peer::from(std::net::IpAddr::from(address)), name, now)
        }
    }

    const A: [u8; 4] = [192, 0, 2, 1];
    const B: [u8; 4] = [192, 0, 2, 2];

    #[test]
    fn silent_ones_go_first_then_those_that_wait_longest_and_never_busy_ones() {
        let mut door = Doorman::new(3, 3, 1);
        let (busy, _) = door.admit("busy", A, 0);
        let (idle, _) = door.admit("idle", A, 0);
        door.admit("silent", A, 100);
        assert!(door.admission.begin(busy, door.at(1)));
        door.admission.wait(idle, door.at(1));
        let (last, displaced) = door.admit("last", B, 200);
        assert_eq!(displaced, Some("silent"), "although the idle one has been so longer");
        door.admission.begin(last, door.at(201));
        assert_eq!(door.admit("one more", B, 300).1, Some("idle"));
        // Two connections are busy, and the third is too new to be displaced.
        let (reserved, displaced) = door.admit("too many", A, 310);
        assert_eq!((displaced, door.admission.ask(reserved, door.at(311))), (None, (Access::Health, None)));
        // After its grace the third is displaced by a new connection.
        assert_eq!(door.admission.ask(reserved, door.at(360)), (Access::All, Some("one more")));
        assert!(!door.admission.begin(idle, door.at(361)), "it is gone");
    }

    #[test]
    fn an_address_that_has_its_share_displaces_its_own() {
        let mut door = Doorman::new(10, 2, 1);
        door.admit("b", B, 0);
        door.admit("a1", A, 1);
        door.admit("a2", A, 2);
        assert_eq!(door.admit("a3", A, 100).1, Some("a1"));
        assert_eq!(door.admit("b2", B, 100).1, None);
    }

    #[test]
    fn the_reserve_always_has_room() {
        let mut door = Doorman::new(1, 1, 2);
        let (busy, _) = door.admit("busy", A, 0);
        door.admission.begin(busy, door.at(0));
        let (asked, _) = door.admit("asked", B, 1);
        door.admission.begin(asked, door.at(1));
        door.admit("silent", A, 2);
        assert_eq!(door.admit("next", A, 3).1, Some("silent"), "without a grace");
        assert_eq!(door.admit("next", A, 4).1, Some("next"));
        door.admission.close(busy);
        assert_eq!(door.admission.ask(asked, door.at(5)), (Access::All, None), "a slot is free by now");
    }

    #[test]
    fn retry_after_follows_how_long_requests_take() {
        let mut door = Doorman::new(1, 1, 4);
        let (busy, _) = door.admit("busy", A, 0);
        door.admission.begin(busy, door.at(0));
        door.admit("reserved", A, 1000);
        assert_eq!(door.admission.retry_after(door.at(4000)), Duration::from_secs(4));
        door.admission.wait(busy, door.at(6000));
        assert_eq!(door.admission.retry_after(door.at(6000)), Duration::from_secs(6));
    }
}
