//! The failures of PostgreSQL, and what each means for a caller.

use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use super::connection::CONNECT_TIME;
use crate::store::StoreError;

/// When a caller that found no free connection may try again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Why work on the database failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// An error of PostgreSQL or of the connection.
    Database(tokio_postgres::Error),
    /// An error of the store.
    Store(StoreError),
}

impl Fault {
    /// Was there a conflict with another transaction, so that the same work may succeed if run again?
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| conflicts.contains(code)))
    }

    /// Would the change violate a unique key?
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Did the server report the error, so that the transaction is rolled back?
    pub(super) fn is_from_server(&self) -> bool {
        matches!(self, Self::Database(error) if error.code().is_some())
    }

    /// Is the connection lost, so that another connection may work?
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN))
    }

    /// Is the server away, not yet up, or read-only, so that no work can be done now?
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Database(error) => is_outage(error),
            Self::Store(error) => matches!(error, StoreError::Unavailable(_)),
        }
    }
}

fn is_outage(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        // An error without a code is not from the server: it is the connection's, unless a value did not fit its type.
        return error.is_closed() || has_io_source(error);
    };
    let words = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::DISK_FULL,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IO_ERROR,
    ];
    // Class 08: connection exception.
    words.contains(code) || code.code().starts_with("08")
}

fn has_io_source(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The error with its chain of sources: the first line of tokio-postgres says too little.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(error) = source {
                let cause = error.to_string();
                if !text.ends_with(&cause) {
                    text = format!("{text}: {cause}");
                }
                source = error.source();
            }
            text
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            PoolError::Timeout(TimeoutType::Wait) => Self::Store(StoreError::Busy(BUSY_PAUSE)),
            PoolError::Timeout(_) => {
                let text = format!("PostgreSQL: no connection was made within {} s", CONNECT_TIME.as_secs());
                Self::Store(StoreError::Unavailable(text))
            }
            other => Self::Store(StoreError::Unavailable(format!("PostgreSQL: {other}"))),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Store(error) => return error,
            Fault::Database(error) => error,
        };
        let code = error.code().cloned();
        let text = format!("PostgreSQL: {}", describe(&error));
        match code {
            _ if is_outage(&error) => Self::Unavailable(text),
            // Another transaction held a lock for too long, or the statement itself took too long.
            Some(SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE) => Self::Busy(BUSY_PAUSE),
            Some(SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED) => Self::Busy(BUSY_PAUSE),
            Some(SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED) => Self::Damaged(text),
            _ => Self::Other(text),
        }
    }
}
