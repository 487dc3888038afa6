//! Users, tokens and API keys.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;

use super::PostgresStore;
use super::columns::Columns;
use super::database::Patience::Refuse;
use super::fault::Fault;
use crate::account::{ApiKey, User};
use crate::store::rows::{ReadColumns as _, USER_COLUMNS, row_to_key, row_to_token_owner, row_to_user, to_json};
use crate::store::{AccountStore, StoreError, TokenOwner};
use crate::words::Word as _;

/// How long an expired token is kept.
const EXPIRED_KEPT: TimeDelta = TimeDelta::days(1);

#[async_trait]
impl AccountStore for PostgresStore {
    async fn add_user(&self, user: User, password_hash: String) -> Result<(), StoreError> {
        let unit = to_json(&user.unit)?;
        let add = self.database.write(Refuse, 1, move |transaction| {
            let (user, unit, password_hash) = (user.clone(), unit.clone(), password_hash.clone());
            Box::pin(async move {
                let sql = "-- add_user
                    INSERT INTO \"user\" (id, username, person_name, email, role, unit, password_hash)
                    VALUES ($1, $2, $3, $4, $5, $6, $7)";
                let User { id, username, person_name, email, role, .. } = &user;
                let values: super::database::Values<'_> =
                    &[id, username, person_name, email, &role.as_str(), &unit, &password_hash];
                match transaction.execute(sql, values).await {
                    Err(fault) if fault.is_taken() => Err(StoreError::Taken(format!("user {username}")).into()),
                    other => other.map(drop),
                }
            })
        });
        add.await
    }

    async fn list_users(&self) -> Result<Vec<User>, StoreError> {
        let sql =
            format!("-- list_users\nSELECT {USER_COLUMNS} FROM \"user\" u WHERE removed_at IS NULL ORDER BY username");
        read_all(&self.database.read(&sql, &[]).await?, |row| row_to_user(&Columns(row)))
    }

    async fn find_user(&self, username: &str) -> Result<Option<(User, String)>, StoreError> {
        let sql = format!(
            "-- find_user
             SELECT {USER_COLUMNS}, u.password_hash FROM \"user\" u WHERE username = $1 AND removed_at IS NULL"
        );
        let rows = self.database.read(&sql, &[&username]).await?;
        let read = |row: &Row| Ok((row_to_user(&Columns(row))?, Columns(row).get("password_hash")?));
        Ok(read_all(&rows, read)?.pop())
    }

    async fn set_password(&self, username: &str, password_hash: String) -> Result<bool, StoreError> {
        let username = username.to_owned();
        let set = self.database.write(Refuse, 1, move |transaction| {
            let (username, password_hash) = (username.clone(), password_hash.clone());
            Box::pin(async move {
                let sql = "-- set_password
                    UPDATE \"user\" SET password_hash = $2 WHERE username = $1 AND removed_at IS NULL RETURNING id";
                let Some(row) = transaction.query_first(sql, &[&username, &password_hash]).await? else {
                    return Ok(false);
                };
                let id: String = Columns(&row).get("id")?;
                transaction.execute("-- set_password: tokens\nDELETE FROM token WHERE user_id = $1", &[&id]).await?;
                Ok(true)
            })
        });
        set.await
    }

    async fn remove_user(&self, username: &str) -> Result<bool, StoreError> {
        let username = username.to_owned();
        let remove = self.database.write(Refuse, 1, move |transaction| {
            let username = username.clone();
            Box::pin(async move {
                let sql = "-- remove_user
                    UPDATE \"user\" SET removed_at = CAST(extract(epoch FROM now()) * 1000 AS BIGINT)
                    WHERE username = $1 AND removed_at IS NULL RETURNING id";
                let Some(row) = transaction.query_first(sql, &[&username]).await? else { return Ok(false) };
                let id: String = Columns(&row).get("id")?;
                transaction.execute("-- remove_user: tokens\nDELETE FROM token WHERE user_id = $1", &[&id]).await?;
                transaction.execute("-- remove_user: keys\nDELETE FROM api_key WHERE user_id = $1", &[&id]).await?;
                Ok(true)
            })
        });
        remove.await
    }

    async fn add_token(&self, hash: [u8; 32], owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), StoreError> {
        let (user, expires_at) = (owner.user.id.clone(), owner.expires_at.timestamp_millis());
        let long_expired = (now - EXPIRED_KEPT).timestamp_millis();
        let add = self.database.write(Refuse, 1, move |transaction| {
            let user = user.clone();
            Box::pin(async move {
                let clean_up = "-- add_token: clean up
                    DELETE FROM token WHERE hash IN
                        (SELECT hash FROM token WHERE expires_at < $1 ORDER BY expires_at FOR UPDATE SKIP LOCKED)";
                let add = "-- add_token\nINSERT INTO token (hash, user_id, expires_at) VALUES ($1, $2, $3)";
                let hash = hash.as_slice();
                transaction.execute_all(&[(clean_up, &[&long_expired]), (add, &[&hash, &user, &expires_at])]).await
            })
        });
        add.await
    }

    async fn find_token_owner(&self, hash: [u8; 32]) -> Result<Option<TokenOwner>, StoreError> {
        let sql = format!(
            "-- find_token_owner
             SELECT {USER_COLUMNS}, t.expires_at FROM token t JOIN \"user\" u ON u.id = t.user_id
             WHERE t.hash = $1 AND u.removed_at IS NULL"
        );
        let rows = self.database.read(&sql, &[&hash.as_slice()]).await?;
        Ok(read_all(&rows, |row| row_to_token_owner(&Columns(row)))?.pop())
    }

    async fn remove_token(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        let remove = self.database.write(Refuse, 1, move |transaction| {
            Box::pin(async move {
                let sql = "-- remove_token\nDELETE FROM token WHERE hash = $1";
                Ok(transaction.execute(sql, &[&hash.as_slice()]).await? > 0)
            })
        });
        remove.await
    }

    async fn add_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<bool, StoreError> {
        let add = self.database.write(Refuse, 1, move |transaction| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "-- add_key
                    INSERT INTO api_key (id, name, user_id, hash)
                    SELECT $1, $2, id, $4 FROM \"user\" WHERE username = $3 AND removed_at IS NULL";
                let values: super::database::Values<'_> = &[&key.id, &key.name, &key.username, &hash.as_slice()];
                Ok(transaction.execute(sql, values).await? > 0)
            })
        });
        add.await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let sql = "-- list_keys
            SELECT k.id, k.name, u.username FROM api_key k JOIN \"user\" u ON u.id = k.user_id
            ORDER BY u.username, k.name";
        read_all(&self.database.read(sql, &[]).await?, |row| row_to_key(&Columns(row)))
    }

    async fn find_key_user(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
        let sql = format!(
            "-- find_key_user
             SELECT {USER_COLUMNS} FROM api_key k JOIN \"user\" u ON u.id = k.user_id WHERE k.hash = $1"
        );
        let rows = self.database.read(&sql, &[&hash.as_slice()]).await?;
        Ok(read_all(&rows, |row| row_to_user(&Columns(row)))?.pop())
    }

    async fn remove_key(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let remove = self.database.write(Refuse, 1, move |transaction| {
            let id = id.clone();
            Box::pin(async move {
                Ok(transaction.execute("-- remove_key\nDELETE FROM api_key WHERE id = $1", &[&id]).await? > 0)
            })
        });
        remove.await
    }
}

fn read_all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Fault>) -> Result<Vec<T>, StoreError> {
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}
