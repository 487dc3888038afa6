//! Makes the tables, and migrates them to the present version; the first node to start does both.
//!
//! Rule: a released migration is never edited, and the version before still works with its tables: so the nodes can be
//! upgraded one after the other. A gateway works with tables of its own version, or of the next version.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::connection::Access;
use super::fault::describe;
use crate::store::StoreError;

/// The migrations: the first makes the tables, each other migrates them to the next version.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema.sql"), include_str!("version_3.sql"), include_str!("version_4.sql")];
/// The version that the first migration makes. A development build made tables of version 1.
const FIRST_VERSION: i64 = 2;
/// The version that this program works with.
pub(super) const VERSION: i64 = FIRST_VERSION + MIGRATIONS.len() as i64 - 1;
/// How long an answer may take before anything is changed.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The lock that lets only one node migrate at a time (`pg_advisory_xact_lock`): "CXGW".
const LOCK: i64 = 0x4358_4757;

/// The version of the tables, if there are any.
///
/// # Errors
/// The database is out of reach, or this program cannot work with its tables.
pub(super) async fn find_version(client: &Client) -> Result<Option<i64>, StoreError> {
    let sql = "-- find_version: tables
        SELECT to_regclass('store_version') IS NOT NULL, EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'request'
            AND schemaname = ANY (current_schemas(FALSE)))";
    let row = ask(client, sql).await?;
    let is_true = |index: usize| row.get(index).is_some_and(|value| value.as_deref() == Some("t"));
    if !is_true(0) {
        return match is_true(1) {
            true => Err(StoreError::Unavailable("its tables are not those of conax-gateway".to_owned())),
            false => Ok(None),
        };
    }
    let row = ask(client, "-- find_version\nSELECT version FROM store_version").await?;
    let version = row.first().and_then(|value| value.as_deref()?.parse::<i64>().ok());
    let version = version.ok_or_else(|| StoreError::Unavailable("its tables have no version".to_owned()))?;
    if !(FIRST_VERSION..=VERSION + 1).contains(&version) {
        return Err(StoreError::Unavailable(format!(
            "its tables are of version {version}, and this conax-gateway works with version {VERSION}: use the \
             conax-gateway that made them, or another store.url"
        )));
    }
    Ok(Some(version))
}

/// Migrates the tables to the present version; returns the version before, if there were tables.
///
/// # Errors
/// The database is out of reach, or the user may not change it.
pub(super) async fn migrate(access: &Access) -> Result<Option<i64>, StoreError> {
    let (client, connection) = access.connect().await?;
    let driving = tokio::spawn(connection);
    let migrated = migrate_with(&client).await;
    drop(client);
    drop(driving.await);
    migrated
}

/// Every error ends the connection, and rolls back the transaction.
async fn migrate_with(client: &Client) -> Result<Option<i64>, StoreError> {
    let run = async |sql: &str| client.batch_execute(sql).await.map_err(failed);
    run(&format!("-- migrate\nBEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    let before = find_version(client).await?;
    let done = before.map_or(0, |before| before - FIRST_VERSION + 1);
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(done) {
        run(migration).await?;
    }
    if before.is_none_or(|before| before < VERSION) {
        run(&format!("-- migrate: version\nUPDATE store_version SET version = {VERSION}")).await?;
    }
    run("COMMIT").await?;
    Ok(before)
}

/// The first row of a query without values. Uses the simple protocol, which prepares nothing: the session may be a pooler's.
pub(super) async fn ask(client: &Client, sql: &str) -> Result<Vec<Option<String>>, StoreError> {
    let answer = tokio::time::timeout(ANSWER_TIME, client.simple_query(sql)).await;
    let late =
        |_| StoreError::Unavailable(format!("PostgreSQL: there was no answer within {} s", ANSWER_TIME.as_secs()));
    let row = answer.map_err(late)?.map_err(failed)?.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.ok_or_else(|| StoreError::Other("PostgreSQL answered nothing".to_owned()))?;
    Ok((0..row.len()).map(|index| row.get(index).map(ToOwned::to_owned)).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "it is a step of map_err")]
fn failed(error: tokio_postgres::Error) -> StoreError {
    StoreError::Unavailable(format!("PostgreSQL: {}", describe(&error)))
}
