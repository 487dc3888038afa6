//! Provisioning requests and their history: what the store takes and gives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use strum::{IntoStaticStr, VariantArray};

use super::{Lease, LeasedCall, LeasedRequest, NodeId, StoreError};
use crate::request::{
    Attempt, Cas, Event, Failure, Family, JointCall, NewRequest, Order, ProvisioningRequest, RecordId, Rendered,
    RequestType, State,
};
use crate::search::{Condition, Patterns, Search};

/// The provisioning requests, each with its history.
#[async_trait]
pub trait RequestStore: Send + Sync {
    /// Commits new requests; from then on they cannot be lost.
    async fn submit(&self, batch: Vec<Submission>) -> Result<Vec<SubmitResult>, StoreError>;
    /// Leases to a node the requests of some CA systems that are due at `now` and not held up by another one of their cards:
    /// EXPRESS first, then by date, then by number, one system after the other. Doubts that are not resolved in time are given up
    /// on the way. Requests that may join a call are leased with the one whose turn it is: due ones of the same
    /// [`NewRequest::joint_key`] whose cards are free, in their order, up to the cards of such a call. There may be more.
    async fn claim_requests(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        node: &NodeId,
        systems: &[Cas],
        most_cards: &MostCards,
    ) -> Result<Vec<LeasedCall>, StoreError>;
    /// Commits a call that is about to be sent for several requests, by their leases. False, and nothing is written, if one of
    /// the leases is lost.
    async fn begin_joint_call(&self, call: Arc<JointCall>, leases: Vec<(i64, Lease)>) -> Result<bool, StoreError>;
    /// Commits the outcomes of attempts, and ends the leases that are not to be kept. A commit whose lease is not the request's
    /// present lease changes nothing. A result for each, in their order.
    async fn commit_attempts(&self, batch: Vec<AttemptCommit>) -> Result<Vec<CommitResult>, StoreError>;
    /// A node's sign of life: its leases are its own for `lease_time` from now, by the clock of the store. False if it was
    /// found dead: it has to go on under a new id.
    async fn renew_leases(&self, node: &NodeId, lease_time: Duration) -> Result<bool, StoreError>;
    /// Finds nodes dead that did not renew their leases in time, and leases some of their requests to `node`, oldest first:
    /// what they may have sent is in doubt. `updated_at` of a request still tells when it was leased before. None are left
    /// when none are returned. An engine that has one node at a time takes what any other one left behind.
    async fn take_over_requests(&self, node: &NodeId, limit: usize) -> Result<Vec<LeasedRequest>, StoreError>;
    /// Carries out an operator's decision about a request that is not under way; a note may come at any time, and changes
    /// nothing but the history.
    async fn decide_request(&self, number: i64, order: Order) -> Result<ProvisioningRequest, StoreError>;
    /// Waits for news of another process. News are a hint and may fail to come; with an engine that has one node at a time they
    /// never come.
    async fn wait_for_news(&self) -> News {
        std::future::pending().await
    }
    /// When the last of the requests that have not ended was changed, by the date of then.
    async fn find_last_change(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Shifts the due times of what waits when the date was set: requests whose turn had come, and those that are to be
    /// tried again or verified. Dates that clients gave stay. Returns how many.
    async fn shift_due_times(&self, step: DateStep) -> Result<usize, StoreError>;
    /// When the next waiting request of some CA systems falls due.
    async fn find_next_due(&self, systems: &[Cas]) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Deletes records that ended before `before`, from number `from` upwards, in one short step.
    async fn purge_requests(&self, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError>;
    /// A record; `family` limits the search.
    async fn find_request(
        &self,
        family: Option<Family>,
        key: RecordKey,
    ) -> Result<Option<ProvisioningRequest>, StoreError>;
    /// Records by a query; a page may end early when its texts are large.
    async fn list_requests(&self, query: RequestQuery) -> Result<Vec<ProvisioningRequest>, StoreError>;
    /// The number of records that a query finds, of the next `query.limit` records after its offset.
    async fn count_requests(&self, query: RequestQuery) -> Result<u64, StoreError>;
    /// The CA IDs of cards or boxes that requests touch, in order, at most so many.
    async fn list_devices(&self, kind: DeviceKind, most: u64) -> Result<Vec<String>, StoreError>;
    /// The history of a request's attempts.
    async fn list_attempts(&self, number: i64) -> Result<Vec<Attempt>, StoreError>;
    /// The other events of a request.
    async fn list_events(&self, number: i64) -> Result<Vec<Event>, StoreError>;
    /// The last attempts that ended at `since` or later and were sent, newest first; of all requests, or of a card's.
    async fn list_sent_attempts(
        &self,
        since: DateTime<Utc>,
        card: Option<String>,
        limit: u64,
    ) -> Result<Vec<SentAttempt>, StoreError>;
}

/// Most cards of a joint call, by the types of requests that may be sent in joint calls.
pub type MostCards = BTreeMap<RequestType, usize>;

/// Renders the SOAP request of a record whose sequence number goes into it, and is known only when it is accepted.
pub type Render = Arc<dyn Fn(i64) -> Result<Rendered, Failure> + Send + Sync>;

/// A request to be accepted.
#[derive(Clone)]
pub struct Submission {
    /// The request.
    pub request: Arc<NewRequest>,
    /// Renders its body, where it is not rendered yet.
    pub render: Option<Render>,
    /// Lease it to that node, if no earlier due request of its cards is open.
    pub lease_to: Option<NodeId>,
    /// Accept it only once.
    pub key: Option<IdempotencyKey>,
    /// The earlier request that this request repeats by an operator's order; the histories of both say so.
    pub resubmission: Option<Resubmission>,
}

/// An operator's order to submit the content of a request again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resubmission {
    /// The number of the request whose content it is.
    pub of: i64,
    /// The user who gave the order.
    pub user: String,
    /// The reason of the order.
    pub reason: String,
}

/// The key by which a client's repetition is recognized (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Hash of the user and the key.
    pub key: [u8; 32],
    /// Hash of the key and what was asked, less a secret.
    pub content: [u8; 32],
    /// Hash of the key and the secret, remembered until the request has ended.
    pub secret: Option<[u8; 32]>,
    /// The end of the time for which the key is remembered.
    pub expires_at: DateTime<Utc>,
}

/// The result of a submission.
#[derive(Clone, Debug)]
pub enum SubmitResult {
    /// The request is on disk.
    New {
        /// The record.
        request: ProvisioningRequest,
        /// The lease, if the submission asked for a lease and the cards are free; otherwise the processing run takes the request
        /// in its turn.
        lease: Option<Lease>,
    },
    /// The key came before, with the same content: that record.
    Repeated(ProvisioningRequest),
    /// The key came before, with other content.
    Conflict,
}

/// The end of an attempt: the record as it now stands, and what is new in its history.
#[derive(Clone, Debug)]
pub struct AttemptCommit {
    /// The record, after [`ProvisioningRequest::apply`].
    pub request: ProvisioningRequest,
    /// The lease that the attempt was made with.
    pub lease: Lease,
    /// The next part of the request is sent at once: the lease and the cards stay with it.
    pub keeps_lease: bool,
    /// The attempt, if one was made.
    pub attempt: Option<Attempt>,
    /// Other events.
    pub events: Vec<Event>,
}

impl AttemptCommit {
    /// Gives a request back that was not sent: it waits for its turn again.
    pub fn give_back(LeasedRequest { mut request, lease }: LeasedRequest, now: DateTime<Utc>) -> Self {
        request.updated_at = now;
        Self { request, lease, keeps_lease: false, attempt: None, events: Vec::new() }
    }
}

/// The result of an [`AttemptCommit`].
#[derive(Clone, Debug)]
pub enum CommitResult {
    /// The commit is on disk.
    Committed {
        /// The number of requests that waited for this request and may go on now.
        released: usize,
    },
    /// The lease was lost meanwhile, and nothing is changed: the record as its new owner made it.
    LeaseLost(Box<ProvisioningRequest>),
}

/// News of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something may be due.
    Work,
    /// Attempts at these requests have ended.
    Ended(Vec<i64>),
    /// Anything may have happened.
    Missed,
}

/// The machine's date was set.
#[derive(Clone, Copy, Debug)]
pub struct DateStep {
    /// The step, forward or back.
    pub by: TimeDelta,
    /// The date now.
    pub now: DateTime<Utc>,
    /// The longest time since the date was set: later writes have the new date already.
    pub noticed_after: TimeDelta,
    /// The date was set while no gateway was running, for an unknown time.
    pub is_after_stop: bool,
}

/// The name of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKey {
    /// By id.
    Id(RecordId),
    /// By number.
    Number(i64),
}

impl RecordKey {
    /// The key that a person writes: an id in upper or lower case, or a number.
    pub fn parse(text: &str) -> Option<Self> {
        RecordId::parse(&text.to_uppercase()).map(Self::Id).or_else(|| text.parse().ok().map(Self::Number))
    }
}

/// Which records a list shows, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// The search.
    pub search: Search,
    /// Of this family only.
    pub family: Option<Family>,
    /// With a greater number.
    pub after: i64,
    /// With a smaller number.
    pub before: Option<i64>,
    /// Newest first, instead of oldest first.
    pub newest_first: bool,
    /// Skip that many.
    pub offset: u64,
    /// Show at most that many.
    pub limit: u64,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DeviceKind {
    /// A smartcard.
    Card,
    /// A set-top box.
    Stb,
}

impl DeviceKind {
    /// The condition that a request touches this device.
    pub fn condition(self, ca_id: &str) -> Condition {
        match self {
            Self::Card => Condition::Card(Patterns::literal(ca_id)),
            Self::Stb => Condition::Stb(Patterns::literal(ca_id)),
        }
    }
}

/// An attempt at a request that reached a connection, without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentAttempt {
    /// The request's id.
    pub id: RecordId,
    /// The request's number.
    pub number: i64,
    /// The request type.
    pub request_type: RequestType,
    /// The cards that it touches.
    pub cards: Vec<String>,
    /// The state now.
    pub state: State,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Duration in milliseconds.
    pub duration_ms: i64,
    /// HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The failure below SOAP.
    pub error: Option<String>,
}

/// The result of a step of a purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Records that are gone.
    pub count: usize,
    /// The number at which the next step goes on; `None` when nothing older is left.
    pub next: Option<i64>,
}
