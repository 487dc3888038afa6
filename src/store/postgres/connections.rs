//! Pools of connections, and the connections lent from them.
//!
//! Rule: no statement waits for ever. The server ends a statement that takes too long; if the server does not answer at
//! all, the connection is abandoned a little later, and closed.

use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row, Statement};

use super::connection::{Access, CONNECT_TIME};
use super::fault::Fault;
use crate::store::StoreError;

/// How long a caller waits for a free connection.
const WAIT_TIME: Duration = Duration::from_secs(5);
/// How much longer the answer to a statement may take than the server may work on the statement.
const WAY_TIME: Duration = Duration::from_secs(2);

/// The largest number of statements sent together: `try_join_all` polls up to 30 futures in their order.
pub(super) const MOST_TOGETHER: usize = 24;

pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];
pub(super) type Prepared<'v> = (Statement, Vec<&'v (dyn ToSql + Sync)>);

/// A pool of connections with one purpose.
pub(super) struct Connections {
    pool: Pool,
    prologue: Option<String>,
    answer_time: Duration,
}

/// A lent connection. A connection that is dropped before it is given back is closed, so that the pool never has a
/// connection in the middle of a transaction.
pub(super) struct Loan {
    object: Option<Object>,
    keeps_statements: bool,
    answer_time: Duration,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl Connections {
    /// Makes a pool of `count` connections. The server may work on one statement, or let a transaction idle, for
    /// `statement_time`.
    pub(super) fn new(access: &Access, count: usize, statement_time: Duration) -> Result<Self, StoreError> {
        let time = statement_time.as_millis();
        let access = access.clone().with_session(&[
            format!("statement_timeout={time}"),
            format!("idle_in_transaction_session_timeout={time}"),
        ]);
        let prologue = access.prologue();
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_connect(Config::new(), access, manager_config))
            .max_size(count)
            .wait_timeout(Some(WAIT_TIME))
            .create_timeout(Some(CONNECT_TIME))
            .recycle_timeout(Some(CONNECT_TIME))
            .runtime(Runtime::Tokio1)
            .build();
        let pool = pool.map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Self { pool, prologue, answer_time: statement_time + WAY_TIME })
    }

    /// Lends a connection for a single statement; `how` begins a transaction if the statement needs one.
    pub(super) async fn lend(&self, how: &str) -> Result<Loan, Fault> {
        match self.prologue {
            None => self.take().await,
            Some(_) => self.begin(how).await,
        }
    }

    /// Lends a connection, and begins a transaction on it.
    pub(super) async fn begin(&self, how: &str) -> Result<Loan, Fault> {
        let loan = self.take().await?;
        loan.run(&self.beginning(how)).await?;
        Ok(loan)
    }

    /// Lends a connection as it is.
    pub(super) async fn take(&self) -> Result<Loan, Fault> {
        let object = Some(self.pool.get().await?);
        Ok(Loan { object, keeps_statements: self.prologue.is_none(), answer_time: self.answer_time })
    }

    /// The statements that begin a transaction.
    pub(super) fn beginning(&self, how: &str) -> String {
        match &self.prologue {
            None => how.to_owned(),
            Some(prologue) => format!("{how}; {prologue}"),
        }
    }
}

impl Loan {
    fn object(&self) -> &Object {
        self.object.as_ref().expect("the connection is taken out only where the loan is consumed")
    }

    /// Does the session keep prepared statements from one transaction to the next?
    pub(super) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// Gives the connection back to the pool.
    pub(super) fn give_back(mut self) {
        drop(self.object.take());
    }

    /// Ends the transaction of [`Connections::lend`], if there is one, and gives the connection back.
    pub(super) async fn end(self) -> Result<(), Fault> {
        if !self.keeps_statements {
            self.run("COMMIT").await?;
        }
        self.give_back();
        Ok(())
    }

    /// Allows a longer time for the answers to the next statements; the server has to be told separately.
    pub(super) fn wait_longer(&mut self, answer_time: Duration) {
        self.answer_time = answer_time + WAY_TIME;
    }

    /// Runs statements without values.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Fault> {
        self.in_time(self.object().batch_execute(sql)).await
    }

    /// Returns the rows of a query.
    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.prepare(sql).await?;
        self.query_prepared(&statement, values).await
    }

    pub(super) async fn query_prepared(&self, statement: &Statement, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        self.in_time(self.object().query(statement, values)).await
    }

    /// Returns the rows of each of at most [`MOST_TOGETHER`] statements, sent without waiting for the answers in between.
    pub(super) async fn query_all(&self, prepared: &[Prepared<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
        // The statements are sent in the order in which the futures are first polled.
        try_join_all(prepared.iter().map(|(statement, values)| self.query_prepared(statement, values))).await
    }

    /// Returns the number of rows that a statement changed.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let statement = self.prepare(sql).await?;
        self.execute_prepared(&statement, values).await
    }

    pub(super) async fn execute_prepared(&self, statement: &Statement, values: Values<'_>) -> Result<u64, Fault> {
        self.in_time(self.object().execute(statement, values)).await
    }

    /// Prepares a statement, and keeps it in the session if the session lasts.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Fault> {
        let object = self.object();
        match self.keeps_statements {
            true => self.in_time(object.prepare_cached(sql)).await,
            false => self.in_time(tokio_postgres::Client::prepare(object, sql)).await,
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        match tokio::time::timeout(self.answer_time, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                let text = format!("PostgreSQL: there was no answer within {} s", self.answer_time.as_secs());
                Err(StoreError::Unavailable(text).into())
            }
        }
    }
}
