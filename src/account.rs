//! The users of the gateway, with unit and role, and the stored form of passwords, tokens and API keys.
//!
//! Only hashes are stored, Argon2id of passwords and SHA-256 of tokens and keys: nobody can sign in with what is
//! stored.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::secret::Secret;

/// Most characters of a name or password.
const LONGEST: usize = 256;
/// Characters of a password, at least.
pub const SHORTEST_PASSWORD: usize = 8;

/// The rights of a user.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Role {
    /// May call show and list, and read the inspector.
    Read,
    /// May call every documented method.
    Provision,
    /// May do everything.
    Operate,
}

/// The unit that a user works for (CRM.COM's unit object).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Name of its group.
    pub group_name: Option<String>,
    /// Name of its community.
    pub community_name: Option<String>,
    /// Alternative code.
    pub alternative_code: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// A user, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: String,
    /// Name to sign in with.
    pub username: String,
    /// Full name.
    pub person_name: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Rights of the user.
    pub role: Role,
    /// The unit.
    pub unit: Unit,
}

/// An API key in a list; the key itself is shown only once, at its creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Id.
    pub id: String,
    /// Purpose of the key.
    pub name: String,
    /// The user that the key signs in as.
    pub username: String,
}

/// Can a text be a name or password? Such a text is not empty, not too long, and has no control characters.
pub fn is_usable(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST && !text.chars().any(char::is_control)
}

/// Is it long enough for a password that is set now?
pub fn is_long_enough(password: &str) -> bool {
    password.chars().count() >= SHORTEST_PASSWORD
}

/// The Argon2id hash of a password, as a PHC string.
pub fn hash_password(password: &Secret) -> String {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.expect("the default parameters are valid, and the random source works once the process has started")
        .to_string()
}

/// Compares a password with a hash. The comparison takes tens of milliseconds, so not for an async thread.
pub fn password_matches(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

/// The stored form of a token or API key; their 128 random bits need no salt.
pub fn hash_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_verify_and_their_hashes_differ() {
        let hash = hash_password(&Secret::new("secret"));
        assert!(hash.starts_with("$argon2id$"));
        assert!(password_matches(&Secret::new("secret"), &hash));
        assert!(!password_matches(&Secret::new("Secret"), &hash));
        assert_ne!(hash, hash_password(&Secret::new("secret")));
    }
}
