//! Reads and writes the parts of a request that is sent in several calls.

use std::sync::Arc;

use super::requests::{failure_to_json, read_failure};
use super::{ReadColumns, to_json};
use crate::request::{Envelope, Part, PartState, PartStatus, ProvisioningRequest, Rendered};
use crate::store::StoreError;
use crate::words::Word as _;

/// The columns that [`row_to_part`] reads.
pub(in crate::store) const PART_COLUMNS: &str =
    "number, part, cards, body, raw_body, state, attempts, reference_number, failure, leaves_doubt";

/// Reads the request's number, and a part of the request.
pub(in crate::store) fn row_to_part<C: ReadColumns>(row: &C) -> Result<(i64, Part, PartStatus), C::Error> {
    let envelope = Envelope { redacted: row.get("body")?, raw: row.optional("raw_body")? };
    let part = Part { cards: row.json("cards")?, envelope };
    let status = PartStatus {
        state: row.word("state", |word| word.parse::<PartState>().ok())?,
        attempts: row.get("attempts")?,
        reference_number: row.optional("reference_number")?,
        failure: read_failure(row, "failure")?,
        leaves_doubt: row.get("leaves_doubt")?,
        is_changed: false,
    };
    Ok((row.get("number")?, part, status))
}

/// Sets the parts of a record, in their order.
pub(in crate::store) fn set_parts(request: &mut ProvisioningRequest, parts: Vec<(Part, PartStatus)>) {
    let (parts, statuses) = parts.into_iter().unzip();
    Arc::make_mut(&mut request.content).rendered = Some(Rendered::Parts(parts));
    request.parts = Arc::new(statuses);
}

/// A part of a new request, as a row.
pub(in crate::store) struct NewPart<'r> {
    pub(in crate::store) part: i64,
    pub(in crate::store) cards: String,
    pub(in crate::store) body: &'r str,
    pub(in crate::store) raw_body: Option<&'r str>,
}

impl<'r> NewPart<'r> {
    /// All parts of a request.
    pub(in crate::store) fn all(parts: &'r [Part]) -> Result<Vec<Self>, StoreError> {
        let new = |(part, Part { cards, envelope }): (i64, &'r Part)| {
            let (body, raw_body) = (envelope.redacted.as_str(), envelope.raw.as_deref());
            Ok(Self { part, cards: to_json(cards)?, body, raw_body })
        };
        (1..).zip(parts).map(new).collect()
    }
}

/// The outcome of a part as a row.
pub(in crate::store) struct ChangedPart<'r> {
    pub(in crate::store) part: i64,
    pub(in crate::store) state: &'static str,
    pub(in crate::store) attempts: u32,
    pub(in crate::store) reference_number: Option<&'r str>,
    pub(in crate::store) failure: Option<String>,
    pub(in crate::store) leaves_doubt: bool,
}

impl<'r> ChangedPart<'r> {
    /// The parts of a request whose status differs from the stored status.
    pub(in crate::store) fn all(request: &'r ProvisioningRequest) -> Result<Vec<Self>, StoreError> {
        let changed = (1..).zip(request.parts.iter()).filter(|(_, status)| status.is_changed);
        let write = |(part, status): (i64, &'r PartStatus)| {
            Ok(Self {
                part,
                state: status.state.as_str(),
                attempts: status.attempts,
                reference_number: status.reference_number.as_deref(),
                failure: status.failure.as_ref().map(failure_to_json).transpose()?,
                leaves_doubt: status.leaves_doubt,
            })
        };
        changed.map(write).collect()
    }
}
