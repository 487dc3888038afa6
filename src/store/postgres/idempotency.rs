//! Idempotency keys, and the request that came with each.

use std::collections::BTreeSet;

use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use super::request_read;
use super::script::{Script, values};
use crate::store::rows::ReadColumns as _;
use crate::store::{IdempotencyKey, RecordKey, Submission, SubmitResult};

/// The largest number of expired keys that one look-up deletes.
const CLEANED_UP: i64 = 20;

/// The results of earlier requests with the same keys, if any. The keys are locked until the end of the transaction, in
/// order: if two nodes get the same key at the same time, the second node waits, and then finds the key.
pub(super) async fn find_earlier(
    transaction: &Transaction,
    batch: &[Submission],
) -> Result<Vec<Option<SubmitResult>>, Fault> {
    let mut results: Vec<Option<SubmitResult>> = vec![None; batch.len()];
    let keyed = || batch.iter().enumerate().filter_map(|(index, s)| Some((index, s.key.as_ref()?, s)));
    let Some(now) = keyed().map(|(_, _, submission)| submission.request.created_at.timestamp_millis()).max() else {
        return Ok(results);
    };
    let locks: BTreeSet<i64> = keyed().map(|(_, key, _)| lock_of(key)).collect();
    let locks: Vec<i64> = locks.into_iter().collect();
    let lock = "-- find_earlier: lock\nSELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS wanted (key)";
    let clean_up = "-- find_earlier: clean up
        DELETE FROM idempotency_key WHERE key IN
            (SELECT key FROM idempotency_key WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    transaction.lock(lock, &[&locks]).await?;
    let keys: Vec<&[u8]> = keyed().map(|(_, key, _)| key.key.as_slice()).collect();
    let find = "-- find_earlier
        SELECT key, content, secret, number FROM idempotency_key WHERE key = ANY ($1) AND expires_at >= $2";
    let mut script = Script::default();
    script.add(clean_up, values![now, CLEANED_UP]);
    let place = script.add(find, values![keys, now]);
    for row in &transaction.run(&script).await?[place] {
        let row = Columns(row);
        let (found, content): ([u8; 32], [u8; 32]) = (row.get("key")?, row.get("content")?);
        let (secret, number): (Option<[u8; 32]>, i64) = (row.optional("secret")?, row.get("number")?);
        let record = request_read::find_request(transaction, None, &RecordKey::Number(number)).await?;
        for (index, key, _) in keyed().filter(|(_, key, _)| key.key == found) {
            let is_other = content != key.content || (secret.is_some() && secret != key.secret);
            results[index] = match is_other {
                true => Some(SubmitResult::Conflict),
                false => record.clone().map(SubmitResult::Repeated),
            };
        }
    }
    Ok(results)
}

/// The first bytes of the hash as a lock: two keys that share these bytes merely wait for each other.
fn lock_of(key: &IdempotencyKey) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = key.key;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Notes the key of a request.
pub(super) fn remember<'a>(script: &mut Script<'a>, key: &'a IdempotencyKey, number: i64) {
    let sql = "-- remember
        INSERT INTO idempotency_key (key, content, number, expires_at, secret) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO UPDATE SET content = excluded.content, number = excluded.number,
            expires_at = excluded.expires_at, secret = excluded.secret";
    let (content, secret) = (key.content.as_slice(), key.secret.as_ref().map(<[u8; 32]>::as_slice));
    let expires_at = key.expires_at.timestamp_millis();
    script.add(sql, values![key.key.as_slice(), content, number, expires_at, secret]);
}

/// Forgets the secrets of requests that have ended.
pub(super) fn forget_secrets(script: &mut Script<'_>, numbers: Vec<i64>) {
    if !numbers.is_empty() {
        let sql = "-- forget_secrets\nUPDATE idempotency_key SET secret = NULL WHERE number = ANY ($1) AND secret IS NOT NULL";
        script.add(sql, values![numbers]);
    }
}
