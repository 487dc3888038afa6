//! Users, tokens and API keys.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::columns::Columns;
use crate::account::{ApiKey, User};
use crate::store::rows::{ReadColumns as _, USER_COLUMNS, row_to_key, row_to_token_owner, row_to_user};
use crate::store::{AccountStore, StoreError, TokenOwner};
use crate::words::Word as _;

/// How long an expired token is kept.
const EXPIRED_KEPT: TimeDelta = TimeDelta::days(1);

#[async_trait]
impl AccountStore for SqliteStore {
    async fn add_user(&self, user: User, password_hash: String) -> Result<(), StoreError> {
        self.writer.write(move |db| add_user(db, &user, &password_hash)).await
    }

    async fn list_users(&self) -> Result<Vec<User>, StoreError> {
        self.readers.read(list_users).await
    }

    async fn find_user(&self, username: &str) -> Result<Option<(User, String)>, StoreError> {
        let username = username.to_owned();
        self.readers.read(move |db| find_user(db, &username)).await
    }

    async fn set_password(&self, username: &str, password_hash: String) -> Result<bool, StoreError> {
        let username = username.to_owned();
        self.writer.write(move |db| set_password(db, &username, &password_hash)).await
    }

    async fn remove_user(&self, username: &str) -> Result<bool, StoreError> {
        let username = username.to_owned();
        self.writer.write(move |db| remove_user(db, &username)).await
    }

    async fn add_token(&self, hash: [u8; 32], owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), StoreError> {
        let owner = owner.clone();
        self.writer.write(move |db| add_token(db, &hash, &owner, now)).await
    }

    async fn find_token_owner(&self, hash: [u8; 32]) -> Result<Option<TokenOwner>, StoreError> {
        self.readers.read(move |db| find_token_owner(db, &hash)).await
    }

    async fn remove_token(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.writer.write(move |db| remove_token(db, &hash)).await
    }

    async fn add_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.writer.write(move |db| add_key(db, &key, &hash)).await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.readers.read(list_keys).await
    }

    async fn find_key_user(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
        self.readers.read(move |db| find_key_user(db, &hash)).await
    }

    async fn remove_key(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.writer.write(move |db| remove_key(db, &id)).await
    }
}

fn add_user(db: &Connection, user: &User, password_hash: &str) -> Result<(), StoreError> {
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

fn list_users(db: &Connection) -> Result<Vec<User>, StoreError> {
    let sql = format!("-- list_users\nSELECT {USER_COLUMNS} FROM user u WHERE removed_at IS NULL ORDER BY username");
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_map([], |row| row_to_user(&Columns::new(row)))?.collect::<Result<_, _>>()?)
}

fn find_user(db: &Connection, username: &str) -> Result<Option<(User, String)>, StoreError> {
    let sql = format!(
        "-- find_user\nSELECT {USER_COLUMNS}, u.password_hash FROM user u WHERE username = ?1 AND removed_at IS NULL"
    );
    let found = db.prepare_cached(&sql)?.query_row([username], |row| {
        let row = Columns::new(row);
        Ok((row_to_user(&row)?, row.get("password_hash")?))
    });
    Ok(found.optional()?)
}

fn set_password(db: &Connection, username: &str, password_hash: &str) -> Result<bool, StoreError> {
    let id: Option<String> = db
        .query_row(
            "-- set_password
             UPDATE user SET password_hash = ?2 WHERE username = ?1 AND removed_at IS NULL RETURNING id",
            [username, password_hash],
            |row| row.get("id"),
        )
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    db.execute("-- set_password: tokens\nDELETE FROM token WHERE user_id = ?1", [&id])?;
    Ok(true)
}

fn remove_user(db: &Connection, username: &str) -> Result<bool, StoreError> {
    let id: Option<String> = db
        .query_row(
            "-- remove_user
             UPDATE user SET removed_at = unixepoch() * 1000 WHERE username = ?1 AND removed_at IS NULL RETURNING id",
            [username],
            |row| row.get("id"),
        )
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    db.execute("-- remove_user: tokens\nDELETE FROM token WHERE user_id = ?1", [&id])?;
    db.execute("-- remove_user: keys\nDELETE FROM api_key WHERE user_id = ?1", [&id])?;
    Ok(true)
}

fn add_token(db: &Connection, hash: &[u8; 32], owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), StoreError> {
    db.prepare_cached("-- add_token: clean up\nDELETE FROM token WHERE expires_at < ?1")?
        .execute([(now - EXPIRED_KEPT).timestamp_millis()])?;
    db.prepare_cached("-- add_token\nINSERT INTO token (hash, user_id, expires_at) VALUES (?1, ?2, ?3)")?
        .execute(params![hash, owner.user.id, owner.expires_at.timestamp_millis()])?;
    Ok(())
}

fn find_token_owner(db: &Connection, hash: &[u8; 32]) -> Result<Option<TokenOwner>, StoreError> {
    let sql = format!(
        "-- find_token_owner\nSELECT {USER_COLUMNS}, t.expires_at FROM token t JOIN user u ON u.id = t.user_id
         WHERE t.hash = ?1 AND u.removed_at IS NULL"
    );
    let found = db.prepare_cached(&sql)?.query_row([hash], |row| row_to_token_owner(&Columns::new(row)));
    Ok(found.optional()?)
}

fn remove_token(db: &Connection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("-- remove_token\nDELETE FROM token WHERE hash = ?1")?.execute([hash])? > 0)
}

fn add_key(db: &Connection, key: &ApiKey, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let added = db.execute(
        "-- add_key
         INSERT INTO api_key (id, name, user_id, hash)
         SELECT ?1, ?2, id, ?4 FROM user WHERE username = ?3 AND removed_at IS NULL",
        params![key.id, key.name, key.username, hash],
    )?;
    Ok(added > 0)
}

fn list_keys(db: &Connection) -> Result<Vec<ApiKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- list_keys
         SELECT k.id, k.name, u.username FROM api_key k JOIN user u ON u.id = k.user_id ORDER BY u.username, k.name",
    )?;
    let rows = statement.query_map([], |row| row_to_key(&Columns::new(row)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn find_key_user(db: &Connection, hash: &[u8; 32]) -> Result<Option<User>, StoreError> {
    let sql = format!(
        "-- find_key_user\nSELECT {USER_COLUMNS} FROM api_key k JOIN user u ON u.id = k.user_id WHERE k.hash = ?1"
    );
    Ok(db.prepare_cached(&sql)?.query_row([hash], |row| row_to_user(&Columns::new(row))).optional()?)
}

fn remove_key(db: &Connection, id: &str) -> Result<bool, StoreError> {
    Ok(db.execute("-- remove_key\nDELETE FROM api_key WHERE id = ?1", [id])? > 0)
}
