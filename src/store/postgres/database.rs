//! Transactions: each is committed exactly once or not at all, even if the connection is lost during the commit.
//!
//! Rule: the fate of a commit without an answer is found out, never guessed. Each transaction first writes a token of its
//! own. After a lost answer the gateway writes the same token again: if the token is there already, the transaction was
//! committed; if not, it never will be, since the key is now taken.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join, poll_immediate, try_join};
use tokio_postgres::Row;

use super::connections::{Connections, Loan, MOST_TOGETHER, Prepared};
use super::fault::Fault;
use super::script::Script;
use crate::observer::{Commit, Observers};
use crate::store::StoreError;

pub(super) use super::connections::Values;

/// The pause between two tries while the database is out of reach.
const PAUSE: Duration = Duration::from_millis(250);
/// How long to find out the fate of a commit, at most; tokens are kept for longer.
const FIND_OUT_TIME: Duration = Duration::from_secs(3600);
/// How often a transaction is run again at once because of a conflict with other transactions.
const MOST_CONFLICTS: usize = 20;
/// How many lost connections one read may get from the pool: after a restart of the server all of them are lost.
const MOST_LOST: usize = 2;
/// How long a statement may take that is known to be long.
const LONG_TIME: Duration = Duration::from_secs(600);

const ADD_TOKEN: &str = "-- add_token\nINSERT INTO commit_token (token) VALUES ($1)";
const CLAIM_TOKEN: &str = "-- claim_token\nINSERT INTO commit_token (token) VALUES ($1) ON CONFLICT DO NOTHING";

/// The future of a transaction's statements.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'c>>;

/// How to treat a write while the database is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The write is refused.
    Refuse,
    /// The write is refused, but a statement may take minutes.
    RefuseLate,
    /// The write must not be refused or lost: it is tried until it succeeds.
    Insist,
}

/// The pools for writes and for reads.
pub(super) struct Database {
    writers: Connections,
    readers: Connections,
    observers: Observers,
}

/// A connection inside a transaction, or about to begin one.
pub(super) struct Transaction {
    loan: Loan,
    /// The statements that begin the transaction, and its token, until they are sent.
    beginning: Mutex<Option<(String, Token)>>,
    ending: Mutex<Ending>,
}

/// The key of a transaction in `commit_token`.
type Token = [u8; 16];

/// How far a transaction has come to its end.
#[derive(Debug, Default)]
enum Ending {
    #[default]
    Open,
    Committed,
    /// The commit was sent, and no answer came.
    Cut(Fault),
}

impl Transaction {
    fn new(loan: Loan, beginning: Option<(String, Token)>) -> Self {
        Self { loan, beginning: Mutex::new(beginning), ending: Mutex::default() }
    }

    /// Begins the transaction, unless it has begun.
    async fn begin(&self) -> Result<(), Fault> {
        let Some((begin, token)) = self.take_beginning() else { return Ok(()) };
        if !self.loan.keeps_statements() {
            self.loan.run(&begin).await?;
            return self.loan.execute(ADD_TOKEN, &[&token.as_slice()]).await.map(drop);
        }
        let add_token = self.loan.prepare(ADD_TOKEN).await?;
        let values: Values<'_> = &[&token.as_slice()];
        try_join(self.loan.run(&begin), self.loan.execute_prepared(&add_token, values)).await.map(drop)
    }

    fn take_beginning(&self) -> Option<(String, Token)> {
        self.beginning.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the rows of a query that only locks, and is sent together with the beginning of the transaction: if the
    /// beginning fails, a change sent with it would be committed on its own.
    pub(super) async fn lock(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        if !self.loan.keeps_statements() {
            return self.query(sql, values).await;
        }
        let statement = self.loan.prepare(sql).await?;
        // Prepared first, so that the beginning goes out ahead of the query: outside the transaction a lock would end
        // with its statement.
        self.loan.prepare(ADD_TOKEN).await?;
        let began = self.begin();
        try_join(began, self.loan.query_prepared(&statement, values)).await.map(|(_, rows)| rows)
    }

    /// Returns the rows of a query.
    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        self.begin().await?;
        self.loan.query(sql, values).await
    }

    /// Returns the first row of a query.
    pub(super) async fn query_first(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Returns the number of rows that a statement changed.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        self.begin().await?;
        self.loan.execute(sql, values).await
    }

    /// Several statements that return nothing, in their order.
    pub(super) async fn execute_all(&self, statements: &[(&str, Values<'_>)]) -> Result<(), Fault> {
        self.begin().await?;
        let mut prepared = Vec::new();
        for (sql, values) in statements {
            prepared.push((self.loan.prepare(sql).await?, values.to_vec()));
        }
        self.loan.query_all(&prepared).await.map(drop)
    }

    /// Runs statements in their order; returns the rows of each.
    pub(super) async fn run(&self, script: &Script<'_>) -> Result<Vec<Vec<Row>>, Fault> {
        self.begin().await?;
        let mut rows = Vec::new();
        for together in self.prepare(script).await?.chunks(MOST_TOGETHER) {
            rows.extend(self.loan.query_all(together).await?);
        }
        Ok(rows)
    }

    /// Runs statements and the commit, as the last act of the transaction. Returns `None` if no answer came; if the
    /// commit turns out to have been made, the result of the work counts as done.
    pub(super) async fn run_last(&self, script: &Script<'_>) -> Result<Option<Vec<Vec<Row>>>, Fault> {
        self.begin().await?;
        let prepared = self.prepare(script).await?;
        let (before, last) = prepared.split_at(prepared.len().saturating_sub(1) / MOST_TOGETHER * MOST_TOGETHER);
        let mut rows = Vec::new();
        for together in before.chunks(MOST_TOGETHER) {
            rows.extend(self.loan.query_all(together).await?);
        }
        if last.is_empty() {
            return Ok(Some(rows));
        }
        let mut answers = std::pin::pin!(self.loan.query_all(last));
        let commit = self.loan.run("COMMIT");
        let (answered, committed) = match poll_immediate(&mut answers).await {
            // A statement that cannot be sent fails at once: nothing is committed then.
            Some(Err(fault)) => return Err(fault),
            Some(Ok(rows)) => (Ok(rows), commit.await),
            None => join(answers, commit).await,
        };
        let fault = match (answered, committed) {
            (Ok(last), Ok(())) => {
                self.note(Ending::Committed);
                rows.extend(last);
                return Ok(Some(rows));
            }
            // After an error the server rolls back, even if the commit is sent.
            (Err(fault), _) if fault.is_from_server() => return Err(fault),
            (Err(fault), _) | (Ok(_), Err(fault)) => fault,
        };
        self.note(Ending::Cut(fault));
        Ok(None)
    }

    async fn prepare<'s>(&self, script: &'s Script<'_>) -> Result<Vec<Prepared<'s>>, Fault> {
        let mut prepared = Vec::new();
        for (sql, values) in script.statements() {
            prepared.push((self.loan.prepare(sql).await?, values));
        }
        Ok(prepared)
    }

    fn note(&self, ending: Ending) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = ending;
    }

    async fn commit(&self) -> Result<(), Fault> {
        let ended = std::mem::take(&mut *self.ending.lock().unwrap_or_else(PoisonError::into_inner));
        match ended {
            Ending::Open => self.loan.run("COMMIT").await,
            Ending::Committed => Ok(()),
            Ending::Cut(fault) => Err(fault),
        }
    }
}

impl Database {
    pub(super) fn new(writers: Connections, readers: Connections, observers: Observers) -> Self {
        Self { writers, readers, observers }
    }

    /// Runs `work` in a transaction, perhaps several times, and returns its result after the commit.
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
        let token: Token = rand::random();
        let beginning = self.writers.beginning("BEGIN");
        let mut transaction = Transaction::new(self.writers.take().await?, Some((beginning, token)));
        if patience == Patience::RefuseLate {
            transaction.begin().await?;
            transaction.loan.run(&format!("SET LOCAL statement_timeout = {}", LONG_TIME.as_millis())).await?;
            transaction.loan.wait_longer(LONG_TIME);
        }
        let mut done = work(&transaction).await;
        if let (true, Err(fault)) = (done.is_ok(), transaction.begin().await) {
            done = Err(fault);
        }
        match done {
            Ok(value) => match transaction.commit().await {
                Ok(()) => {
                    transaction.loan.give_back();
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
                if !fault.is_outage() && transaction.loan.run("ROLLBACK").await.is_ok() {
                    transaction.loan.give_back();
                }
                Err(fault)
            }
        }
    }

    /// Was a commit without an answer made? Waits until the database can tell. If the server still runs the transaction,
    /// the insert of the token waits for its end.
    async fn was_committed(&self, token: &Token) -> Result<bool, StoreError> {
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

    /// Returns the rows of one query, outside a transaction.
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

    /// Runs queries in one snapshot.
    pub(super) async fn read_moment<T: Send>(
        &self,
        work: impl for<'c> FnOnce(&'c Transaction) -> Work<'c, T> + Send,
    ) -> Result<T, StoreError> {
        let loan = self.readers.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let moment = Transaction::new(loan, None);
        let read = work(&moment).await;
        let is_answering = read.as_ref().err().is_none_or(|fault| !fault.is_outage());
        if is_answering && moment.loan.run("COMMIT").await.is_ok() {
            moment.loan.give_back();
        }
        Ok(read?)
    }

    /// Runs a statement outside a transaction; its loss must do no harm.
    pub(super) async fn execute_lightly(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let loan = self.writers.lend("BEGIN").await?;
        let count = loan.execute(sql, values).await?;
        loan.end().await?;
        Ok(count)
    }

    /// The same, with the rows of the statement.
    pub(super) async fn query_lightly(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let loan = self.writers.lend("BEGIN").await?;
        let rows = loan.query(sql, values).await?;
        loan.end().await?;
        Ok(rows)
    }
}
