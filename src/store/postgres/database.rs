//! Transactions: each is made whole or not at all, also when the connection is lost while it is being committed.
//!
//! Rule: what became of a commit that was cut is found out, never guessed. Each transaction begins by writing a token of its
//! own. Whoever does not hear whether it was committed writes the same token: if that is there already, it was; if it is
//! not, it was not, and never will be, since the key is taken now.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio_postgres::Row;

use super::connections::{Connections, Loan};
use super::fault::Fault;
use crate::observer::{Commit, Observers};
use crate::store::StoreError;

pub(super) use super::connections::Values;

/// Between two tries while the database is out of reach.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the fate of a commit is asked for, at most; tokens are kept for longer.
const FIND_OUT_TIME: Duration = Duration::from_secs(3600);
/// Times that a transaction is tried again at once because others were in its way.
const MOST_CONFLICTS: usize = 20;
/// Times that a connection from the pool may turn out to be lost, as all of them are after a restart of the server.
const MOST_LOST: usize = 2;
/// How long one statement may take of work that is known to be long.
const LONG_TIME: Duration = Duration::from_secs(600);

const ADD_TOKEN: &str = "-- add_token\nINSERT INTO commit_token (token) VALUES ($1)";
const CLAIM_TOKEN: &str = "-- claim_token\nINSERT INTO commit_token (token) VALUES ($1) ON CONFLICT DO NOTHING";

/// The statements of a transaction.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'c>>;

/// How to treat a write while the database is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The work is refused.
    Refuse,
    /// The same, but a statement may take minutes.
    RefuseLate,
    /// The write must not be refused or lost, and is tried for as long as it takes.
    Insist,
}

/// The pools.
pub(super) struct Database {
    writers: Connections,
    readers: Connections,
    observers: Observers,
}

/// A connection inside a transaction.
pub(super) struct Transaction(Loan);

impl Transaction {
    /// The rows of a query.
    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        self.0.query(sql, values).await
    }

    /// The first row of a query.
    pub(super) async fn query_first(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        self.0.execute(sql, values).await
    }

    /// Several statements that return nothing, in their order, without waiting for one before the next is sent.
    pub(super) async fn execute_all(&self, statements: &[(&str, Values<'_>)]) -> Result<(), Fault> {
        let mut prepared = Vec::new();
        for (sql, values) in statements {
            prepared.push((self.0.prepare(sql).await?, *values));
        }
        // They are sent in the order in which they are first polled, which is theirs for up to 30 of them.
        let sent = prepared.iter().map(|(statement, values)| self.0.execute_prepared(statement, values));
        futures_util::future::try_join_all(sent).await?;
        Ok(())
    }
}

impl Database {
    pub(super) fn new(writers: Connections, readers: Connections, observers: Observers) -> Self {
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
            let done = self.try_write(patience, &work).await;
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
            if patience != Patience::Insist || !is_late {
                return Err(fault.into());
            }
            tracing::debug!(error = %StoreError::from(fault), "a write waits for PostgreSQL");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_write<T: Send>(
        &self,
        patience: Patience,
        work: &(impl for<'c> Fn(&'c Transaction) -> Work<'c, T> + Send + Sync),
    ) -> Result<T, Fault> {
        let token: [u8; 16] = rand::random();
        let mut transaction = Transaction(self.writers.begin("BEGIN", Some((ADD_TOKEN, &[&token.as_slice()]))).await?);
        if patience == Patience::RefuseLate {
            transaction.0.run(&format!("SET LOCAL statement_timeout = {}", LONG_TIME.as_millis())).await?;
            transaction.0.wait_longer(LONG_TIME);
        }
        match work(&transaction).await {
            Ok(value) => match transaction.0.run("COMMIT").await {
                Ok(()) => {
                    transaction.0.give_back();
                    Ok(value)
                }
                Err(fault) => {
                    drop(transaction);
                    match self.was_committed(&token).await? {
                        true => Ok(value),
                        false => Err(fault),
                    }
                }
            },
            Err(fault) => {
                if !fault.is_outage() && transaction.0.run("ROLLBACK").await.is_ok() {
                    transaction.0.give_back();
                }
                Err(fault)
            }
        }
    }

    /// What became of a commit without an answer; waits until the database can tell. While the server has not ended the
    /// transaction yet, the claim waits for that.
    async fn was_committed(&self, token: &[u8; 16]) -> Result<bool, StoreError> {
        tracing::warn!("the connection to PostgreSQL was lost at a commit: finding out what became of it");
        let deadline = Instant::now() + FIND_OUT_TIME;
        loop {
            match self.execute_lightly(CLAIM_TOKEN, &[&token.as_slice()]).await {
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
        let loan = self.readers.lend("BEGIN READ ONLY").await?;
        let rows = loan.query(sql, values).await?;
        loan.end().await?;
        Ok(rows)
    }

    /// Runs queries that all see the same moment.
    pub(super) async fn read_moment<T: Send>(
        &self,
        work: impl for<'c> FnOnce(&'c Transaction) -> Work<'c, T> + Send,
    ) -> Result<T, StoreError> {
        let moment = Transaction(self.readers.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", None).await?);
        let read = work(&moment).await;
        let is_answering = read.as_ref().err().is_none_or(|fault| !fault.is_outage());
        if is_answering && moment.0.run("COMMIT").await.is_ok() {
            moment.0.give_back();
        }
        Ok(read?)
    }

    /// Runs a statement outside a transaction whose loss does no harm.
    pub(super) async fn execute_lightly(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let loan = self.writers.lend("BEGIN").await?;
        let count = loan.execute(sql, values).await?;
        loan.end().await?;
        Ok(count)
    }

    /// The same, and the rows that it returns.
    pub(super) async fn query_lightly(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let loan = self.writers.lend("BEGIN").await?;
        let rows = loan.query(sql, values).await?;
        loan.end().await?;
        Ok(rows)
    }
}
