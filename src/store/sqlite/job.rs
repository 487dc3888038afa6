//! A write on its way to the disk, and the task that answers a group of writes after their commit.
//!
//! Rule: one task of the runtime answers a whole group, so that the writer thread wakes one task per group. (Waking each
//! waiting task from another thread costs a system call each.)

use std::time::Duration;

use rusqlite::{Connection, ffi};
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// How long to pause between two tries of a write that must not be refused, while another process holds the database.
pub(super) const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// Advice after a flush to the disk failed.
const AFTERWARDS: &str = "look after the disk, and start the gateway again";

/// Why a group is not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another process holds the database.
    Busy,
    /// The database cannot be written now: the disk is full or read-only, or the files were removed or replaced.
    NotNow(String),
    /// A flush failed or pages are damaged: only a new start reads the truth from the disk.
    ForGood(String),
}

/// A write on its way: runs inside the transaction, perhaps again after its group was rolled back, and is then answered.
pub(super) trait Job: Send {
    /// Runs the write; returns true if it succeeded.
    fn run(&mut self, db: &Connection) -> bool;
    /// The damage of the database that the write found.
    fn damage(&self) -> Option<String>;
    /// Sends the result to the caller that waits for the write.
    fn answer(self: Box<Self>, committed: &Result<(), Trouble>);
}

/// A write, and the channel to the caller that waits for its result.
pub(super) struct Pending<T, F> {
    write: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send + 'static, F: FnMut(&Connection) -> Result<T, StoreError> + Send + 'static> Pending<T, F> {
    /// The write as a job, and the receiver of its result.
    pub(super) fn boxed(write: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { write, result: None, reply }), answer)
    }
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, StoreError> + Send> Job for Pending<T, F> {
    fn run(&mut self, db: &Connection) -> bool {
        let result = (self.write)(db);
        let worked = result.is_ok();
        self.result = Some(result);
        worked
    }

    fn damage(&self) -> Option<String> {
        match &self.result {
            Some(Err(StoreError::Damaged(message))) => Some(message.clone()),
            _ => None,
        }
    }

    fn answer(self: Box<Self>, committed: &Result<(), Trouble>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) | (Err(Trouble::Busy), _) => Err(StoreError::Busy(BUSY_PAUSE)),
            (Err(Trouble::NotNow(why) | Trouble::ForGood(why)), _) => Err(StoreError::Unavailable(why.clone())),
        };
        // The caller may have gone; the change stays.
        drop(self.reply.send(result));
    }
}

/// Writes of one transaction, and whether that was committed.
struct Group {
    jobs: Vec<Box<dyn Job>>,
    committed: Result<(), Trouble>,
}

/// Hands groups from the writer thread to the task that answers them.
pub(super) struct Answers(mpsc::UnboundedSender<Group>);

impl Answers {
    /// Starts the task that answers, which ends after the thread. Its queue is bounded by the calls that wait for their
    /// answers.
    pub(super) fn start() -> Self {
        let (sender, mut groups) = mpsc::unbounded_channel::<Group>();
        tokio::spawn(async move {
            while let Some(Group { jobs, committed }) = groups.recv().await {
                jobs.into_iter().for_each(|job| job.answer(&committed));
            }
        });
        Self(sender)
    }

    /// Hands over a group. After the end of the runtime no caller waits.
    pub(super) fn give(&self, jobs: Vec<Box<dyn Job>>, committed: Result<(), Trouble>) {
        drop(self.0.send(Group { jobs, committed }));
    }
}

impl Trouble {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        match (error.sqlite_error().map(|e| e.extended_code), StoreError::from_sqlite(error)) {
            (Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC), _) => Self::ForGood(format!(
                "{error}: the disk cannot be flushed, and what it has is not known; {AFTERWARDS}"
            )),
            (_, StoreError::Damaged(message)) => Self::ForGood(message),
            (_, StoreError::Busy(_)) => Self::Busy,
            _ => Self::NotNow(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_flush_that_failed_and_damage_are_for_good() {
        let of = |code| Trouble::of(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
            assert!(matches!(of(code), Trouble::ForGood(_)), "{code}");
        }
        for code in [ffi::SQLITE_IOERR, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_FULL] {
            assert!(matches!(of(code), Trouble::NotNow(_)), "{code}");
        }
        for code in [ffi::SQLITE_READONLY, ffi::SQLITE_CANTOPEN] {
            assert!(matches!(of(code), Trouble::NotNow(_)), "{code}");
        }
        assert_eq!(of(ffi::SQLITE_BUSY), Trouble::Busy);
    }
}
