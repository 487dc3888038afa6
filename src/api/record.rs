//! The record as JSON: always every key of CRM.COM's documents, in their order, and then `delivery`, the gateway's own key.

use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Dates;
use crate::account::{Unit, User};
use crate::request::{InDoubt, Item, Part, PartState, PartStatus, ProvisioningRequest, State};
use crate::words::Word as _;

/// A record, ready to be written as JSON.
#[derive(serde::Serialize)]
pub struct Record<'r> {
    id: &'r str,
    number: String,
    #[serde(rename = "type")]
    request_type: &'static str,
    name: Option<&'r str>,
    life_cycle_state: &'static str,
    priority: &'static str,
    process_immediately: Option<u8>,
    scheduled_date: String,
    executed_date: Option<String>,
    sequence_number: i64,
    request: Option<&'r str>,
    response: Option<&'r str>,
    reference_number: Option<&'r str>,
    error_code: Option<&'r str>,
    error_description: Option<&'r str>,
    provider_error_code: Option<&'r str>,
    provider_error_description: Option<&'r str>,
    process_name: &'static str,
    process_id: Option<&'r str>,
    parameters_set: Items<'r>,
    log_information: LogInformation<'r>,
    delivery: Delivery<'r>,
}

/// Every top-level key, in order.
pub const KEYS: [&str; 22] = [
    "id",
    "number",
    "type",
    "name",
    "life_cycle_state",
    "priority",
    "process_immediately",
    "scheduled_date",
    "executed_date",
    "sequence_number",
    "request",
    "response",
    "reference_number",
    "error_code",
    "error_description",
    "provider_error_code",
    "provider_error_description",
    "process_name",
    "process_id",
    "parameters_set",
    "log_information",
    "delivery",
];

/// A JSON object for each item: the parameter's name and value, and the item's own id.
struct Items<'r>(&'r [Item]);

/// Users and dates of the record. The updating user is the creating user, for whom the gateway works.
#[derive(serde::Serialize)]
struct LogInformation<'r> {
    created_date: String,
    updated_date: String,
    created_by_unit: &'r Unit,
    updated_by_unit: &'r Unit,
    created_by_business_unit: BusinessUnit<'r>,
    updated_by_business_unit: BusinessUnit<'r>,
    created_by_user: Person<'r>,
    updated_by_user: Person<'r>,
}

/// The unit in CRM.COM's form since R18.
#[derive(Clone, Copy, serde::Serialize)]
struct BusinessUnit<'r> {
    id: &'r str,
    name: &'r str,
    code: Option<&'r str>,
    unified_code: Option<&'r str>,
    description: Option<&'r str>,
    parent_business_unit_name: Option<&'r str>,
}

#[derive(Clone, Copy, serde::Serialize)]
struct Person<'r> {
    id: &'r str,
    username: &'r str,
    person_name: Option<&'r str>,
    email: Option<&'r str>,
}

#[derive(serde::Serialize)]
struct Delivery<'r> {
    /// `waiting` (for its turn), `retrying`, `resolving` (in doubt), `needs_operator`, or `ended`.
    state: &'static str,
    attempts: u32,
    next_attempt_date: Option<String>,
    /// An attempt was sent without a valid answer, and may have worked; stays true if Conax then rejected a resend.
    in_doubt: bool,
    result: Option<&'r RawValue>,
    /// The number of records in the last call, if there were several.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_together: Option<usize>,
    /// The parts of the request, if it is sent in several calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartJson<'r>>,
}

/// One of several calls of a request.
#[derive(serde::Serialize)]
struct PartJson<'r> {
    part: u32,
    life_cycle_state: &'static str,
    in_doubt: bool,
    attempts: u32,
    reference_number: Option<&'r str>,
    error_code: Option<&'r str>,
    error_description: Option<&'r str>,
    provider_error_code: Option<&'r str>,
    provider_error_description: Option<&'r str>,
    smartcards: &'r [String],
}

impl<'r> PartJson<'r> {
    fn all(request: &'r ProvisioningRequest) -> Vec<Self> {
        let current = request.current_part_number().filter(|_| request.in_doubt.is_some());
        let parts = (1..).zip(request.parts.iter()).zip(request.content.parts());
        parts.map(|((part, status), content)| Self::new(part, status, content, current == Some(part))).collect()
    }

    fn new(part: u32, status: &'r PartStatus, content: &'r Part, is_resolved: bool) -> Self {
        let state = match status.state {
            PartState::Pending | PartState::InDoubt => State::Pending,
            PartState::Completed => State::Completed,
            PartState::Rejected => State::Rejected,
        };
        let failure = status.failure.as_ref();
        Self {
            part,
            life_cycle_state: state.as_str(),
            in_doubt: is_resolved || status.leaves_doubt || status.state == PartState::InDoubt,
            attempts: status.attempts,
            reference_number: status.reference_number.as_deref(),
            error_code: failure.map(|f| f.code.as_str()),
            error_description: failure.and_then(|f| f.description.as_deref()),
            provider_error_code: failure.and_then(|f| f.provider_code.as_deref()),
            provider_error_description: failure.and_then(|f| f.provider_description.as_deref()),
            smartcards: &content.cards,
        }
    }
}

impl<'r> Record<'r> {
    /// The record of a request.
    pub fn new(request: &'r ProvisioningRequest, dates: Dates) -> Self {
        let content = &request.content;
        let failure = request.failure.as_ref();
        let date = |moment: Option<DateTime<Utc>>| moment.map(|m| dates.print(m));
        let is_waiting = request.state == State::Pending && request.in_doubt != Some(InDoubt::NeedsOperator);
        Self {
            id: content.id.as_str(),
            number: request.number.to_string(),
            request_type: content.request_type.as_str(),
            name: None,
            life_cycle_state: request.state.as_str(),
            priority: content.priority.as_str(),
            process_immediately: content.process_immediately.map(u8::from),
            scheduled_date: dates.print(content.scheduled_at),
            executed_date: date(request.executed_at),
            sequence_number: request.sequence_number,
            request: request.last_text().filter(|_| request.sent),
            response: request.response.as_deref(),
            reference_number: request.reference_number.as_deref(),
            error_code: failure.map(|f| f.code.as_str()),
            error_description: failure.and_then(|f| f.description.as_deref()),
            provider_error_code: failure.and_then(|f| f.provider_code.as_deref()),
            provider_error_description: failure.and_then(|f| f.provider_description.as_deref()),
            process_name: request.process_name,
            process_id: request.process_id.as_deref(),
            parameters_set: Items(&content.items),
            log_information: LogInformation::new(request, dates),
            delivery: Delivery {
                state: match request.state {
                    State::Completed | State::Rejected => "ended",
                    State::Pending => match request.in_doubt {
                        Some(InDoubt::NeedsOperator) => "needs_operator",
                        Some(InDoubt::Resolving { .. }) => "resolving",
                        Some(InDoubt::RetryOrdered | InDoubt::Earlier) => "retrying",
                        None if request.current_attempts() > 0 => "retrying",
                        None => "waiting",
                    },
                },
                attempts: request.attempts,
                next_attempt_date: date(request.next_attempt_at.filter(|_| is_waiting)),
                in_doubt: request.has_doubt(),
                result: request.result.as_deref(),
                sent_together: request.joint_call.as_ref().map(|call| call.numbers.len()),
                parts: PartJson::all(request),
            },
        }
    }
}

impl Record<'_> {
    /// The value of `delivery.state`.
    pub fn delivery_state(&self) -> &'static str {
        self.delivery.state
    }

    /// The record in the envelope of a successful answer.
    pub fn to_reply(&self) -> Value {
        json!({"status": {"code": "OK", "message": "", "description": ""}, "data": self})
    }
}

impl<'r> LogInformation<'r> {
    fn new(request: &'r ProvisioningRequest, dates: Dates) -> Self {
        let user: &User = &request.content.created_by;
        let unit = &user.unit;
        let business_unit = BusinessUnit {
            id: &unit.id,
            name: &unit.name,
            code: unit.alternative_code.as_deref(),
            unified_code: None,
            description: unit.description.as_deref(),
            parent_business_unit_name: None,
        };
        let person = Person {
            id: &user.id,
            username: &user.username,
            person_name: user.person_name.as_deref(),
            email: user.email.as_deref(),
        };
        Self {
            created_date: dates.print(request.content.created_at),
            updated_date: dates.print(request.updated_at),
            created_by_unit: unit,
            updated_by_unit: unit,
            created_by_business_unit: business_unit,
            updated_by_business_unit: business_unit,
            created_by_user: person,
            updated_by_user: person,
        }
    }
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            items.serialize_element(&ItemJson(item))?;
        }
        items.end()
    }
}

struct ItemJson<'r>(&'r Item);

impl Serialize for ItemJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("id", &self.0.id)?;
        map.serialize_entry(&self.0.name, &self.0.value)?;
        map.end()
    }
}
