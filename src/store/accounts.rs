//! Users, tokens and API keys; of secrets only hashes are stored.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::account::{ApiKey, User};

/// The users, tokens and API keys in the store.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Adds a user.
    async fn add_user(&self, user: User, password_hash: String) -> Result<(), StoreError>;
    /// All users that can sign in.
    async fn list_users(&self) -> Result<Vec<User>, StoreError>;
    /// A user by name, with the password's hash.
    async fn find_user(&self, username: &str) -> Result<Option<(User, String)>, StoreError>;
    /// Gives a user another password; tokens issued for the old password end. False if there is no such user.
    async fn set_password(&self, username: &str, password_hash: String) -> Result<bool, StoreError>;
    /// Removes a user, with tokens and keys; records still name the user. False if there is no such user.
    async fn remove_user(&self, username: &str) -> Result<bool, StoreError>;
    /// Adds a token, by its hash, and deletes tokens that expired long before `now`.
    async fn add_token(&self, hash: [u8; 32], owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), StoreError>;
    /// The owner of a token, and when the token expires.
    async fn find_token_owner(&self, hash: [u8; 32]) -> Result<Option<TokenOwner>, StoreError>;
    /// Deletes a token. False if there is no such token.
    async fn remove_token(&self, hash: [u8; 32]) -> Result<bool, StoreError>;
    /// Adds an API key, by its hash, for a user. False if there is no such user.
    async fn add_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<bool, StoreError>;
    /// All API keys.
    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError>;
    /// Finds the user that an API key belongs to.
    async fn find_key_user(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError>;
    /// Deletes an API key, by id. False if there is no such key.
    async fn remove_key(&self, id: &str) -> Result<bool, StoreError>;
}

/// The owner of a token, and when the token expires.
#[derive(Clone, Debug)]
pub struct TokenOwner {
    /// The user.
    pub user: Arc<User>,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
}
