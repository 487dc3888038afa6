//! Transactions: each is made whole or not at all, also when the connection is lost while it is being committed.
//!
//! Rule: what became of a commit that was cut is found out, never guessed. Each transaction begins by writing a token of its
//! own. Whoever does not hear whether it was committed writes the same token: if that is there already, it was; if it is
//! not, it was not, and never will be, since the key is taken now.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use futures_util::future::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Fault;
use crate::observer::{Commit, Observers};
use crate::store::StoreError;

/// Between two tries while the database is out of reach.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the fate of a commit is asked for, at most; tokens are kept for longer.
const FIND_OUT_TIME: Duration = Duration::from_secs(3600);
/// Times that a transaction is tried again at once because others were in its way.
const MOST_CONFLICTS: usize = 20;
/// Times that a connection from the pool may turn out to be lost, as all of them are after a restart of the server.
const MOST_LOST: usize = 2;

const ADD_TOKEN: &str = "-- add_token\nINSERT INTO commit_token (token) VALUES ($1)";
const CLAIM_TOKEN: &str = "-- claim_token\nINSERT INTO commit_token (token) VALUES ($1) ON CONFLICT DO NOTHING";

/// What runs within a transaction.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'c>>;

pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// What to do while the database is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The work is refused.
    Refuse,
    /// It must not be refused or lost: it is tried for as long as it takes.
    Insist,
}

/// The pools.
pub(super) struct Database {
    writers: Pool,
    readers: Pool,
    observers: Observers,
}

/// A connection inside a transaction. One that is dropped there is closed: nobody finds it in the pool with a transaction
/// that is not its own.
pub(super) struct Transaction(Option<Object>);

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Transaction {
    fn object(&self) -> &Object {
        self.0.as_ref().expect("the connection is taken out only where the transaction is consumed")
    }

    /// Back to the pool.
    fn give_back(mut self) {
        drop(self.0.take());
    }

    /// The rows of a query.
    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.object().prepare_cached(sql).await?;
        Ok(self.object().query(&statement, values).await?)
    }

    /// The first row of a query.
    pub(super) async fn query_first(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let statement = self.object().prepare_cached(sql).await?;
        Ok(self.object().execute(&statement, values).await?)
    }

    /// Several statements that return nothing, in their order, without waiting for one before the next is sent.
    pub(super) async fn execute_all(&self, statements: &[(&str, Values<'_>)]) -> Result<(), Fault> {
        let mut prepared = Vec::new();
        for (sql, values) in statements {
            prepared.push((self.object().prepare_cached(sql).await?, *values));
        }
        // They are sent in the order in which they are first polled, which is theirs for up to 30 of them.
        let sent = prepared.iter().map(|(statement, values)| self.object().execute(statement, values));
        futures_util::future::try_join_all(sent).await?;
        Ok(())
    }
}

impl Database {
    pub(super) fn new(writers: Pool, readers: Pool, observers: Observers) -> Self {
        Self { writers, readers, observers }
    }

    /// Runs `work`, which may be run again, and returns what it returned once that is committed.
    pub(super) async fn write<T: Send>(
        &self,
        patience: Patience,
        writes: usize,
        work: impl for<'c> Fn(&'c Transaction) -> Work<'c, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        let (mut conflicts, mut lost) = (0, 0);
        loop {
            let began = Instant::now();
            let done = self.try_write(&work).await;
            let (took, is_done) = (began.elapsed(), done.is_ok());
            self.observers.tell(|observer| observer.committed(&Commit { writes, took, is_done }));
            let fault = match done {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            if fault.is_conflict() && conflicts < MOST_CONFLICTS {
                conflicts += 1;
                continue;
            }
            if fault.is_lost_connection() && lost < MOST_LOST {
                lost += 1;
                continue;
            }
            let is_late = fault.is_outage() || matches!(fault, Fault::Store(StoreError::Busy(_)));
            if patience == Patience::Refuse || !is_late {
                return Err(fault.into());
            }
            tracing::debug!(error = %StoreError::from(fault), "a write waits for PostgreSQL");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_write<T: Send>(
        &self,
        work: &(impl for<'c> Fn(&'c Transaction) -> Work<'c, T> + Send + Sync),
    ) -> Result<T, Fault> {
        let token: [u8; 16] = rand::random();
        let transaction = begin(&self.writers, "BEGIN", Some(&token)).await?;
        match work(&transaction).await {
            Ok(value) => match transaction.object().batch_execute("COMMIT").await {
                Ok(()) => {
                    transaction.give_back();
                    Ok(value)
                }
                Err(error) => {
                    drop(transaction);
                    match self.was_committed(&token).await? {
                        true => Ok(value),
                        false => Err(error.into()),
                    }
                }
            },
            Err(fault) => {
                if !fault.is_outage() && transaction.object().batch_execute("ROLLBACK").await.is_ok() {
                    transaction.give_back();
                }
                Err(fault)
            }
        }
    }

    /// What became of a commit without an answer; waits until the database can tell.
    async fn was_committed(&self, token: &[u8; 16]) -> Result<bool, StoreError> {
        tracing::warn!("the connection to PostgreSQL was lost at a commit: finding out what became of it");
        let deadline = Instant::now() + FIND_OUT_TIME;
        loop {
            let claimed = async {
                let connection = self.writers.get().await?;
                let statement = connection.prepare_cached(CLAIM_TOKEN).await?;
                Ok::<_, Fault>(connection.execute(&statement, &[&token.as_slice()]).await?)
            };
            match claimed.await {
                Ok(claimed) => {
                    let was_committed = claimed == 0;
                    tracing::warn!(was_committed, "what became of the commit is known");
                    return Ok(was_committed);
                }
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// The rows of one query, outside a transaction.
    pub(super) async fn read(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let mut lost = 0;
        loop {
            match self.try_read(sql, values).await {
                Err(fault) if fault.is_lost_connection() && lost < MOST_LOST => lost += 1,
                read => return read,
            }
        }
    }

    async fn try_read(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let connection = self.readers.get().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.query(&statement, values).await?)
    }

    /// Runs queries that all see the same moment.
    pub(super) async fn read_moment<T: Send>(
        &self,
        work: impl for<'c> FnOnce(&'c Transaction) -> Work<'c, T> + Send,
    ) -> Result<T, StoreError> {
        let moment = begin(&self.readers, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", None).await?;
        let read = work(&moment).await;
        if moment.object().batch_execute("COMMIT").await.is_ok() {
            moment.give_back();
        }
        Ok(read?)
    }

    /// One statement outside a transaction whose loss does no harm.
    pub(super) async fn execute_lightly(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let connection = self.writers.get().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.execute(&statement, values).await?)
    }
}

async fn begin(pool: &Pool, how: &str, token: Option<&[u8; 16]>) -> Result<Transaction, Fault> {
    let transaction = Transaction(Some(pool.get().await?));
    let object = transaction.object();
    match token {
        None => object.batch_execute(how).await?,
        Some(token) => {
            let statement = object.prepare_cached(ADD_TOKEN).await?;
            try_join(object.batch_execute(how), object.execute(&statement, &[&token.as_slice()])).await?;
        }
    }
    Ok(transaction)
}
