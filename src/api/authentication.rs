//! `POST authentication/…`: a token for a password, a token for an API key, and the end of a token.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::error::{ApiError, Code};
use super::{Api, Data, Params, data};
use crate::account::{User, hash_secret, password_matches};
use crate::request::random_hex;
use crate::store::TokenOwner;

/// How long a password waits to be checked.
const PASSWORD_WAIT: Duration = Duration::from_secs(5);

/// `authentication/token`: user name, password and organisation (any; the gateway serves one) give a token.
///
/// # Errors
/// A parameter, INVALID_CREDENTIALS, or the store.
pub async fn token(api: &Api, mut params: Params) -> Result<Data, ApiError> {
    let username = params.mandatory_text("username")?;
    let password = params.mandatory_text("password")?;
    params.mandatory_text("organisation")?;
    let unit = params.text("unit")?;
    params.finish()?;
    let found = api.store.user(&username).await?;
    // An unknown name takes as long as a wrong password.
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        None => (None, api.unknown_user_hash.clone()),
    };
    let permit = tokio::time::timeout(PASSWORD_WAIT, Arc::clone(&api.password_checks).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else {
        return Err(ApiError::later(Code::TooManyRequests, "Too many are signing in at once.", PASSWORD_WAIT));
    };
    // The check runs on when the client goes, and so keeps its place.
    let matches = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        password_matches(&password, &hash)
    });
    let matches = matches.await.map_err(|e| ApiError::internal(e.to_string()))?;
    match user.filter(|_| matches) {
        Some(user) => issue(api, user, unit).await,
        None => Err(ApiError::new(Code::InvalidCredentials, "User name or password is wrong.")),
    }
}

/// `authentication/web_api_key/token`: an API key, given as HTTP Basic user name with an empty password.
///
/// # Errors
/// A parameter, INVALID_CREDENTIALS, or the store.
pub async fn web_api_key(api: &Api, key: Option<String>, mut params: Params) -> Result<Data, ApiError> {
    let unit = params.text("unit")?;
    params.finish()?;
    let key = key.ok_or_else(|| {
        let message = "The API key must be the user name of HTTP Basic, with an empty password.";
        ApiError::new(Code::InvalidCredentials, message)
    })?;
    match api.store.key_user(hash_secret(&key)).await? {
        Some(user) => issue(api, user, unit).await,
        None => Err(ApiError::new(Code::InvalidCredentials, "The API key is unknown.")),
    }
}

/// `authentication/token/release`: ends a token that is still good.
///
/// # Errors
/// INVALID_TOKEN, or the store.
pub async fn release(api: &Api, token: &str, params: Params) -> Result<Data, ApiError> {
    params.finish()?;
    api.sessions.find(token).await?;
    let hash = hash_secret(token);
    api.store.remove_token(hash).await?;
    api.sessions.forget(&hash);
    data(&json!({}))
}

async fn issue(api: &Api, user: User, unit: Option<String>) -> Result<Data, ApiError> {
    if unit.is_some_and(|unit| unit != user.unit.id) {
        return Err(ApiError::invalid("$.unit", "The user does not belong to this unit."));
    }
    let token = random_hex();
    let now = api.clock.now();
    let expires_at = now + api.token_ttl;
    let owner = TokenOwner { user: Arc::new(user), expires_at };
    api.store.add_token(hash_secret(&token), &owner, now).await?;
    data(&json!({ "token": token }))
}
