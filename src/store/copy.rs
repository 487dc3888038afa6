//! Copies a store into another store, of the same or another engine: table by table, in the order of the keys.
//!
//! Rule: a copy that was interrupted goes on behind the last key that it wrote. A copy is done only when each table has the
//! same number of rows on both sides, and the same hash over all of them.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::postgres::storable;
use super::{StoreError, engine};
use crate::config::StoreSection;

/// Bytes of texts and bodies in one step, about; and rows at most.
const STEP_ROWS: usize = 200;
/// Rows of a step for exchanges, whose bodies may be large.
const STEP_EXCHANGES: usize = 10;

/// A table as every engine has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The columns of the key, then all others.
    pub(super) columns: &'static [(&'static str, Kind)],
    /// Number of columns that are the key.
    pub(super) keys: usize,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Boolean,
    Text,
    Bytes,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
}

pub(super) type Cells = Vec<Cell>;

/// A store as a set of tables, which nobody else uses meanwhile.
#[async_trait]
pub(super) trait Tables: Send + Sync {
    /// Rows behind a key, in the order of the keys.
    async fn read_rows(&self, table: Table, after: Option<&[Cell]>, limit: usize) -> Result<Vec<Cells>, StoreError>;
    /// The greatest key, if there is a row.
    async fn find_last_key(&self, table: Table) -> Result<Option<Cells>, StoreError>;
    /// Commits rows.
    async fn write_rows(&self, table: Table, rows: &[Cells]) -> Result<(), StoreError>;
    /// The number of rows.
    async fn count_rows(&self, table: Table) -> Result<u64, StoreError>;
    /// The last numbers of requests and of exchanges, whether those are still there or not.
    async fn find_last_numbers(&self) -> Result<[i64; 2], StoreError>;
    /// Makes what the engine derives from the tables, with those last numbers.
    async fn finish(&self, last_numbers: [i64; 2]) -> Result<(), StoreError>;
}

impl Table {
    /// The names of the columns of the key.
    pub(super) fn key_names(self) -> Vec<String> {
        self.columns[..self.keys].iter().map(|(name, _)| format!("\"{name}\"")).collect()
    }

    /// The names of all columns.
    pub(super) fn names(self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect()
    }

    fn step(self) -> usize {
        if self.name == "exchange" { STEP_EXCHANGES } else { STEP_ROWS }
    }
}

macro_rules! tables {
    ($($name:literal ($($key:ident $key_kind:ident),+) $($column:ident $kind:ident),*;)*) => {
        &[$(Table {
            name: $name,
            columns: &[$((stringify!($key), Kind::$key_kind),)+ $((stringify!($column), Kind::$kind),)*],
            keys: [$(stringify!($key)),+].len(),
        },)*]
    };
}

/// Every table that is copied, those that others refer to first.
pub(super) const TABLES: &[Table] = tables! {
    "user" (id Text) username Text, person_name Text, email Text, role Text, unit Text, password_hash Text,
        removed_at Integer;
    "token" (hash Bytes) user_id Text, expires_at Integer;
    "api_key" (id Text) name Text, user_id Text, hash Bytes;
    "catalogue" (kind Text, id Text) name Text, alternative_code Text, ca_id Text, distribution_id Text;
    "request" (number Integer) id Text, family Text, cas Text, type Text, priority Text, process_immediately Boolean,
        scheduled_at Integer, items Text, cards Text, subscription Text, body Text, raw_body Text, api_call Text,
        rejection Text, correlation Text, sequence_number Integer, created_by Text, created_at Integer, state Text,
        ready_at Integer, lease_owner Text, lease_token Integer, waits_for Integer, in_doubt Text,
        resolve_until Integer, attempts Integer, sent Boolean, executed_at Integer, updated_at Integer,
        reference_number Text, result Text, failure Text, process_name Text, process_id Text, parts Integer,
        joint_key Bytes, joint_fields Text, joint_call Text;
    "request_device" (kind Text, ca_id Text, number Integer) sequence_number Integer;
    "rejected_device" (kind Text, ca_id Text, number Integer);
    "card_queue" (card Text, cas Text, number Integer) due Integer;
    "card_lock" (card Text, cas Text) number Integer;
    "part" (number Integer, part Integer) cards Text, body Text, raw_body Text, state Text, attempts Integer,
        reference_number Text, failure Text, leaves_doubt Boolean;
    "joint_call" (id Text) numbers Text, body Text, response Text;
    "attempt" (number Integer, attempt Integer) part Integer, started_at Integer, duration_ms Integer, timings Text,
        sent Boolean,
        http_status Integer, error Text, response Text, content_type Text, joint_call Text;
    "event" (number Integer, event Integer) at Integer, kind Text, user Text, text Text, duration_ms Integer,
        http_status Integer, request Text, response Text;
    "idempotency_key" (key Bytes) content Bytes, secret Bytes, number Integer, expires_at Integer;
    "exchange" (number Integer) id Text, at Integer, duration_ms Integer, timings Text, path Text, user Text, error Text,
        error_type Text, status Integer, reason Text, operation Text, cards Text, fault Text, bytes Integer,
        request_is_truncated Boolean, answer_is_truncated Boolean, request_is_packed Boolean,
        answer_is_packed Boolean, request_headers Text, answer_headers Text, request_body Bytes, answer_body Bytes;
    "exchange_card" (card Text, number Integer);
    "exchange_note" (number Integer, note Integer) at Integer, user Text, text Text;
};

/// Copies all of a store into one that is empty; or goes on with a copy that was interrupted. `tell` hears of each step: the
/// table, the rows that it has by then, and those that it is to have.
///
/// # Errors
/// A store cannot be opened or is in use, the target is not empty, or the copy differs from the source.
pub async fn copy(
    from: &StoreSection,
    to: &StoreSection,
    goes_on: bool,
    mut tell: impl FnMut(&str, u64, u64),
) -> Result<(), StoreError> {
    let source = engine::open_tables(from, false).await?;
    let target = engine::open_tables(to, true).await?;
    if !goes_on {
        for table in TABLES {
            if target.count_rows(*table).await? > 0 {
                let location = engine::location(to);
                let why = format!("{location}: it is not empty; --resume goes on with a copy that was interrupted");
                return Err(StoreError::NotAllowed(why));
            }
        }
    }
    for table in TABLES {
        let total = source.count_rows(*table).await?;
        let mut last = target.find_last_key(*table).await?;
        let mut done = target.count_rows(*table).await?;
        loop {
            tell(table.name, done, total);
            let rows: Vec<_> = source.read_rows(*table, last.as_deref(), table.step()).await?;
            let Some(end) = rows.last() else { break };
            last = Some(end[..table.keys].to_vec());
            target.write_rows(*table, &rows).await?;
            done += rows.len() as u64;
        }
    }
    target.finish(source.find_last_numbers().await?).await?;
    for table in TABLES {
        let (expected, found) = (digest(source.as_ref(), *table).await?, digest(target.as_ref(), *table).await?);
        if expected != found {
            return Err(StoreError::Damaged(format!("the copy of table {} is not the same", table.name)));
        }
    }
    Ok(())
}

/// The number of rows and a hash over all rows, with their texts as every engine can keep them.
async fn digest(tables: &dyn Tables, table: Table) -> Result<(u64, [u8; 32]), StoreError> {
    let (mut hash, mut count, mut last) = (Sha256::new(), 0, None::<Cells>);
    loop {
        let rows = tables.read_rows(table, last.as_deref(), table.step()).await?;
        let Some(end) = rows.last() else { return Ok((count, hash.finalize().into())) };
        last = Some(end[..table.keys].to_vec());
        count += rows.len() as u64;
        for cell in rows.iter().flatten() {
            let kept;
            let (kind, bytes): (u8, &[u8]) = match cell {
                Cell::Null => (0, &[]),
                Cell::Integer(number) => (1, &number.to_be_bytes()),
                Cell::Boolean(is_true) => (2, &[u8::from(*is_true)]),
                Cell::Text(text) => {
                    kept = storable(text);
                    (3, kept.as_bytes())
                }
                Cell::Bytes(bytes) => (4, bytes),
            };
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
}
