//! Reads and writes the rows of requests, their attempts and events.

use std::sync::Arc;

use super::accounts::{USER_COLUMNS, row_to_user};
use super::joint::{RESPONSE, read_joint_call};
use super::{ReadColumns, to_json};
use crate::request::{
    Attempt, Cas, Envelope, Event, Failure, InDoubt, Item, NewRequest, PartStatus, ProvisioningRequest, RecordId,
    Rendered, RequestType, STB_ID, Scalar, State, process,
};
use crate::store::policy::Cards;
use crate::store::{MostCards, SentAttempt, StoreError};

/// The columns that [`row_to_request`] reads, in the order of its reads; aliases: `r` the request, `u` its user, `a` its
/// last attempt, `j` its joint call.
pub(in crate::store) fn request_columns() -> String {
    format!(
        "r.attempts, r.ready_at, r.items, r.id, r.family, r.type, r.priority, r.process_immediately, r.scheduled_at, \
         r.subscription, r.cards, r.body, r.raw_body, r.api_call, r.rejection, r.correlation, r.created_at, {USER_COLUMNS}, r.number, \
         r.sequence_number, r.state, r.resolve_until, r.in_doubt, r.sent, r.executed_at, r.updated_at, \
         r.reference_number, r.result, r.failure, r.process_name, r.process_id, r.parts, r.joint_fields, r.joint_call, \
         j.id AS joint_id, j.numbers AS joint_numbers, j.body AS joint_body, a.part, \
         {RESPONSE} AS response"
    )
}

pub(in crate::store) fn row_to_request<C: ReadColumns>(row: &C) -> Result<ProvisioningRequest, C::Error> {
    let (attempts, ready_at) = (row.get("attempts")?, row.time("ready_at")?);
    let items: Vec<Item> = row
        .json::<Vec<(String, String, Option<Scalar>)>>("items")?
        .into_iter()
        .map(|(id, name, value)| Item { id, name, value })
        .collect();
    let content = NewRequest {
        id: row.word("id", RecordId::parse)?,
        family: row.word("family", |word| word.parse().ok())?,
        request_type: row.word("type", |word| word.parse::<RequestType>().ok())?,
        priority: row.word("priority", |word| word.parse().ok())?,
        process_immediately: row.optional("process_immediately")?,
        scheduled_at: row.time("scheduled_at")?,
        stbs: stbs_of(&items),
        items,
        subscription: row.optional("subscription")?,
        cards: row.json("cards")?,
        rendered: match row.optional("body")? {
            Some(redacted) => Some(Rendered::Whole(Envelope { redacted, raw: row.optional("raw_body")? })),
            None => None,
        },
        api_call: row.optional("api_call")?,
        joint_fields: row.optional_json("joint_fields")?,
        rejection: read_failure(row, "rejection")?,
        correlation: row.optional_json("correlation")?,
        created_at: row.time("created_at")?,
        created_by: Arc::new(row_to_user(row)?),
    };
    Ok(ProvisioningRequest {
        number: row.get("number")?,
        sequence_number: row.get("sequence_number")?,
        content: Arc::new(content),
        state: row.word("state", |word| word.parse().ok())?,
        next_attempt_at: (attempts > 0).then_some(ready_at),
        in_doubt: read_in_doubt(row)?,
        attempts,
        sent: row.get("sent")?,
        executed_at: row.optional_time("executed_at")?,
        updated_at: row.time("updated_at")?,
        reference_number: row.optional("reference_number")?,
        result: row.optional_json("result")?,
        failure: read_failure(row, "failure")?,
        process_name: row
            .word("process_name", |word| [process::RUN, process::MANUAL].into_iter().find(|p| *p == word))?,
        process_id: row.optional("process_id")?,
        // New statuses, one per part, until `set_parts` fills them in.
        parts: Arc::new(vec![PartStatus::NEW; row.get("parts")?]),
        last_part: row.optional("part")?,
        is_in_joint_call: row.optional::<String>("joint_call")?.is_some(),
        joint_call: read_joint_call(row)?,
        response: row.optional("response")?,
    })
}

/// The set-top boxes that the parameters name.
fn stbs_of(items: &[Item]) -> Vec<String> {
    let stbs = items.iter().filter(|item| item.name == STB_ID);
    stbs.filter_map(|item| if let Some(Scalar::Text(id)) = &item.value { Some(id.clone()) } else { None }).collect()
}

/// Reads the columns `resolve_until` and `in_doubt`.
fn read_in_doubt<C: ReadColumns>(row: &C) -> Result<Option<InDoubt>, C::Error> {
    let until = row.optional_time("resolve_until")?;
    row.optional_word("in_doubt", |word| match (word, until) {
        ("RESOLVING", Some(until)) => Some(InDoubt::Resolving { until }),
        ("NEEDS_OPERATOR", _) => Some(InDoubt::NeedsOperator),
        ("RETRY_ORDERED", _) => Some(InDoubt::RetryOrdered),
        ("EARLIER", _) => Some(InDoubt::Earlier),
        _ => None,
    })
}

/// The columns `in_doubt` and `resolve_until` of a request.
pub(in crate::store) struct InDoubtColumns {
    pub(in crate::store) in_doubt: Option<&'static str>,
    pub(in crate::store) resolve_until: Option<i64>,
}

impl InDoubtColumns {
    pub(in crate::store) fn of(in_doubt: Option<InDoubt>) -> Self {
        let (in_doubt, resolve_until) = match in_doubt {
            None => (None, None),
            Some(InDoubt::Resolving { until }) => (Some("RESOLVING"), Some(until.timestamp_millis())),
            Some(InDoubt::NeedsOperator) => (Some("NEEDS_OPERATOR"), None),
            Some(InDoubt::RetryOrdered) => (Some("RETRY_ORDERED"), None),
            Some(InDoubt::Earlier) => (Some("EARLIER"), None),
        };
        Self { in_doubt, resolve_until }
    }
}

pub(super) fn read_failure<C: ReadColumns>(row: &C, column: &str) -> Result<Option<Failure>, C::Error> {
    let parts = row.optional_json::<(String, Option<String>, Option<String>, Option<String>)>(column)?;
    Ok(parts.map(|(code, description, provider_code, provider_description)| Failure {
        code,
        description,
        provider_code,
        provider_description,
    }))
}

pub(in crate::store) fn failure_to_json(failure: &Failure) -> Result<String, StoreError> {
    let Failure { code, description, provider_code, provider_description } = failure;
    to_json(&(code, description, provider_code, provider_description))
}

/// The texts of a new request that are written as JSON.
pub(in crate::store) struct NewRow {
    pub(in crate::store) items: String,
    pub(in crate::store) cards: String,
    pub(in crate::store) rejection: Option<String>,
    pub(in crate::store) joint_fields: Option<String>,
    pub(in crate::store) joint_key: Option<[u8; 32]>,
}

impl NewRow {
    pub(in crate::store) fn of(request: &NewRequest) -> Result<Self, StoreError> {
        let items: Vec<_> = request.items.iter().map(|i| (&i.id, &i.name, &i.value)).collect();
        let (items, cards) = (to_json(&items)?, to_json(&request.cards)?);
        let rejection = request.rejection.as_ref().map(failure_to_json).transpose()?;
        let joint_fields = request.joint_fields.as_ref().map(to_json).transpose()?;
        Ok(Self { items, cards, rejection, joint_fields, joint_key: request.joint_key() })
    }
}

/// The request with its body, rendered now that its sequence number is known, or with the reason why rendering failed.
pub(in crate::store) fn rendered_request(new: &NewRequest, rendered: Result<Rendered, Failure>) -> NewRequest {
    let (rendered, rejection) = match rendered {
        Ok(rendered) => (Some(rendered), None),
        Err(failure) => (None, Some(failure)),
    };
    NewRequest { rendered, rejection, ..new.clone() }
}

/// The record of a new request.
pub(in crate::store) fn accepted_record(
    number: i64,
    sequence_number: i64,
    content: Arc<NewRequest>,
) -> ProvisioningRequest {
    ProvisioningRequest {
        number,
        sequence_number,
        state: State::Pending,
        executed_at: None,
        updated_at: content.created_at,
        parts: Arc::new(vec![PartStatus::NEW; content.parts().len()]),
        last_part: None,
        joint_call: None,
        is_in_joint_call: false,
        content,
        attempts: 0,
        next_attempt_at: None,
        in_doubt: None,
        sent: false,
        response: None,
        reference_number: None,
        result: None,
        failure: None,
        process_name: process::MANUAL,
        process_id: None,
    }
}

/// A request that may be leased.
pub(in crate::store) struct Candidate {
    pub(in crate::store) number: i64,
    pub(in crate::store) cas: Cas,
    pub(in crate::store) cards: Vec<String>,
    pub(in crate::store) in_doubt: Option<InDoubt>,
    request_type: RequestType,
    /// The key that all requests share that may be sent in one call with this request.
    pub(in crate::store) joint_key: Option<Vec<u8>>,
}

/// The columns that [`row_to_candidate`] reads.
pub(in crate::store) const CANDIDATE_COLUMNS: &str = "number, cas, type, cards, resolve_until, in_doubt, joint_key";

impl Candidate {
    /// The number of further cards that the request's call may take.
    pub(in crate::store) fn room(&self, most_cards: &MostCards) -> usize {
        let most = most_cards.get(&self.request_type).filter(|_| self.joint_key.is_some() && self.in_doubt.is_none());
        most.map_or(0, |most| most.saturating_sub(self.cards.len()))
    }

    pub(in crate::store) fn cards(&self) -> Cards<'_> {
        Cards { cas: self.cas, ca_ids: &self.cards }
    }
}

pub(in crate::store) fn row_to_candidate<C: ReadColumns>(row: &C) -> Result<Candidate, C::Error> {
    Ok(Candidate {
        number: row.get("number")?,
        cas: row.word("cas", |text| text.parse().ok())?,
        cards: row.json("cards")?,
        in_doubt: read_in_doubt(row)?,
        request_type: row.word("type", |word| word.parse().ok())?,
        joint_key: row.bytes("joint_key")?.map(<[u8]>::to_vec),
    })
}

/// The columns that [`row_to_attempt`] reads, for the aliases `a` of an attempt and `j` of its joint call.
pub(in crate::store) fn attempt_columns() -> String {
    format!(
        "a.attempt, a.part, a.started_at, a.duration_ms, a.timings, a.sent, a.http_status, a.error, {RESPONSE} AS response, \
         a.content_type, j.id AS joint_id, j.numbers AS joint_numbers, j.body AS joint_body"
    )
}

pub(in crate::store) fn row_to_attempt<C: ReadColumns>(row: &C) -> Result<Attempt, C::Error> {
    Ok(Attempt {
        attempt: row.get("attempt")?,
        part: row.optional("part")?,
        started_at: row.time("started_at")?,
        duration_ms: row.get("duration_ms")?,
        timings: row.optional_json("timings")?,
        sent: row.get("sent")?,
        http_status: row.optional("http_status")?,
        error: row.optional("error")?,
        response: row.optional("response")?,
        content_type: row.optional("content_type")?,
        joint_call: read_joint_call(row)?,
    })
}

/// The columns that [`row_to_event`] reads.
pub(in crate::store) const EVENT_COLUMNS: &str =
    "at, kind, \"user\", text, duration_ms, http_status, request, response";

pub(in crate::store) fn row_to_event<C: ReadColumns>(row: &C) -> Result<Event, C::Error> {
    Ok(Event {
        at: row.time("at")?,
        kind: row.word("kind", |word| word.parse().ok())?,
        user: row.optional("user")?,
        text: row.optional("text")?,
        duration_ms: row.optional("duration_ms")?,
        http_status: row.optional("http_status")?,
        request: row.optional("request")?,
        response: row.optional("response")?,
    })
}

/// The columns that [`row_to_sent_attempt`] reads, for the aliases `r` of a request and `a` of an attempt.
pub(in crate::store) const SENT_ATTEMPT_COLUMNS: &str =
    "r.id, r.number, r.type, r.cards, r.state, a.attempt, a.started_at, a.duration_ms, a.http_status, a.error";

pub(in crate::store) fn row_to_sent_attempt<C: ReadColumns>(row: &C) -> Result<SentAttempt, C::Error> {
    Ok(SentAttempt {
        id: row.word("id", RecordId::parse)?,
        number: row.get("number")?,
        request_type: row.word("type", |word| word.parse::<RequestType>().ok())?,
        cards: row.json("cards")?,
        state: row.word("state", |word| word.parse().ok())?,
        attempt: row.get("attempt")?,
        started_at: row.time("started_at")?,
        duration_ms: row.get("duration_ms")?,
        http_status: row.optional("http_status")?,
        error: row.optional("error")?,
    })
}
