//! `POST authentication/…`: a token for a password, a token for an API key, and the end of a token.

use std::sync::Arc;

use serde_json::json;

use super::error::{ApiError, Code};
use super::{Api, Data, Params, data};
use crate::account::{User, hash_secret, password_matches};
use crate::peer::Peer;
use crate::request::random_hex;
use crate::secret::Secret;
use crate::store::TokenOwner;

/// `authentication/token`: user name, password and organisation (any; the gateway serves one) give a token.
///
/// # Errors
/// A parameter, INVALID_CREDENTIALS, TOO_MANY_REQUESTS, or the store.
pub async fn token(api: &Api, peer: Peer, mut params: Params) -> Result<Data, ApiError> {
    let username = params.mandatory_text("username")?;
    let password = Secret::new(params.mandatory_text("password")?);
    params.mandatory_text("organisation")?;
    let unit = params.text("unit")?;
    params.finish()?;
    let user = check_password(api, peer, username, password).await?;
    check_unit(&user, unit)?;
    data(&json!({ "token": issue_token(api, user).await?.expose() }))
}

/// Finds the user with this name and password; repeated failures have to pause.
///
/// # Errors
/// INVALID_CREDENTIALS, TOO_MANY_REQUESTS, or the store.
pub async fn check_password(api: &Api, peer: Peer, username: String, password: Secret) -> Result<User, ApiError> {
    let attempt = api.sign_ins.begin(api.store.as_ref(), &username, peer, api.clock.moment().steady).await?;
    let turn = api.sign_ins.turn(&attempt).await?;
    let found = api.store.find_user(&username).await?;
    // The check takes the same time for an unknown name and for a wrong password.
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        None => (None, api.unknown_user_hash.clone()),
    };
    // The check runs on if the client disconnects: the attempt keeps its slot, and counts.
    let (clock, store) = (Arc::clone(&api.clock), Arc::clone(&api.store));
    let user = tokio::spawn(async move {
        let matches = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            password_matches(&password, &hash)
        });
        let matches = matches.await?;
        let user = user.filter(|_| matches);
        attempt.end(user.is_some(), clock.moment().steady).tell(store.as_ref()).await;
        Ok::<_, tokio::task::JoinError>(user)
    });
    match user.await.flatten().map_err(|e| ApiError::internal(e.to_string()))? {
        Some(user) => Ok(user),
        None => Err(ApiError::new(Code::InvalidCredentials, "User name or password is wrong.")),
    }
}

/// `authentication/web_api_key/token`: an API key, given as HTTP Basic user name with an empty password.
///
/// # Errors
/// A parameter, INVALID_CREDENTIALS, TOO_MANY_REQUESTS, or the store.
pub async fn web_api_key(api: &Api, peer: Peer, key: Option<Secret>, mut params: Params) -> Result<Data, ApiError> {
    let unit = params.text("unit")?;
    params.finish()?;
    let key = key.ok_or_else(|| {
        let message = "The API key must be the user name of HTTP Basic, with an empty password.";
        ApiError::new(Code::InvalidCredentials, message)
    })?;
    let attempt = api.sign_ins.begin(api.store.as_ref(), key.expose(), peer, api.clock.moment().steady).await?;
    let user = api.store.find_key_user(hash_secret(key.expose())).await?;
    let ended = attempt.end(user.is_some(), api.clock.moment().steady);
    // Runs in its own task, so that the end of the attempt is counted even if the client disconnects.
    let store = Arc::clone(&api.store);
    let told = tokio::spawn(async move { ended.tell(store.as_ref()).await });
    told.await.map_err(|e| ApiError::internal(e.to_string()))?;
    match user {
        Some(user) => {
            check_unit(&user, unit)?;
            data(&json!({ "token": issue_token(api, user).await?.expose() }))
        }
        None => Err(ApiError::new(Code::InvalidCredentials, "The API key is unknown.")),
    }
}

/// `authentication/token/release`: ends a valid token.
///
/// # Errors
/// INVALID_TOKEN, or the store.
pub async fn release(api: &Api, token: &Secret, params: Params) -> Result<Data, ApiError> {
    params.finish()?;
    api.sessions.find(token).await?;
    let hash = hash_secret(token.expose());
    api.store.remove_token(hash).await?;
    api.sessions.forget(&hash);
    data(&json!({}))
}

fn check_unit(user: &User, unit: Option<String>) -> Result<(), ApiError> {
    if unit.is_some_and(|unit| unit != user.unit.id && unit != user.unit.name) {
        return Err(ApiError::invalid("$.unit", "The user does not belong to this unit."));
    }
    Ok(())
}

/// A new token of a user.
///
/// # Errors
/// The store.
pub async fn issue_token(api: &Api, user: User) -> Result<Secret, ApiError> {
    let token = Secret::new(random_hex());
    let now = api.clock.now();
    let owner = TokenOwner { user: Arc::new(user), expires_at: now + api.token_ttl };
    api.store.add_token(hash_secret(token.expose()), &owner, now).await?;
    Ok(token)
}
