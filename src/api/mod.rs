//! The CRM.COM API: parameters and results of the methods, free of HTTP.
//!
//! Each method is a `call(api, session, …, params) -> Result<Data, ApiError>`: `show`, `list`, and `create` for all
//! creating methods, whose parameters `draft` reads by the table of request types. The other files are shared by the
//! methods: parameters with the JSON path of every fault, identifiers, dates, fields_set, the record as JSON.

pub mod authentication;
pub mod create;
pub mod list;
pub mod render;
pub mod resubmit;
pub mod show;

mod date;
mod device;
mod draft;
mod error;
mod fields_set;
mod guesses;
mod history;
mod identifier;
mod json;
mod params;
mod query;
mod rate;
mod record;
mod session;
mod sign_in;
mod subscription;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::account::hash_password;
use crate::clock::Clock;
use crate::config::Config;
use crate::processor::Processors;
use crate::provider::Providers;
use crate::request::random_hex;
use crate::secret::Secret;
use crate::store::Store;
use sign_in::SignIns;

pub use date::Dates;
pub use error::{ApiError, Code};
pub use history::RecordWithHistory;
pub use json::parse_object;
pub use params::Params;
pub use query::query_object;
pub use rate::Rates;
pub use record::{KEYS as RECORD_KEYS, Record};
pub use session::{Session, Sessions};

/// The API: everything that its methods use.
pub struct Api {
    /// The store of records, accounts and catalogue.
    pub store: Arc<dyn Store>,
    /// The providers, with their SOAP contracts.
    pub providers: Providers,
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// The processors, which send requests.
    pub processors: Arc<Processors>,
    /// Sessions by token.
    pub sessions: Sessions,
    /// Limit on the calls of each user.
    pub rates: Rates,
    /// Format of dates.
    pub dates: Dates,
    /// Entries that the catalogue does not have are refused.
    is_catalogue_strict: AtomicBool,
    /// Most cards or boxes in one set.
    max_set_items: usize,
    /// Period for which a token is valid.
    pub token_ttl: Duration,
    /// Limit on attempts to sign in.
    sign_ins: SignIns,
    /// Hash that no password has; unknown user names are checked against it.
    unknown_user_hash: String,
}

impl Api {
    /// The API over a store; requests go to the providers.
    pub fn new(config: &Config, store: Arc<dyn Store>, providers: Providers, clock: Arc<dyn Clock>) -> Self {
        let processors = Arc::new(Processors::new(config, &providers, store.clone(), Arc::clone(&clock)));
        Self {
            sessions: Sessions::new(store.clone(), Arc::clone(&clock)),
            rates: Rates::new(config.server.user_requests_per_s),
            dates: Dates(config.server.time_zone),
            is_catalogue_strict: AtomicBool::new(config.catalogue.strict),
            max_set_items: config.server.max_set_items,
            token_ttl: config.auth.token_ttl_s,
            sign_ins: SignIns::default(),
            unknown_user_hash: hash_password(&Secret::new(random_hex())),
            store,
            providers,
            clock,
            processors,
        }
    }
}

impl Api {
    /// Shares the counts of the users' limits with the other nodes, for ever.
    pub async fn share_limits(&self) -> Infallible {
        loop {
            tokio::time::sleep(rate::SHARE_INTERVAL).await;
            if self.rates.has_limit()
                && let Err(error) = self.rates.share(self.store.as_ref()).await
            {
                tracing::debug!(%error, "the other nodes were not told what users took");
            }
        }
    }

    /// Are entries refused that the catalogue does not have?
    fn is_catalogue_strict(&self) -> bool {
        self.is_catalogue_strict.load(Ordering::Relaxed)
    }

    /// Sets, from now on, whether unknown entries are refused.
    pub fn set_catalogue_strict(&self, is_strict: bool) {
        self.is_catalogue_strict.store(is_strict, Ordering::Relaxed);
    }
}

/// The result of a method: the `data` of the envelope, written as JSON already.
pub type Data = Box<serde_json::value::RawValue>;

/// The answer to a call.
pub struct Answer {
    /// The result.
    pub data: Data,
    /// The number of the record that the call created, or that an earlier call with the same key created.
    pub number: Option<i64>,
    /// Did an earlier call with the same Idempotency-Key create the record?
    pub is_repeat: bool,
}

impl From<Data> for Answer {
    fn from(data: Data) -> Self {
        Self { data, number: None, is_repeat: false }
    }
}

/// Writes the result of a method.
fn data(value: &impl serde::Serialize) -> Result<Data, ApiError> {
    serde_json::value::to_raw_value(value).map_err(|e| ApiError::internal(format!("data cannot be written: {e}")))
}
