//! Idempotency keys, and the request that came with each.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::request_read;
use crate::store::{IdempotencyKey, RecordKey, StoreError, SubmitResult};

/// The largest number of expired keys that one look-up deletes.
const CLEANED_UP: i64 = 20;

/// The result of an earlier request with this key, if there is such a request.
pub(super) fn earlier(
    db: &Connection,
    key: &IdempotencyKey,
    now: DateTime<Utc>,
) -> Result<Option<SubmitResult>, StoreError> {
    db.prepare_cached(
        "-- earlier: clean up
         DELETE FROM idempotency_key WHERE key IN
             (SELECT key FROM idempotency_key WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
    )?
    .execute([now.timestamp_millis(), CLEANED_UP])?;
    let found: Option<([u8; 32], Option<[u8; 32]>, i64)> = db
        .prepare_cached(
            "-- earlier
             SELECT content, secret, number FROM idempotency_key WHERE key = ?1 AND expires_at >= ?2",
        )?
        .query_row(params![key.key, now.timestamp_millis()], |row| {
            Ok((row.get("content")?, row.get("secret")?, row.get("number")?))
        })
        .optional()?;
    let Some((content, secret, number)) = found else { return Ok(None) };
    if content != key.content || (secret.is_some() && secret != key.secret) {
        return Ok(Some(SubmitResult::Conflict));
    }
    Ok(request_read::find_request(db, None, &RecordKey::Number(number))?.map(SubmitResult::Repeated))
}

/// Notes the key of a request.
pub(super) fn remember(db: &Connection, key: &IdempotencyKey, number: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "-- remember
         INSERT OR REPLACE INTO idempotency_key (key, content, number, expires_at, secret) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![key.key, key.content, number, key.expires_at.timestamp_millis(), key.secret])?;
    Ok(())
}

/// Forgets the secret of a request that has ended.
pub(super) fn forget_secret(db: &Connection, number: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "-- forget_secret\nUPDATE idempotency_key SET secret = NULL WHERE number = ?1 AND secret IS NOT NULL",
    )?
    .execute([number])?;
    Ok(())
}
