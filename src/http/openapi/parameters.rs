//! Parameters of methods as JSON Schema; the parameters of a creating method come from its row in the table of request
//! types.

use serde_json::{Map, Value, json};
use strum::VariantArray as _;

use super::Route;
use crate::api::RECORD_KEYS;
use crate::request::{
    CARD_ID, Family, Parameter, Priority, REQUEST_ID_LENGTH, RequestType, SERVICE_ID, STB_ID, Shape, State,
};
use crate::words::Word as _;

/// A text of characters that XML 1.0 allows.
const TEXT: &str = r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]*$";
/// A date, as `api::date` reads it.
const DATE: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?$";
const CARD_EXAMPLE: &str = "01450253313";
const STB_EXAMPLE: &str = "THMOD001-10002";

/// The headers that every method understands, by their names among the components.
pub(super) fn of_all() -> Value {
    let header = |name: &str, schema: Value, description: &str| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
    json!({
        "RequestId": header(
            "X-Request-Id",
            json!({"type": "string", "minLength": 1, "maxLength": REQUEST_ID_LENGTH, "pattern": "^[0-9A-Za-z._:/+=@-]+$"}),
            "Kept for the answer, the log and the record's history; without one, or if it is not like this, the gateway \
             makes one up",
        ),
        "TraceParent": header(
            "traceparent",
            json!({"type": "string", "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]}),
            "W3C Trace Context: kept with the record and passed on to Conax, as tracestate is",
        ),
    })
}

/// A reference to one of these headers.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// The query of a method; the token may be in it, too.
pub(super) fn of_query(route: Route, family: Family) -> Value {
    let whole = |most: i64| json!({"type": "integer", "minimum": 0, "maximum": most});
    let fields = json!({"type": "array", "items": {"enum": RECORD_KEYS}});
    let mut all = vec![query("token", &text(), "The token, if it is not in the Authorization header")];
    if matches!(route, Route::Show(_)) {
        all.push(json!({
            "name": "provisioning_request_identifier",
            "in": "query",
            "required": true,
            "description": "The record: provisioning_request_identifier[number]=4049; number=4049 or {\"number\":\"4049\"} as its value are understood as well",
            "style": "deepObject",
            "explode": true,
            "schema": identifier(&["id", "number"], "4049"),
        }));
    } else {
        let types: Vec<_> = RequestType::of_family(family).map(RequestType::as_str).collect();
        all.push(query("type", &json!({"enum": types}), "Of this type"));
        let states: Vec<_> = State::VARIANTS.iter().map(|state| state.as_str()).collect();
        all.push(query("life_cycle_state", &json!({"enum": states}), "In this state"));
        if family != Family::SmsSas {
            all.push(query("reference_number", &text(), "With this reference number of Conax"));
        }
        all.push(query(CARD_ID, &text(), "That touch this smartcard"));
        all.push(query(STB_ID, &text(), "That touch this set-top box"));
        all.push(query(
            "number_of_results",
            &json!({"type": "integer", "minimum": 0, "maximum": 1000, "default": 100}),
            "At most so many",
        ));
        all.push(query("offset", &whole(i64::MAX), "Skip so many"));
        all.push(query("after", &whole(i64::MAX), "With a greater number: a page that stays fast at any depth"));
    }
    let mut fields = query("fields_set", &fields, "The keys of the record to return; absent, all");
    fields["style"] = json!("form");
    fields["explode"] = json!(false);
    all.push(fields);
    Value::Array(all)
}

fn query(name: &str, schema: &Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
}

/// The body of a method.
pub(super) fn of_body(route: Route, max_set_items: usize) -> Value {
    let mut body = Body { max_set_items, properties: Map::new(), required: Vec::new() };
    let token =
        json!({"type": ["string", "null"], "description": "The token, if it is not in the Authorization header"});
    match route {
        Route::Token => {
            for name in ["username", "password", "organisation"] {
                body.add(name, filled(), true);
            }
            body.add("unit", text(), false);
        }
        Route::KeyToken => body.add("unit", text(), false),
        Route::Create(family, request_type) => {
            body.add("token", token, false);
            let subscription = identifier(&["id", "number"], "S60149");
            body.add("subscription_identifier", subscription, request_type.requires_subscription(family));
            body.add("process_immediately", said(json!({"type": "boolean"}), "1 and 0 are understood as well"), false);
            body.add("scheduled_date", date(), false);
            let priorities: Vec<_> = Priority::VARIANTS.iter().map(|priority| priority.as_str()).collect();
            body.add("priority", json!({"enum": priorities, "default": Priority::Regular.as_str()}), false);
            request_type.parameters().iter().for_each(|parameter| body.add_parameter(family, parameter));
        }
        Route::ReleaseToken | Route::Show(_) | Route::List(_) => body.add("token", token, false),
    }
    json!({"type": "object", "properties": body.properties, "required": body.required, "additionalProperties": false})
}

struct Body {
    max_set_items: usize,
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Body {
    fn add(&mut self, name: &str, schema: Value, is_required: bool) {
        self.properties.insert(name.to_owned(), schema);
        if is_required {
            self.required.push(name.to_owned());
        }
    }

    fn add_parameter(&mut self, family: Family, parameter: &Parameter) {
        let (name, is_required) = (parameter.name, parameter.is_mandatory);
        // In this family one parameter may replace the other, so that neither is required.
        let or_else = family == Family::WebServices;
        match parameter.shape {
            Shape::Card => self.add(name, device(CARD_EXAMPLE), is_required),
            Shape::Stb => self.add(name, device(STB_EXAMPLE), is_required),
            Shape::CardSet => self.add(name, self.set(CARD_ID, CARD_EXAMPLE), is_required),
            Shape::StbSet => self.add(name, self.set(STB_ID, STB_EXAMPLE), is_required),
            Shape::ServiceSet => self.add(name, self.set(SERVICE_ID, "9"), is_required),
            Shape::Service => {
                let service = identifier(&["id", "code", "alternative_code"], "Silver");
                self.add(name, service, is_required && !or_else);
                if or_else {
                    self.add(SERVICE_ID, said(filled(), &format!("In place of {name}")), false);
                }
            }
            Shape::InstalledCard => {
                let card = identifier(&["id", "serial_number", "alternative_code"], "smrt20000055");
                self.add(name, card, is_required && !or_else);
                if or_else {
                    let set = said(self.set(CARD_ID, CARD_EXAMPLE), &format!("In place of {name}"));
                    self.add("smartcard_set", set, false);
                }
            }
            Shape::Text(most) => {
                let mut schema = filled();
                if let Some(most) = most {
                    schema["maxLength"] = json!(most);
                }
                self.add(name, schema, is_required);
            }
            Shape::Secret => self.add(name, said(filled(), "Shown nowhere"), is_required),
            Shape::Whole { range, default } => {
                let mut schema = json!({"type": "integer", "format": "int64"});
                if let Some(steps) = range {
                    schema["minimum"] = json!(steps.least);
                    schema["maximum"] = json!(steps.most);
                    schema["multipleOf"] = json!(steps.step);
                }
                if let Some(default) = default {
                    schema["default"] = json!(default);
                }
                self.add(name, schema, is_required);
            }
            Shape::Date | Shape::DueDate => self.add(name, date(), is_required),
            Shape::SequenceNumber | Shape::Untaken => {}
        }
    }

    fn set(&self, id: &str, example: &str) -> Value {
        let item = json!({"type": "object", "properties": {id: device(example)}, "required": [id], "additionalProperties": false});
        json!({"type": "array", "items": item, "minItems": 1, "maxItems": self.max_set_items, "uniqueItems": true})
    }
}

/// An object with exactly one of these fields.
fn identifier(fields: &[&str], example: &str) -> Value {
    let properties: Map<_, _> = fields.iter().map(|field| ((*field).to_owned(), filled())).collect();
    let last = if fields.contains(&"code") { "code" } else { fields.get(1).copied().unwrap_or_default() };
    json!({
        "type": "object",
        "description": format!("Exactly one of {}", fields.join(", ")),
        "properties": properties,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "examples": [{last: example}],
    })
}

fn text() -> Value {
    json!({"type": "string", "pattern": TEXT})
}

fn filled() -> Value {
    json!({"type": "string", "minLength": 1, "pattern": TEXT})
}

fn device(example: &str) -> Value {
    json!({"type": "string", "minLength": 1, "pattern": TEXT, "examples": [example], "description": "A CA ID, of the form that the SOAP contract asks for"})
}

fn date() -> Value {
    json!({"type": "string", "pattern": DATE, "examples": ["2026-11-21T09:00:00"], "description": "yyyy-MM-ddTHH:mm:ss in server.time_zone, or with an offset; from 1970 to 9998"})
}

fn said(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}
