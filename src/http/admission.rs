//! Which connections stay: a bounded number, whatever clients do with them.
//!
//! Rule: nobody waits outside. When all places are taken, or an address has its share of them, a new connection gets the
//! place of one for which nothing is being done: of those that never said anything the one that has been silent longest,
//! else the one that has made us wait longest for a request. When there is none it comes into the reserve: health checks
//! are answered there, and everything else is told to come again, unless there is a place by the time that it asks.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::pace::Pace;
use crate::peer::Peer;

/// How long a connection may keep its place in any case: what a client sent may be on its way to whoever reads it.
const GRACE: Duration = Duration::from_millis(50);

/// How many may be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Places.
    pub(super) places: usize,
    /// Those of them that one address may have.
    pub(super) per_peer: usize,
    /// Connections beside them, in the reserve.
    pub(super) reserve: usize,
}

/// What a connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anything.
    All,
    /// Health checks.
    Health,
}

/// What is being done for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// A request was received whole, and is not answered to its end.
    Busy,
    /// It said something once, and a request is not there, or not whole.
    Waiting,
    /// It never said anything.
    Silent,
}

/// The open connections; `H` is what ends one.
pub(super) struct Admission<H> {
    limits: Limits,
    open: HashMap<u64, Open<H>>,
    next_id: u64,
    /// How long requests take.
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

    /// Lets a connection in: its id, and which one has to go for it.
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

    /// A connection said its first word, or its answer is sent: the next request is its client's to send.
    pub(super) fn wait(&mut self, id: u64, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            if open.phase == Phase::Busy {
                self.pace.note(now.saturating_duration_since(open.since));
            }
            (open.phase, open.since) = (Phase::Waiting, now);
        }
    }

    /// The head of a request has come: what it may ask for, and which connection has to go for that.
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

    /// A request was received whole, and work on it begins; false if it had to go meanwhile.
    pub(super) fn begin(&mut self, id: u64, now: Instant) -> bool {
        let Some(open) = self.open.get_mut(&id) else { return false };
        (open.phase, open.since) = (Phase::Busy, now);
        true
    }

    /// A connection has ended.
    pub(super) fn close(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// When there may be a place for one that has none now.
    pub(super) fn retry_after(&self, now: Instant) -> Duration {
        let busy: Vec<_> = self.open.values().filter(|open| open.phase == Phase::Busy).collect();
        let all: Duration = busy.iter().map(|open| now.saturating_duration_since(open.since)).sum();
        let so_far = all / u32::try_from(busy.len()).unwrap_or(u32::MAX).max(1);
        self.pace.time_for(self.count(Access::Health, None), self.limits.places, so_far)
    }

    fn count(&self, access: Access, peer: Option<Peer>) -> usize {
        let is_meant = |open: &&Open<H>| open.access == access && peer.is_none_or(|peer| open.peer == peer);
        self.open.values().filter(is_meant).count()
    }

    /// Makes sure that there is a place for one more, and that it is no more than its address may have.
    fn make_room(&mut self, peer: Peer, now: Instant) -> Result<Option<H>, ()> {
        let whose = if self.count(Access::All, Some(peer)) >= self.limits.per_peer {
            Some(peer)
        } else if self.count(Access::All, None) >= self.limits.places {
            None
        } else {
            return Ok(None);
        };
        let may_go = |open: &Open<H>| open.phase > Phase::Busy && now.saturating_duration_since(open.since) >= GRACE;
        self.displace(Access::All, whose, may_go).map(Some).ok_or(())
    }

    /// In the reserve one always goes: of an address that has half of it, before those of others.
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
        fn new(places: usize, per_peer: usize, reserve: usize) -> Self {
            Self { admission: Admission::new(Limits { places, per_peer, reserve }), origin: Instant::now() }
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
        // Now two are busy, and the third came only now.
        let (reserved, displaced) = door.admit("too many", A, 310);
        assert_eq!((displaced, door.admission.ask(reserved, door.at(311))), (None, (Access::Health, None)));
        // Once the third has had its time, its place is there for whoever asks.
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
        assert_eq!(door.admission.ask(asked, door.at(5)), (Access::All, None), "a place is free by now");
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
