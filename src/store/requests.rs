//! Provisioning requests and their history: the trait, its arguments and its results.

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
    /// Commits new requests; once the call returns, no request can be lost.
    async fn submit(&self, batch: Vec<Submission>) -> Result<Vec<SubmitResult>, StoreError>;
    /// Leases to `node` those requests of the CA systems `systems` that are due at `now` and that no other request for
    /// the same cards blocks: EXPRESS first, then by date, then by number, system after system. Requests in doubt whose
    /// time to resolve is over are left to an operator. A request that may be sent in a joint call is leased together
    /// with due requests of the same [`NewRequest::joint_key`] whose cards are free, in their order, up to the cards
    /// allowed in the call. Further due requests may remain.
    async fn claim_requests(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        node: &NodeId,
        systems: &[Cas],
        most_cards: &MostCards,
    ) -> Result<Vec<LeasedCall>, StoreError>;
    /// Commits a joint call before the call is sent, with the leases of its requests. Returns false, and writes nothing,
    /// if a lease is lost.
    async fn begin_joint_call(&self, call: Arc<JointCall>, leases: Vec<(i64, Lease)>) -> Result<bool, StoreError>;
    /// Commits the outcomes of attempts, and ends each lease that `keeps_lease` does not keep. A commit with a lease that
    /// is no longer the request's present lease changes nothing. Returns one result per commit, in order.
    async fn commit_attempts(&self, batch: Vec<AttemptCommit>) -> Result<Vec<CommitResult>, StoreError>;
    /// Extends all leases of a node by `lease_time` from now, by the store's clock. Returns false if the node was found
    /// dead: the gateway has to go on under a new node id.
    async fn renew_leases(&self, node: &NodeId, lease_time: Duration) -> Result<bool, StoreError>;
    /// Marks nodes as dead that did not renew their leases in time, and leases some of their requests to `node`, oldest
    /// first: requests that a dead node may have sent are in doubt. `updated_at` of a returned request is the time of
    /// the earlier lease. An empty result means that no such request is left. An engine with one node at a time takes
    /// over the requests of every other node.
    async fn take_over_requests(&self, node: &NodeId, limit: usize) -> Result<Vec<LeasedRequest>, StoreError>;
    /// Carries out an operator's decision about a request that is not under way. A note is allowed at any time, and
    /// only adds to the history.
    async fn decide_request(&self, number: i64, order: Order) -> Result<ProvisioningRequest, StoreError>;
    /// Waits for news of another process. News is a hint and may be lost; an engine with one node at a time never has any.
    async fn wait_for_news(&self) -> News {
        std::future::pending().await
    }
    /// The latest `updated_at` of all requests that have not ended.
    async fn find_last_change(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Shifts the due times of waiting requests after the machine's date was set: of requests whose turn had come, and
    /// of requests to be tried again or verified. Dates that clients gave stay. Returns the number of shifted requests.
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
    /// Lists the CA IDs of cards or set-top boxes that requests touch, in order, at most `most`.
    async fn list_devices(&self, kind: DeviceKind, most: u64) -> Result<Vec<String>, StoreError>;
    /// The history of a request's attempts.
    async fn list_attempts(&self, number: i64) -> Result<Vec<Attempt>, StoreError>;
    /// The events of a request that are not attempts.
    async fn list_events(&self, number: i64) -> Result<Vec<Event>, StoreError>;
    /// Lists the latest sent attempts that ended at `since` or later, newest first; of all requests, or of one card's
    /// requests.
    async fn list_sent_attempts(
        &self,
        since: DateTime<Utc>,
        card: Option<String>,
        limit: u64,
    ) -> Result<Vec<SentAttempt>, StoreError>;
}

/// The largest number of cards in a joint call, per request type that may be sent in joint calls.
pub type MostCards = BTreeMap<RequestType, usize>;

/// Renders the SOAP request of a record with its sequence number, which is known only when the record is accepted.
pub type Render = Arc<dyn Fn(i64) -> Result<Rendered, Failure> + Send + Sync>;

/// A request to be accepted.
#[derive(Clone)]
pub struct Submission {
    /// The request.
    pub request: Arc<NewRequest>,
    /// Renders the SOAP request, if the request is not rendered yet.
    pub render: Option<Render>,
    /// The node that leases the request, if no earlier due request for its cards is open.
    pub lease_to: Option<NodeId>,
    /// The idempotency key: a second submission with the same key returns the first record.
    pub key: Option<IdempotencyKey>,
    /// The operator's order, if this request repeats an earlier request; the histories of both requests say so.
    pub resubmission: Option<Resubmission>,
}

/// An operator's order to submit the content of a request again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resubmission {
    /// The number of the earlier request.
    pub of: i64,
    /// The user who gave the order.
    pub user: String,
    /// The reason of the order.
    pub reason: String,
}

/// The key that marks a client's repeated submission (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Hash of the user and the key.
    pub key: [u8; 32],
    /// Hash of the key and the client's call without its secret.
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
    /// The key is known, with the same content: the record of the first submission.
    Repeated(ProvisioningRequest),
    /// The key is known, with other content.
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
    /// The lease was lost, and nothing is changed: the record as its new owner wrote it.
    LeaseLost(Box<ProvisioningRequest>),
}

/// News of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something may be due.
    Work,
    /// Attempts at these requests have ended.
    Ended(Vec<i64>),
    /// News may have been lost: anything may have happened.
    Missed,
}

/// The machine's date was set.
#[derive(Clone, Copy, Debug)]
pub struct DateStep {
    /// The step, forward or back.
    pub by: TimeDelta,
    /// The date now.
    pub now: DateTime<Utc>,
    /// The longest possible time since the date was set: records written within this time already have the new date.
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

/// Which records a list shows, and in what order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// The search.
    pub search: Search,
    /// Only records of this family.
    pub family: Option<Family>,
    /// Only records with a greater number.
    pub after: i64,
    /// Only records with a smaller number.
    pub before: Option<i64>,
    /// Newest first, instead of oldest first.
    pub newest_first: bool,
    /// The number of records to skip.
    pub offset: u64,
    /// The largest number of records to return.
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
    /// The cards that the request touches.
    pub cards: Vec<String>,
    /// The present state of the request.
    pub state: State,
    /// The number of the attempt, counted from 1.
    pub attempt: u32,
    /// When the attempt began.
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
    /// The number at which the next step goes on; `None` when no older record is left.
    pub next: Option<i64>,
}
