//! Who may use the gateway: users with their unit and role, and how passwords, tokens and API keys are kept.
//!
//! Passwords are kept as Argon2id, tokens and keys as SHA-256 only; what is stored cannot be used to sign in.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::secret::Secret;

/// Characters of a name or password, at most.
const LONGEST: usize = 256;

/// What a user may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Role {
    /// show, list, inspector.
    Read,
    /// The documented methods.
    Provision,
    /// Everything.
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
    /// What the user may do.
    pub role: Role,
    /// The unit.
    pub unit: Unit,
}

/// An API key as it is listed: the key itself is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The user it signs in as.
    pub username: String,
}

/// Is it a name or password that can be given to the API: not empty, not too long, without control characters?
pub fn is_usable(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST && !text.chars().any(char::is_control)
}

/// The Argon2id hash of a password, as a PHC string.
pub fn hash_password(password: &Secret) -> String {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.expect("the default parameters are valid, and the random source works once the process has started")
        .to_string()
}

/// Does the password belong to the hash? Takes tens of milliseconds: not for an async thread.
pub fn password_matches(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

/// What is kept of a token or an API key (128 random bits need no salt).
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
