//! The user of a call. Sessions are cached by token for a few seconds, so that a token released or a user removed from
//! the command line soon ends in a running gateway too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::error::{ApiError, Code};
use crate::account::{Role, User, hash_secret};
use crate::clock::{Clock, Moment};
use crate::secret::Secret;
use crate::store::{AccountStore, TokenOwner};
use crate::words::Word as _;

/// How long a cached token is valid without asking the store.
const BELIEVED: Duration = Duration::from_secs(2);
/// The number of cached tokens; if more are used within [`BELIEVED`], the cache is emptied.
const CACHED: usize = 10_000;

/// The caller of a method.
#[derive(Clone, Debug)]
pub struct Session {
    /// The user who owns the token.
    pub user: Arc<User>,
}

impl Session {
    /// Makes sure that the user's role is at least this one.
    ///
    /// # Errors
    /// FORBIDDEN.
    pub fn require(&self, role: Role) -> Result<(), ApiError> {
        if self.user.role >= role {
            return Ok(());
        }
        let message = format!("The role of this user is {}; this needs {}.", self.user.role.as_str(), role.as_str());
        Err(ApiError::new(Code::Forbidden, message))
    }
}

struct Cached {
    user: Arc<User>,
    expires_at: DateTime<Utc>,
    /// By the monotonic clock, so that setting the date does not prolong a token that was ended elsewhere.
    believed_until: Instant,
}

/// Sessions by token.
pub struct Sessions {
    store: Arc<dyn AccountStore>,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    tokens: HashMap<[u8; 32], Cached>,
    /// Time of the last removal of outdated sessions.
    swept_at: Option<Instant>,
}

impl Cache {
    fn insert(&mut self, hash: [u8; 32], cached: Cached, now: Instant) {
        if self.swept_at.is_none_or(|at| now.saturating_duration_since(at) >= BELIEVED) {
            self.tokens.retain(|_, cached| cached.believed_until > now);
            self.tokens.shrink_to(2 * self.tokens.len());
            self.swept_at = Some(now);
        }
        if self.tokens.len() >= CACHED {
            self.tokens.clear();
        }
        self.tokens.insert(hash, cached);
    }
}

impl Sessions {
    /// A cache over the tokens of the store.
    pub fn new(store: Arc<dyn AccountStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, cache: Mutex::default() }
    }

    /// The session of a token.
    ///
    /// # Errors
    /// INVALID_TOKEN if the token is unknown, expired or released.
    pub async fn find(&self, token: &Secret) -> Result<Session, ApiError> {
        let hash = hash_secret(token.expose());
        let Moment { date: now, steady } = self.clock.moment();
        let known = {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let known = cache.tokens.get(&hash).filter(|c| c.believed_until > steady && c.expires_at > now);
            known.map(|c| Arc::clone(&c.user))
        };
        if let Some(user) = known {
            return Ok(Session { user });
        }
        match self.store.find_token_owner(hash).await? {
            Some(TokenOwner { user, expires_at }) if expires_at > now => {
                let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
                let cached = Cached { user: Arc::clone(&user), expires_at, believed_until: steady + BELIEVED };
                cache.insert(hash, cached, steady);
                Ok(Session { user })
            }
            _ => {
                self.forget(&hash);
                Err(ApiError::new(Code::InvalidToken, "The token is unknown, expired or released."))
            }
        }
    }

    /// Ends a token at once.
    pub(super) fn forget(&self, hash: &[u8; 32]) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).tokens.remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::account::Unit;
    use crate::clock::ManualClock;
    use crate::config::{Inputs, load};
    use crate::observer::Observers;
    use crate::store::{self, Access};

    #[tokio::test]
    async fn a_token_ends_at_its_time_and_soon_after_it_is_gone_from_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = load(&Inputs::default()).into_config().unwrap();
        config.store.data_dir = folder.path().to_owned();
        let store: Arc<dyn AccountStore> =
            store::open(&config.store, Access::Gateway(Observers::default())).await.unwrap();
        let clock = Arc::new(ManualClock::new(Utc::now()));
        let (id, username) = ("1".to_owned(), "u".to_owned());
        let user = User { id, username, person_name: None, email: None, role: Role::Read, unit: Unit::default() };
        store.add_user(user.clone(), String::new()).await.unwrap();
        let owner = TokenOwner { user: Arc::new(user), expires_at: clock.now() + TimeDelta::hours(2) };
        for token in ["a", "b"] {
            store.add_token(hash_secret(token), &owner, clock.now()).await.unwrap();
        }
        let sessions = Sessions::new(Arc::clone(&store), Arc::<ManualClock>::clone(&clock));
        assert!(sessions.find(&Secret::new("a")).await.is_ok() && sessions.find(&Secret::new("b")).await.is_ok());
        assert_eq!(sessions.find(&Secret::new("c")).await.unwrap_err().code, Code::InvalidToken);
        store.remove_token(hash_secret("b")).await.unwrap();
        clock.set(clock.now() - TimeDelta::hours(1));
        clock.advance(BELIEVED);
        assert_eq!(sessions.find(&Secret::new("b")).await.unwrap_err().code, Code::InvalidToken);
        clock.set(owner.expires_at - TimeDelta::milliseconds(1));
        assert!(sessions.find(&Secret::new("a")).await.is_ok());
        assert_eq!(sessions.cache.lock().unwrap().tokens.len(), 1, "what is not believed any more is not kept");
        clock.advance(Duration::from_millis(1));
        assert_eq!(sessions.find(&Secret::new("a")).await.unwrap_err().code, Code::InvalidToken);
    }
}
