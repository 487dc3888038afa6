//! Users, tokens, API keys and entries of the catalogue.

use std::sync::Arc;

use super::ReadColumns;
use crate::account::{ApiKey, User};
use crate::catalogue::Entry;
use crate::store::TokenOwner;

/// The columns that [`row_to_user`] reads, for a table alias `u`.
pub(in crate::store) const USER_COLUMNS: &str = "u.id AS user_id, u.username, u.person_name, u.email, u.role, u.unit";

pub(in crate::store) fn row_to_user<C: ReadColumns>(row: &C) -> Result<User, C::Error> {
    Ok(User {
        id: row.get("user_id")?,
        username: row.get("username")?,
        person_name: row.optional("person_name")?,
        email: row.optional("email")?,
        role: row.word("role", |word| word.parse().ok())?,
        unit: row.json("unit")?,
    })
}

/// Reads [`USER_COLUMNS`] and `expires_at`.
pub(in crate::store) fn row_to_token_owner<C: ReadColumns>(row: &C) -> Result<TokenOwner, C::Error> {
    Ok(TokenOwner { user: Arc::new(row_to_user(row)?), expires_at: row.time("expires_at")? })
}

pub(in crate::store) fn row_to_key<C: ReadColumns>(row: &C) -> Result<ApiKey, C::Error> {
    Ok(ApiKey { id: row.get("id")?, name: row.get("name")?, username: row.get("username")? })
}

/// The columns that [`row_to_entry`] reads.
pub(in crate::store) const ENTRY_COLUMNS: &str = "id, name, alternative_code, ca_id, distribution_id";

pub(in crate::store) fn row_to_entry<C: ReadColumns>(row: &C) -> Result<Entry, C::Error> {
    Ok(Entry {
        id: row.get("id")?,
        name: row.get("name")?,
        alternative_code: row.optional("alternative_code")?,
        ca_id: row.optional("ca_id")?,
        distribution_id: row.optional("distribution_id")?,
    })
}
