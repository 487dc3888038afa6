//! The tables and their version: made, and brought to the present version, by whoever comes first.
//!
//! Rule: a migration is never edited, and leaves tables with which the version before it still works: so the nodes can be
//! upgraded one after the other. A gateway works with tables of its own version, or of the next one.

use tokio_postgres::Client;

use super::connection::Access;
use super::fault::describe;
use crate::store::StoreError;

/// The migrations: the first one makes the tables, each of the others brings them to the next version.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];
/// The version that this program works with.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;
/// Only one migrates at a time (`pg_advisory_xact_lock`): "CXGW".
const LOCK: i64 = 0x4358_4757;

/// The version of the tables, if there are any.
///
/// # Errors
/// The database is out of reach, or its tables are none that this program works with.
pub(super) async fn find_version(client: &Client) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT to_regclass('store_version') IS NOT NULL, EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'request' \
               AND schemaname = ANY (current_schemas(FALSE)))";
    let row = client.query_one(sql, &[]).await.map_err(failed)?;
    let (has_version, has_others): (bool, bool) = (row.get(0), row.get(1));
    if !has_version {
        return match has_others {
            true => Err(StoreError::Unavailable("its tables are not those of conax-gateway".to_owned())),
            false => Ok(None),
        };
    }
    let row = client.query_one("-- find_version\nSELECT version FROM store_version", &[]).await.map_err(failed)?;
    let version: i64 = row.get(0);
    if !(1..=VERSION + 1).contains(&version) {
        return Err(StoreError::Unavailable(format!(
            "its tables are of version {version}, and this conax-gateway works with version {VERSION}: use the \
             conax-gateway that made them, or another store.url"
        )));
    }
    Ok(Some(version))
}

/// Brings the tables to the present version; returns which one they were of before.
///
/// # Errors
/// The database is out of reach, or the user may not change it.
pub(super) async fn migrate(access: &Access) -> Result<Option<i64>, StoreError> {
    let (mut client, connection) = access.connect().await?;
    let driving = tokio::spawn(connection);
    let migrated = migrate_with(&mut client).await;
    drop(client);
    drop(driving.await);
    migrated
}

async fn migrate_with(client: &mut Client) -> Result<Option<i64>, StoreError> {
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.execute("-- migrate\nSELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    let before = find_version(transaction.client()).await?;
    let done = usize::try_from(before.unwrap_or_default()).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.batch_execute(migration).await.map_err(failed)?;
    }
    if before.is_some_and(|before| before < VERSION) {
        let sql = "-- migrate: version\nUPDATE store_version SET version = $1";
        transaction.execute(sql, &[&VERSION]).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(before)
}

#[expect(clippy::needless_pass_by_value, reason = "it is a step of map_err")]
fn failed(error: tokio_postgres::Error) -> StoreError {
    StoreError::Unavailable(format!("PostgreSQL: {}", describe(&error)))
}
