//! Where everything is kept. One trait; SQLite stands behind it.
//!
//! Rule: a call that writes returns only after its change cannot be lost. Calls that write requests take batches, so
//! that a server database behind the same trait pays one round trip for many.

mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::account::{ApiKey, User};
use crate::catalogue::{Entry, EntryKind, Key};
use crate::exchange::{Exchange, PackedExchange, Summary};
use crate::request::{
    Attempt, Envelope, Event, Failure, Family, NewRequest, Order, ProvisioningRequest, RecordId, RequestType, State,
};

pub use sqlite::{Options, SqliteStore};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More waits than allowed: try again after that long.
    #[error("the store has too much to do")]
    Busy(Duration),
    /// A name that must be unique is taken.
    #[error("{0} exists already")]
    Taken(String),
    /// The state of a record does not allow what was asked.
    #[error("{0}")]
    NotAllowed(String),
    /// The store cannot be written any more, or never could be opened.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Pages of the database are damaged: it has to be restored.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("store: {0}")]
    Other(String),
}

/// How a record is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKey {
    /// By id.
    Id(RecordId),
    /// By number.
    Number(i64),
}

/// Which records a list shows, oldest first. Filters combine with AND.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this family only.
    pub family: Option<Family>,
    /// Of this type only.
    pub kind: Option<RequestType>,
    /// In this state only.
    pub state: Option<State>,
    /// With this reference number.
    pub reference_number: Option<String>,
    /// That touch this smartcard.
    pub card: Option<String>,
    /// That touch this set-top box.
    pub stb: Option<String>,
    /// Only those that wait for an operator's decision.
    pub needs_operator: bool,
    /// With a greater number.
    pub after: i64,
    /// Skip that many.
    pub offset: u64,
    /// Show at most that many.
    pub limit: u64,
}

/// Renders the SOAP request of a record whose sequence number goes into it, and is known only when it is accepted.
pub type Render = Arc<dyn Fn(i64) -> Result<Envelope, Failure> + Send + Sync>;

/// A request to be accepted.
#[derive(Clone)]
pub struct Submission {
    /// The request.
    pub request: Arc<NewRequest>,
    /// Renders its body, where it is not rendered yet.
    pub render: Option<Render>,
    /// Lease it to the caller, if no earlier due request of its cards is open.
    pub lease: bool,
    /// Accept it only once.
    pub key: Option<IdempotencyKey>,
}

/// What tells that a client repeats a request (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Hash of the user and the key.
    pub key: [u8; 32],
    /// Hash of the key and what was asked, less a secret.
    pub content: [u8; 32],
    /// Hash of the key and the secret, remembered until the request has ended.
    pub secret: Option<[u8; 32]>,
    /// How long it is remembered.
    pub expires_at: DateTime<Utc>,
}

/// What became of a request to be accepted.
#[derive(Clone, Debug)]
pub enum SubmitResult {
    /// It is on disk.
    New {
        /// The record.
        request: ProvisioningRequest,
        /// It is leased to the caller; otherwise the processing run takes it in its turn.
        leased: bool,
    },
    /// Its key came before, with the same content: that record.
    Repeated(ProvisioningRequest),
    /// Its key came before, with other content.
    Conflict,
}

/// The end of an attempt: the record as it now stands, and what is new in its history.
#[derive(Clone, Debug)]
pub struct AttemptCommit {
    /// The record, after [`ProvisioningRequest::settle`].
    pub request: ProvisioningRequest,
    /// The attempt, if one was made.
    pub attempt: Option<Attempt>,
    /// What else happened.
    pub events: Vec<Event>,
}

/// The machine's date was set.
#[derive(Clone, Copy, Debug)]
pub struct DateStep {
    /// How far forward, or back.
    pub by: TimeDelta,
    /// The date now.
    pub now: DateTime<Utc>,
    /// It was set so long ago, at most: what was written since is in the new date already.
    pub noticed_after: TimeDelta,
    /// It was set while no gateway was running: nobody knows how long that was.
    pub is_after_stop: bool,
}

/// Which exchanges a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeFilter {
    /// With a greater number.
    pub after: i64,
    /// At most that many.
    pub limit: u64,
    /// The newest first, else the oldest.
    pub newest_first: bool,
}

/// An attempt at a request that reached a connection, without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentAttempt {
    /// The request's id.
    pub id: RecordId,
    /// The request's number.
    pub number: i64,
    /// Its type.
    pub kind: RequestType,
    /// Its state now.
    pub state: State,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: i64,
    /// HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
}

/// What one step of a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Records that are gone.
    pub count: usize,
    /// Where the next step goes on; `None` when nothing older is left.
    pub next: Option<i64>,
}

/// Whose token it is, and until when.
#[derive(Clone, Debug)]
pub struct TokenOwner {
    /// The user.
    pub user: Arc<User>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

/// Where records, users, tokens and the catalogue are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Commits requests; from then on they cannot be lost.
    async fn accept(&self, batch: Vec<Submission>) -> Result<Vec<SubmitResult>, StoreError>;
    /// Leases the requests that are due at `now` and not held up by another one of their cards: EXPRESS first, then by
    /// date, then by number. Doubts that are not resolved in time are given up on the way. There may be more.
    async fn claim(&self, now: DateTime<Utc>, limit: usize, run: &str) -> Result<Vec<ProvisioningRequest>, StoreError>;
    /// Commits what attempts made of requests, and ends their leases; returns how many others may go on now that were
    /// found waiting for them.
    async fn settle(&self, batch: Vec<AttemptCommit>) -> Result<usize, StoreError>;
    /// The requests that are leased: at start, those that the last process left under way.
    async fn leased(&self) -> Result<Vec<ProvisioningRequest>, StoreError>;
    /// Carries out an operator's decision about a request that is not under way.
    async fn decide(&self, number: i64, order: Order) -> Result<ProvisioningRequest, StoreError>;
    /// When the last of the requests that have not ended was changed, by the date of then.
    async fn changed_at(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Carries along what waits when the date was set: requests whose turn had come, and those that are to be tried again
    /// or looked into. Dates that clients gave stay. Returns how many.
    async fn carry(&self, step: DateStep) -> Result<usize, StoreError>;
    /// Deletes records that ended before `before`, from number `from` upwards, in one short step.
    async fn purge(&self, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError>;
    /// Commits what clients and upstream said to each other; the store numbers it, and the oldest go where all take more
    /// than they may.
    async fn add_exchanges(&self, batch: Vec<Arc<PackedExchange>>) -> Result<(), StoreError>;
    /// One exchange, with its texts.
    async fn exchange(&self, id: &RecordId) -> Result<Option<Exchange>, StoreError>;
    /// Exchanges without their texts, by number.
    async fn exchanges(&self, filter: ExchangeFilter) -> Result<Vec<Summary>, StoreError>;
    /// The last attempts at requests that ended at `since` or later and were sent, newest first.
    async fn sent(&self, since: DateTime<Utc>, limit: u64) -> Result<Vec<SentAttempt>, StoreError>;
    /// Deletes a few exchanges that ended before `before`, and a few of the oldest if all take more than they may; returns
    /// how many.
    async fn purge_exchanges(&self, before: Option<DateTime<Utc>>) -> Result<usize, StoreError>;
    /// Makes sure that the store can be written.
    async fn check(&self) -> Result<(), StoreError>;
    /// Returns when the store cannot be used any more before it is opened anew, and says why: the process has to end.
    async fn failed(&self) -> String;
    /// When the next waiting request falls due.
    async fn next_due(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// One record; `family` limits where it is looked for.
    async fn find(&self, family: Option<Family>, key: RecordKey) -> Result<Option<ProvisioningRequest>, StoreError>;
    /// Records, oldest first.
    async fn list(&self, filter: Filter) -> Result<Vec<ProvisioningRequest>, StoreError>;
    /// The history of a request's attempts.
    async fn attempts(&self, number: i64) -> Result<Vec<Attempt>, StoreError>;
    /// What else happened to a request.
    async fn events(&self, number: i64) -> Result<Vec<Event>, StoreError>;

    /// Adds a user.
    async fn add_user(&self, user: User, password_hash: String) -> Result<(), StoreError>;
    /// All users that can sign in.
    async fn users(&self) -> Result<Vec<User>, StoreError>;
    /// A user by name, with the password's hash.
    async fn user(&self, username: &str) -> Result<Option<(User, String)>, StoreError>;
    /// Ends a user: no sign-in any more, tokens and keys gone; records still name it. False if there is none.
    async fn remove_user(&self, username: &str) -> Result<bool, StoreError>;
    /// Adds a token, by its hash; those long expired at `now` go.
    async fn add_token(&self, hash: [u8; 32], owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), StoreError>;
    /// Whose token it is, and when it expires.
    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenOwner>, StoreError>;
    /// Ends a token. False if there is none.
    async fn remove_token(&self, hash: [u8; 32]) -> Result<bool, StoreError>;
    /// Adds an API key, by its hash, for a user. False if there is no such user.
    async fn add_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<bool, StoreError>;
    /// All API keys.
    async fn keys(&self) -> Result<Vec<ApiKey>, StoreError>;
    /// The user that a key signs in as.
    async fn key_user(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError>;
    /// Ends an API key, by id. False if there is none.
    async fn remove_key(&self, id: &str) -> Result<bool, StoreError>;

    /// Adds entries, or replaces those of the same id; all of them or none.
    async fn import(&self, kind: EntryKind, entries: Vec<Entry>) -> Result<(), StoreError>;
    /// The entries named by `values`, in no particular order.
    async fn entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError>;
    /// The entries of a kind, by name.
    async fn catalogue(&self, kind: EntryKind) -> Result<Vec<Entry>, StoreError>;
}
