//! The record as JSON: every key of the documents, always, in their order; then `delivery`, which is ours.

use serde_json::{Map, Value, json};

use super::Dates;
use crate::account::User;
use crate::request::{Item, ProvisioningRequest, State};

/// Every top-level key, in order.
pub(super) const KEYS: [&str; 22] = [
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

/// The whole record.
pub fn to_json(request: &ProvisioningRequest, dates: Dates) -> Value {
    let asked = &request.asked;
    let failure = request.failure.as_ref();
    let date = |moment: Option<_>| Value::from(moment.map(|m| dates.print(m)));
    let values: [Value; KEYS.len()] = [
        asked.id.as_str().into(),
        request.number.to_string().into(),
        asked.kind.as_str().into(),
        Value::Null,
        request.state.as_str().into(),
        asked.priority.as_str().into(),
        asked.process_immediately.map(u8::from).into(),
        date(Some(asked.scheduled_at)),
        date(request.executed_at),
        request.sequence_number.into(),
        asked.body.clone().filter(|_| request.sent).into(),
        request.response.clone().into(),
        request.reference_number.clone().into(),
        failure.map(|f| f.code.clone()).into(),
        failure.and_then(|f| f.description.clone()).into(),
        failure.and_then(|f| f.provider_code.clone()).into(),
        failure.and_then(|f| f.provider_description.clone()).into(),
        request.process_name.into(),
        request.process_id.clone().into(),
        asked.items.iter().map(item).collect(),
        log_information(request, dates),
        json!({
            "state": delivery_state(request),
            "attempts": request.attempts,
            "next_attempt_date": date(request.next_attempt_at.filter(|_| request.state == State::Pending)),
            "uncertain": request.uncertain,
            "result": null,
        }),
    ];
    Value::Object(KEYS.iter().map(|k| (*k).to_owned()).zip(values).collect())
}

fn item(item: &Item) -> Value {
    Value::Object(Map::from_iter([
        ("id".to_owned(), item.id.as_str().into()),
        (item.name.clone(), item.value.clone().into()),
    ]))
}

/// Where delivery stands: `waiting` for its turn, `retrying`, `unknown`, or `ended`.
fn delivery_state(request: &ProvisioningRequest) -> &'static str {
    match request.state {
        State::Completed | State::Rejected => "ended",
        State::Pending if request.uncertain => "unknown",
        State::Pending if request.attempts > 0 => "retrying",
        State::Pending => "waiting",
    }
}

/// The creating user is the updating one: the gateway's own work is done on the creator's behalf.
fn log_information(request: &ProvisioningRequest, dates: Dates) -> Value {
    let user: &User = &request.asked.created_by;
    let unit = json!({
        "id": user.unit.id,
        "name": user.unit.name,
        "group_name": user.unit.group_name,
        "community_name": user.unit.community_name,
        "alternative_code": user.unit.alternative_code,
        "description": user.unit.description,
    });
    let business_unit = json!({
        "id": user.unit.id,
        "name": user.unit.name,
        "code": user.unit.alternative_code,
        "unified_code": null,
        "description": user.unit.description,
        "parent_business_unit_name": null,
    });
    let person = json!({
        "id": user.id,
        "username": user.username,
        "person_name": user.person_name,
        "email": user.email,
    });
    json!({
        "created_date": dates.print(request.asked.created_at),
        "updated_date": dates.print(request.updated_at),
        "created_by_unit": unit,
        "updated_by_unit": unit,
        "created_by_business_unit": business_unit,
        "updated_by_business_unit": business_unit,
        "created_by_user": person,
        "updated_by_user": person,
    })
}
