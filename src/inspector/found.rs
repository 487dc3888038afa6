//! Finds a request by its id or number, or an exchange that was passed through by its id.

use crate::api::{Api, ApiError, Code};
use crate::exchange::Exchange;
use crate::request::ProvisioningRequest;
use crate::store::{RecordKey, Store, StoreError};

/// A request or an exchange.
pub enum Found {
    /// A provisioning request.
    Request(Box<ProvisioningRequest>),
    /// An exchange that was passed through.
    Exchange(Box<Exchange>),
}

impl Found {
    /// Finds a request or exchange by its id, or a request by its number.
    ///
    /// # Errors
    /// The store.
    pub async fn find(store: &dyn Store, id: &str) -> Result<Option<Self>, StoreError> {
        let Some(key) = RecordKey::parse(id) else { return Ok(None) };
        if let RecordKey::Id(id) = &key
            && let Some(exchange) = store.find_exchange(id).await?
        {
            return Ok(Some(Self::Exchange(Box::new(exchange))));
        }
        let request = store.find_request(None, key).await?;
        Ok(request.map(|request| Self::Request(Box::new(request))))
    }
}

/// Finds a request or exchange by its id, or a request by its number.
///
/// # Errors
/// NOT_FOUND, or the store.
pub async fn find(api: &Api, id: &str) -> Result<Found, ApiError> {
    let missing = || ApiError::new(Code::NotFound, "There is no such request or exchange; it may have been deleted.");
    Found::find(api.store.as_ref(), id).await?.ok_or_else(missing)
}
