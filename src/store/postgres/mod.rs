//! The PostgreSQL store, which any number of gateways share.
//!
//! Writes that come at the same time are grouped into few statements (`batch`); a transaction is committed exactly once
//! or not at all, even if its connection is lost (`database`). Tables keep nodes apart: `cards` for the order of a card's
//! requests, `leases` for the owner of each request, the row of a counter for numbers that become visible in their order.
//! An outage of the server ends no gateway: calls fail until it is over, and writes that must not be lost wait.

mod accounts;
mod batch;
mod cards;
mod catalogue;
mod claim;
mod clock;
mod columns;
mod connection;
mod connections;
mod copy;
mod database;
mod decide;
mod due_times;
mod exchanges;
mod fault;
mod idempotency;
mod joint;
mod leases;
mod limits;
mod measure;
mod news;
mod parts;
mod purge;
mod record;
mod request_read;
mod requests;
mod script;
mod submit;
mod tables;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Access, AttemptCommit, CommitResult, StoreError, StoreHealth, StoreMeasures, Submission, SubmitResult};
use crate::catalogue::EntryKind;
use crate::clock::Clock;
use crate::config::StoreSection;
use crate::observer::Observers;
use batch::Batches;
use clock::ServerClock;
pub(super) use columns::storable;
use connections::Connections;
pub(super) use copy::PostgresTables;
use database::{Database, Patience};
use leases::Sightings;
use news::Newsroom;

/// How long the store is believed to be writable without a new check.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long one statement of a writing transaction may take, and how long the transaction may idle: then the server ends
/// the transaction, and releases its locks.
const WRITE_TIME: Duration = Duration::from_secs(8);

/// How writing transactions are planned: they find a few rows by their keys, and keep each plan. Without statistics the
/// server would choose to read whole tables, and would keep that plan after the tables have grown.
const PLANS: [&str; 4] =
    ["plan_cache_mode=force_generic_plan", "enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off"];

/// The store in one database of PostgreSQL.
pub(super) struct PostgresStore {
    database: Arc<Database>,
    submissions: Batches<Submission, SubmitResult>,
    commits: Batches<AttemptCommit, CommitResult>,
    news: Newsroom,
    clock: Arc<ServerClock>,
    sightings: Mutex<Sightings>,
    /// Kinds of catalogue entries found empty, and until when to believe that.
    empty_until: Mutex<HashMap<EntryKind, Instant>>,
    /// Bytes that all exchanges may take.
    exchange_bytes: i64,
    /// When a check last wrote successfully, and when old rows were last deleted.
    written_at: Mutex<Option<Instant>>,
    forgotten_at: Mutex<Option<Instant>>,
}

impl PostgresStore {
    /// The version of the tables, if there are any.
    ///
    /// # Errors
    /// The database is out of reach, or its tables are of another version.
    pub(super) async fn find_version(
        url: &tokio_postgres::Config,
        config: &StoreSection,
    ) -> Result<Option<i64>, StoreError> {
        Ok(look(&connection::Access::new(url, config)?).await?.version)
    }

    /// Makes the tables, or migrates them to the present version; returns the version before, and the version now.
    ///
    /// # Errors
    /// The database is out of reach, or the user may not change it.
    pub(super) async fn migrate(
        url: &tokio_postgres::Config,
        config: &StoreSection,
    ) -> Result<(Option<i64>, i64), StoreError> {
        let before = tables::migrate(&connection::Access::new(url, config)?).await?;
        Ok((before, before.unwrap_or_default().max(tables::VERSION)))
    }

    /// Opens the database; makes the tables of a new database.
    ///
    /// # Errors
    /// The database is out of reach, or its tables are of another version.
    pub(super) async fn open(
        url: &tokio_postgres::Config,
        config: &StoreSection,
        access: Access,
    ) -> Result<Self, StoreError> {
        let mut way = connection::Access::new(url, config)?;
        let seen = look(&way).await?;
        if seen.version.is_none_or(|version| version < tables::VERSION) {
            tables::migrate(&way).await?;
        }
        if !seen.commits_are_durable {
            way = way.with_session(&["synchronous_commit=on".to_owned()]);
        }
        let (is_gateway, observers) = match access {
            Access::Gateway(observers) => (true, observers),
            Access::Command => (false, Observers::default()),
        };
        if is_gateway && !seen.disk_is_flushed {
            tracing::warn!("fsync or full_page_writes is off in PostgreSQL: a power cut loses what was accepted");
        }
        let writers =
            Connections::new(&way.clone().with_session(&PLANS.map(ToOwned::to_owned)), config.writers, WRITE_TIME)?;
        let readers = Connections::new(&way, config.readers, config.read_timeout_s)?;
        let database = Arc::new(Database::new(writers, readers, observers));
        // With a pooler sessions change, so that LISTEN does not work.
        let listens = is_gateway && !way.is_pooled();
        let news = Newsroom::start(way, &database, listens);
        let clock = Arc::new(ServerClock::new());
        clock.set(seen.date_ms, seen.asked, seen.answered);
        let exchange_bytes = i64::try_from(config.exchange_bytes).unwrap_or(i64::MAX);
        Ok(Self {
            submissions: start_submissions(&database, config.queue),
            commits: start_commits(&database, config.queue),
            database,
            news,
            clock,
            exchange_bytes,
            sightings: Mutex::default(),
            empty_until: Mutex::default(),
            written_at: Mutex::default(),
            forgotten_at: Mutex::default(),
        })
    }
}

fn start_submissions(database: &Arc<Database>, queue: usize) -> Batches<Submission, SubmitResult> {
    let database = Arc::clone(database);
    Batches::start(queue, move |batch: Arc<Vec<Submission>>| {
        let database = Arc::clone(&database);
        async move {
            let count = batch.len();
            let written = database.write(Patience::Refuse, count, move |transaction| {
                let batch = Arc::clone(&batch);
                Box::pin(async move { submit::submit_requests(transaction, &batch).await })
            });
            written.await
        }
    })
}

fn start_commits(database: &Arc<Database>, queue: usize) -> Batches<AttemptCommit, CommitResult> {
    let database = Arc::clone(database);
    Batches::start(queue, move |batch: Arc<Vec<AttemptCommit>>| {
        let database = Arc::clone(&database);
        async move {
            let count = batch.len();
            let written = database.write(Patience::Insist, count, move |transaction| {
                let batch = Arc::clone(&batch);
                Box::pin(async move { record::commit_attempts(transaction, &batch).await })
            });
            written.await
        }
    })
}

/// What a first look at the server found.
struct Seen {
    version: Option<i64>,
    commits_are_durable: bool,
    disk_is_flushed: bool,
    date_ms: i64,
    asked: Instant,
    answered: Instant,
}

async fn look(access: &connection::Access) -> Result<Seen, StoreError> {
    let (client, connection) = access.connect().await?;
    let driving = tokio::spawn(connection);
    let seen = async {
        let version = tables::find_version(&client).await?;
        let sql = "-- look
            SELECT current_setting('synchronous_commit') NOT IN ('off', 'local'),
                current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
                CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        let asked = Instant::now();
        let row = tables::ask(&client, sql).await?;
        let answered = Instant::now();
        let value = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        let date_ms = value(2).parse().map_err(|_| StoreError::Other("the server has no date".to_owned()))?;
        Ok(Seen {
            version,
            commits_are_durable: value(0) == "t",
            disk_is_flushed: value(1) == "t",
            date_ms,
            asked,
            answered,
        })
    };
    let seen = seen.await;
    drop(client);
    drop(driving.await);
    seen
}

#[async_trait]
impl StoreHealth for PostgresStore {
    async fn check_writable(&self) -> Result<(), StoreError> {
        let is_fresh = |at: &Mutex<Option<Instant>>| {
            at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < BELIEVED)
        };
        if is_fresh(&self.written_at) {
            return Ok(());
        }
        // The token of the transaction is the write.
        self.database.write(Patience::Refuse, 1, |_| Box::pin(async { Ok(()) })).await?;
        *self.written_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    async fn measure(&self, now: DateTime<Utc>) -> Result<StoreMeasures, StoreError> {
        let queue = self.submissions.waiting() + self.commits.waiting();
        Ok(measure::measure(&self.database, queue, now).await?)
    }

    async fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::NotAllowed("the database is PostgreSQL's: copy it with pg_dump".to_owned()))
    }

    async fn wait_for_failure(&self) -> String {
        std::future::pending().await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ServerClock>::clone(&self.clock)
    }
}
