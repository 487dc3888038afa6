//! Users, tokens and API keys.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::account::{ApiKey, Role, User};
use crate::store::{StoreError, TokenOwner};

/// How long an expired token is kept.
const EXPIRED_KEPT: TimeDelta = TimeDelta::days(1);

/// The columns that [`row_to_user`] reads, in its order, for a table alias `u`.
pub(super) const USER_COLUMNS: &str = "u.id, u.username, u.person_name, u.email, u.role, u.unit";

/// Reads a user whose columns begin at `at`.
pub(super) fn row_to_user(row: &Row<'_>, at: usize) -> Result<User, rusqlite::Error> {
    let role: String = row.get(at + 4)?;
    let unit: String = row.get(at + 5)?;
    let wrong = |column, e: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, e)
    };
    Ok(User {
        id: row.get(at)?,
        username: row.get(at + 1)?,
        person_name: row.get(at + 2)?,
        email: row.get(at + 3)?,
        role: Role::parse(&role).ok_or_else(|| wrong(at + 4, format!("role '{role}'").into()))?,
        unit: serde_json::from_str(&unit).map_err(|e| wrong(at + 5, e.into()))?,
    })
}

pub(super) fn add_user(db: &Connection, user: &User, password_hash: &str) -> Result<(), StoreError> {
    let unit = serde_json::to_string(&user.unit).map_err(|e| StoreError::Other(e.to_string()))?;
    let inserted = db.execute(
        "-- add_user
         INSERT INTO user (id, username, person_name, email, role, unit, password_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![user.id, user.username, user.person_name, user.email, user.role.as_str(), unit, password_hash],
    );
    match inserted {
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            Err(StoreError::Taken(format!("user {}", user.username)))
        }
        other => Ok(other.map(drop)?),
    }
}

pub(super) fn users(db: &Connection) -> Result<Vec<User>, StoreError> {
    let sql = format!("-- users\nSELECT {USER_COLUMNS} FROM user u WHERE removed_at IS NULL ORDER BY username");
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_map([], |row| row_to_user(row, 0))?.collect::<Result<_, _>>()?)
}

pub(super) fn user(db: &Connection, username: &str) -> Result<Option<(User, String)>, StoreError> {
    let sql = format!(
        "-- user\nSELECT {USER_COLUMNS}, u.password_hash FROM user u WHERE username = ?1 AND removed_at IS NULL"
    );
    let found = db.prepare_cached(&sql)?.query_row([username], |row| Ok((row_to_user(row, 0)?, row.get(6)?)));
    Ok(found.optional()?)
}

pub(super) fn remove_user(db: &Connection, username: &str) -> Result<bool, StoreError> {
    let id: Option<String> = db
        .query_row(
            "-- remove_user
             UPDATE user SET removed_at = unixepoch() * 1000 WHERE username = ?1 AND removed_at IS NULL RETURNING id",
            [username],
            |row| row.get(0),
        )
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    db.execute("-- remove_user: tokens\nDELETE FROM token WHERE user_id = ?1", [&id])?;
    db.execute("-- remove_user: keys\nDELETE FROM api_key WHERE user_id = ?1", [&id])?;
    Ok(true)
}

pub(super) fn add_token(
    db: &Connection,
    hash: &[u8; 32],
    owner: &TokenOwner,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    db.prepare_cached("-- add_token: clean up\nDELETE FROM token WHERE expires_at < ?1")?
        .execute([(now - EXPIRED_KEPT).timestamp_millis()])?;
    db.prepare_cached("-- add_token\nINSERT INTO token (hash, user_id, expires_at) VALUES (?1, ?2, ?3)")?
        .execute(params![hash, owner.user.id, owner.expires_at.timestamp_millis()])?;
    Ok(())
}

pub(super) fn token(db: &Connection, hash: &[u8; 32]) -> Result<Option<TokenOwner>, StoreError> {
    let sql = format!(
        "-- token\nSELECT {USER_COLUMNS}, t.expires_at FROM token t JOIN user u ON u.id = t.user_id
         WHERE t.hash = ?1 AND u.removed_at IS NULL"
    );
    let found = db.prepare_cached(&sql)?.query_row([hash], |row| {
        let user = Arc::new(row_to_user(row, 0)?);
        Ok(TokenOwner { user, expires_at: super::request_read::time(row, 6)? })
    });
    Ok(found.optional()?)
}

pub(super) fn remove_token(db: &Connection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("-- remove_token\nDELETE FROM token WHERE hash = ?1")?.execute([hash])? > 0)
}

pub(super) fn add_key(db: &Connection, key: &ApiKey, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let added = db.execute(
        "-- add_key
         INSERT INTO api_key (id, name, user_id, hash)
         SELECT ?1, ?2, id, ?4 FROM user WHERE username = ?3 AND removed_at IS NULL",
        params![key.id, key.name, key.username, hash],
    )?;
    Ok(added > 0)
}

pub(super) fn keys(db: &Connection) -> Result<Vec<ApiKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- keys
         SELECT k.id, k.name, u.username FROM api_key k JOIN user u ON u.id = k.user_id ORDER BY u.username, k.name",
    )?;
    let rows =
        statement.query_map([], |row| Ok(ApiKey { id: row.get(0)?, name: row.get(1)?, username: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn key_user(db: &Connection, hash: &[u8; 32]) -> Result<Option<User>, StoreError> {
    let sql =
        format!("-- key_user\nSELECT {USER_COLUMNS} FROM api_key k JOIN user u ON u.id = k.user_id WHERE k.hash = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([hash], |row| row_to_user(row, 0)).optional()?)
}

pub(super) fn remove_key(db: &Connection, id: &str) -> Result<bool, StoreError> {
    Ok(db.execute("-- remove_key\nDELETE FROM api_key WHERE id = ?1", [id])? > 0)
}
