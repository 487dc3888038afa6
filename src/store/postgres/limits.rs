//! The limits of callers that nodes share, by the server's clock.

use std::time::Duration;

use async_trait::async_trait;

use tokio_postgres::Row;

use super::PostgresStore;
use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use crate::store::rows::ReadColumns as _;
use crate::store::{Allowance, LimitStore, SignInKeys, SignInTrace, StoreError};

/// The largest debt of an allowance, in seconds of its refill.
const MOST_DEBT_S: f64 = 10.0;

#[async_trait]
impl LimitStore for PostgresStore {
    async fn take_allowances(
        &self,
        taken: &[Allowance],
        per_second: f64,
    ) -> Result<Option<Vec<Allowance>>, StoreError> {
        let mut taken: Vec<_> = taken.iter().collect();
        // Nodes lock the rows in the same order, so that they never deadlock.
        taken.sort_by(|one, other| one.user.cmp(&other.user));
        let (users, calls): (Vec<&str>, Vec<f64>) = taken.iter().map(|a| (a.user.as_str(), a.calls)).unzip();
        let sql = "-- take_allowances
            INSERT INTO allowance (user_id, calls) SELECT user_id, $3 - calls
            FROM unnest($1::text[], $2::float8[]) AS taken (user_id, calls)
            ON CONFLICT (user_id) DO UPDATE SET filled_at = clock_timestamp(), calls = greatest(-$3 * $4::float8,
                least($3::float8, allowance.calls + $3 * extract(epoch FROM clock_timestamp() - allowance.filled_at)::float8)
                - $3 + excluded.calls)
            RETURNING user_id, calls";
        let rows = self.database.query_lightly(sql, &[&users, &calls, &per_second, &MOST_DEBT_S]).await?;
        let read =
            |row: &Row| Ok::<_, Fault>(Allowance { user: row.try_get("user_id")?, calls: row.try_get("calls")? });
        Ok(Some(rows.iter().map(read).collect::<Result<_, _>>()?))
    }

    async fn find_sign_ins(&self, keys: &SignInKeys) -> Result<Option<[SignInTrace; 3]>, StoreError> {
        let sql = "-- find_sign_ins
            SELECT key, failures, (extract(epoch FROM clock_timestamp() - failed_at) * 1000)::bigint AS failed_ms,
                (extract(epoch FROM clock_timestamp() - succeeded_at) * 1000)::bigint AS succeeded_ms
            FROM sign_in WHERE key = ANY ($1)";
        let wanted: Vec<&[u8]> = keys.iter().map(<[u8; 32]>::as_slice).collect();
        let mut traces = [SignInTrace::default(); 3];
        for row in self.database.read(sql, &[&wanted]).await? {
            let row = Columns(&row);
            let key = row.bytes("key")?.unwrap_or_default();
            let ago = |column| {
                let ms = row.integer(column)?;
                Ok::<_, Fault>(ms.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs())))
            };
            let failures = u32::try_from(row.get::<i64>("failures")?).unwrap_or(u32::MAX);
            let trace = SignInTrace { failures, failed_ago: ago("failed_ms")?, succeeded_ago: ago("succeeded_ms")? };
            for (known, trace_of_key) in keys.iter().zip(&mut traces) {
                if known.as_slice() == key {
                    *trace_of_key = trace;
                }
            }
        }
        Ok(Some(traces))
    }

    async fn note_sign_in(&self, keys: &SignInKeys, is_good: bool, counts_for: Duration) -> Result<(), StoreError> {
        if is_good {
            let sql = "-- note_sign_in: good
                INSERT INTO sign_in (key, failures, succeeded_at) VALUES ($1, 0, clock_timestamp())
                ON CONFLICT (key) DO UPDATE SET failures = 0, succeeded_at = clock_timestamp()";
            let [pair, ..] = keys;
            self.database.query_lightly(sql, &[&pair.as_slice()]).await?;
            return Ok(());
        }
        let sql = "-- note_sign_in
            INSERT INTO sign_in (key, failures, failed_at) SELECT key, 1, clock_timestamp() FROM unnest($1::bytea[]) AS new (key)
            ON CONFLICT (key) DO UPDATE SET failed_at = clock_timestamp(), failures = CASE
                WHEN sign_in.failed_at > clock_timestamp() - make_interval(secs => $2::float8) THEN sign_in.failures + 1
                ELSE 1 END";
        let mut keys: Vec<&[u8]> = keys.iter().map(<[u8; 32]>::as_slice).collect();
        keys.sort_unstable();
        self.database.query_lightly(sql, &[&keys, &counts_for.as_secs_f64()]).await?;
        Ok(())
    }
}

/// Deletes allowances and attempts to sign in that have no effect any more.
pub(super) async fn forget_old(transaction: &Transaction) -> Result<(), Fault> {
    let allowances = "-- forget_old: allowances\nDELETE FROM allowance WHERE filled_at < now() - interval '1 hour'";
    let sign_ins = "-- forget_old: sign_ins
        DELETE FROM sign_in WHERE coalesce(failed_at < now() - interval '1 hour', TRUE)
            AND coalesce(succeeded_at < now() - interval '7 days', TRUE)";
    transaction.execute_all(&[(allowances, &[]), (sign_ins, &[])]).await
}
