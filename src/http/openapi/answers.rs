//! Answers of methods as JSON Schema: the record, and the errors by their HTTP status.

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use strum::{EnumMessage as _, VariantArray as _};

use super::Route;
use crate::api::{Code, RECORD_KEYS};
use crate::http::reply::status_of;
use crate::request::{Priority, RequestType, State};
use crate::words::Word as _;

/// The `data` of a method's answer, by name.
pub(super) fn data(route: Route) -> Value {
    match route {
        Route::Token | Route::KeyToken => json!({"$ref": "#/components/schemas/Token"}),
        Route::ReleaseToken => json!({"type": "object"}),
        Route::Show(_) => json!({"$ref": "#/components/schemas/SelectedRecord"}),
        Route::List(_) => json!({"type": "array", "items": {"$ref": "#/components/schemas/SelectedRecord"}}),
        Route::Create(..) => json!({"$ref": "#/components/schemas/Record"}),
    }
}

/// The errors that a method may answer with.
pub(super) fn codes(route: Route) -> impl Iterator<Item = Code> {
    let is_answer = move |code: &Code| match code {
        // A known path and verb cannot cause these errors.
        Code::MethodNotFound | Code::MethodNotAllowed => false,
        Code::InvalidCredentials => matches!(route, Route::Token | Route::KeyToken),
        Code::InvalidToken => !matches!(route, Route::Token | Route::KeyToken),
        Code::Forbidden => matches!(route, Route::Show(_) | Route::List(_) | Route::Create(..)),
        Code::NotFound => matches!(route, Route::Show(_) | Route::Create(..)),
        Code::Conflict => matches!(route, Route::Create(..)),
        Code::RequestTimeout | Code::PayloadTooLarge | Code::UnsupportedMediaType | Code::MalformedJson => {
            !matches!(route, Route::Show(_) | Route::List(_))
        }
        _ => true,
    };
    Code::VARIANTS.iter().copied().filter(is_answer)
}

/// The HTTP statuses of these codes.
pub(super) fn statuses(codes: impl Iterator<Item = Code>) -> BTreeSet<u16> {
    codes.flat_map(statuses_of).collect()
}

/// The statuses of a code; hyper answers a head that is too large with other statuses.
fn statuses_of(code: Code) -> Vec<u16> {
    let mut statuses = vec![status_of(code)];
    if code == Code::BadRequest {
        statuses.extend([StatusCode::URI_TOO_LONG, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE]);
    }
    statuses.into_iter().map(|status| status.as_u16()).collect()
}

/// The answer to a call that worked.
pub(super) fn success(data: Value) -> Value {
    let status = json!({"$ref": "#/components/schemas/Success"});
    answer("It worked", &object(&[("status", status), ("data", data)]), json!({}))
}

/// The codes of each HTTP status of an error.
fn codes_by_status() -> BTreeMap<u16, Vec<Code>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::VARIANTS {
        statuses_of(*code).into_iter().for_each(|status| by_status.entry(status).or_default().push(*code));
    }
    by_status
}

/// The name of the schema of an error.
fn error_name(status: u16) -> String {
    format!("Error{status}")
}

/// An answer for each HTTP status of an error.
pub(super) fn errors() -> Value {
    let error = |(status, codes): (u16, Vec<Code>)| {
        let meanings: Vec<_> = codes
            .iter()
            .map(|code| format!("{}: {}", <&str>::from(code), code.get_documentation().unwrap_or_default().trim()))
            .collect();
        let schema = json!({"$ref": format!("#/components/schemas/{}", error_name(status))});
        let headers = match status {
            401 => json!({"WWW-Authenticate": {"required": true, "schema": text()}}),
            429 | 503 => {
                json!({"Retry-After": {"required": true, "description": "Seconds", "schema": {"type": "integer", "minimum": 1}}})
            }
            _ => json!({}),
        };
        (status.to_string(), answer(&meanings.join(" "), &schema, headers))
    };
    Value::Object(codes_by_status().into_iter().map(error).collect())
}

/// The answer to HEAD for every status.
pub(super) fn without_body() -> Value {
    json!({"description": "As to GET, without the body", "headers": {"X-Request-Id": request_id()}})
}

fn request_id() -> Value {
    json!({"required": true, "description": "The id under which the log has the call", "schema": text()})
}

fn answer(description: &str, schema: &Value, mut headers: Value) -> Value {
    headers["X-Request-Id"] = request_id();
    json!({"description": description, "headers": headers, "content": {"application/json": {"schema": schema}}})
}

/// The schemas of answers.
pub(super) fn schemas() -> Value {
    let empty = json!({"const": ""});
    let success = object(&[("code", json!({"const": "OK"})), ("message", empty.clone()), ("description", empty)]);
    let (record, keys) = (record(), Value::Array(RECORD_KEYS.iter().map(|key| json!(key)).collect()));
    let mut whole = record.clone();
    whole["required"] = keys;
    let mut all =
        json!({"Success": success, "Token": object(&[("token", hex())]), "Record": whole, "SelectedRecord": record});
    for (status, codes) in codes_by_status() {
        let codes: Vec<&str> = codes.iter().map(Into::into).collect();
        let status_schema = object(&[("code", json!({"enum": codes})), ("message", text()), ("description", text())]);
        all[error_name(status)] = object(&[("status", status_schema), ("data", json!({"type": "null"}))]);
    }
    all
}

fn record() -> Value {
    let null_or = |kind: &str| json!({"type": [kind, "null"]});
    let types: Vec<_> = RequestType::all().map(RequestType::as_str).collect();
    let states: Vec<_> = State::VARIANTS.iter().map(|state| state.as_str()).collect();
    let priorities: Vec<_> = Priority::VARIANTS.iter().map(|priority| priority.as_str()).collect();
    let schema = |key: &str| match key {
        "id" => hex(),
        "number" => json!({"type": "string", "pattern": "^[0-9]+$"}),
        "type" => json!({"enum": types}),
        "life_cycle_state" => json!({"enum": states}),
        "priority" => json!({"enum": priorities}),
        "process_immediately" => json!({"enum": [0, 1, null]}),
        "scheduled_date" => text(),
        "sequence_number" => json!({"type": "integer", "minimum": 0}),
        "process_name" => text(),
        "parameters_set" => json!({
            "type": "array",
            "description": "One parameter and its own id per item",
            "items": {"type": "object", "properties": {"id": hex()}, "required": ["id"], "additionalProperties": {"type": ["string", "integer", "null"]}},
        }),
        "log_information" => log_information(),
        "delivery" => delivery(),
        _ => null_or("string"),
    };
    let properties: Map<_, _> = RECORD_KEYS.iter().map(|key| ((*key).to_owned(), schema(key))).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn delivery() -> Value {
    let text_or_null = || json!({"type": ["string", "null"]});
    let count = |least: u32| json!({"type": "integer", "minimum": least});
    let mut delivery = object(&[
        ("state", json!({"enum": ["waiting", "retrying", "resolving", "needs_operator", "ended"]})),
        ("attempts", count(0)),
        ("next_attempt_date", text_or_null()),
        ("in_doubt", json!({"type": "boolean"})),
        ("result", json!({"description": "The answer of a query, by the names of the SOAP contract"})),
    ]);
    let states: Vec<_> = State::VARIANTS.iter().map(|state| state.as_str()).collect();
    let part = object(&[
        ("part", count(1)),
        ("life_cycle_state", json!({"enum": states})),
        ("in_doubt", json!({"type": "boolean"})),
        ("attempts", count(0)),
        ("reference_number", text_or_null()),
        ("error_code", text_or_null()),
        ("error_description", text_or_null()),
        ("provider_error_code", text_or_null()),
        ("provider_error_description", text_or_null()),
        ("smartcards", json!({"type": "array", "items": text()})),
    ]);
    let description = "What became of each call, where the set is larger than one call takes; else absent";
    let together = "How many records the last call was for, where they are several; else absent";
    delivery["properties"]["sent_together"] = json!({"type": "integer", "minimum": 2, "description": together});
    delivery["properties"]["parts"] = json!({"type": "array", "description": description, "items": part});
    delivery
}

fn log_information() -> Value {
    let texts = |mandatory: &[&'static str], optional: &[&'static str]| {
        let mandatory = mandatory.iter().map(|name| (*name, text()));
        let optional = optional.iter().map(|name| (*name, json!({"type": ["string", "null"]})));
        object(&mandatory.chain(optional).collect::<Vec<_>>())
    };
    let unit = texts(&["id", "name"], &["group_name", "community_name", "alternative_code", "description"]);
    let business_unit = texts(&["id", "name"], &["code", "unified_code", "description", "parent_business_unit_name"]);
    let user = texts(&["id", "username"], &["person_name", "email"]);
    object(&[
        ("created_date", text()),
        ("updated_date", text()),
        ("created_by_unit", unit.clone()),
        ("updated_by_unit", unit),
        ("created_by_business_unit", business_unit.clone()),
        ("updated_by_business_unit", business_unit),
        ("created_by_user", user.clone()),
        ("updated_by_user", user),
    ])
}

/// An object that always has exactly these keys.
fn object(keys: &[(&str, Value)]) -> Value {
    let properties: Map<_, _> = keys.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())).collect();
    let required: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn hex() -> Value {
    json!({"type": "string", "pattern": "^[0-9A-F]{32}$"})
}
