//! `/openapi.json` and `/methods`: the JSON API as OpenAPI 3.1 and as a page, from the tables that the router and the
//! reading of parameters use.
//!
//! Rule: parameters and answers of methods are derived from these tables, never listed here.

mod answers;
mod page;
mod parameters;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use strum::VariantArray as _;

use super::methods::{PREFIX, Route, routes};
use super::packing;
use super::reply::{self, Reply};
use super::route::{IDEMPOTENCY_KEY, KEY_LENGTH};
use crate::config;
use crate::request::Family;
use crate::words::Word as _;

/// The path.
pub(super) const PATH: &str = "/openapi.json";

/// The document and its page, made once.
pub(super) struct OpenApi {
    document: Bytes,
    page: Bytes,
    /// The Content-Security-Policy of the page.
    policy: HeaderValue,
}

/// Is this path the document or the page?
pub(super) fn is_here(path: &str) -> bool {
    [PATH, page::PATH].contains(&path)
}

impl OpenApi {
    /// The document for a server with these limits.
    pub(super) fn new(config: &config::Server) -> Self {
        let document = document(config.max_set_items);
        let (page, policy) = page::page(&document);
        let policy = HeaderValue::from_str(&policy).expect("a policy is of visible ASCII");
        Self { document: document.to_string().into(), page: page.into(), policy }
    }

    /// Answers a request for the document or the page.
    pub(super) fn respond(&self, method: &Method, path: &str) -> Reply {
        match *method {
            Method::GET | Method::HEAD if path == PATH => {
                packing::allow(reply::json_reply_of(StatusCode::OK, self.document.clone()))
            }
            Method::GET | Method::HEAD => packing::allow(self.page()),
            _ => reply::not_allowed("GET, HEAD"),
        }
    }

    fn page(&self) -> Reply {
        let mut reply = Response::new(Full::new(self.page.clone()));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}

fn document(max_set_items: usize) -> Value {
    let mut paths = Map::new();
    for (verb, path, route) in routes() {
        let operation = operation(&path, route, max_set_items);
        let head = (verb == "GET").then(|| head_of(&operation));
        let mut verbs = json!({ verb.to_lowercase(): operation });
        if let Some(head) = head {
            verbs["head"] = head;
        }
        paths.insert(format!("{PREFIX}{path}"), verbs);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "conax-gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "CRM.COM's provisioning methods, carried out by Conax. Every answer has the same envelope; a \
                            request that Conax rejected is no error of the call: the code is OK, and the record is REJECTED. \
                            With server.http_status = \"always_200\" every answer has the HTTP status 200.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": answers::schemas(),
            "parameters": parameters::of_all(),
            "responses": answers::errors(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of authentication/token. It may also be the parameter token."},
                "apiKey": {"type": "http", "scheme": "basic", "description": "An API key as user name, with an empty password."},
            },
        },
    })
}

fn tags() -> Value {
    let family = |family: &Family| json!({"name": family.as_str()});
    let common = json!({"name": "authentication"});
    Value::Array(std::iter::once(common).chain(Family::VARIANTS.iter().map(family)).collect())
}

fn operation(path: &str, route: Route, max_set_items: usize) -> Value {
    let tag = path.split('/').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let id = path.replace('/', "_").replace("_provisioning_requests", "");
    let mut operation = json!({"operationId": id, "tags": [tag], "summary": summary(name, route), "parameters": []});
    let (data, codes) = (answers::data(route), answers::codes(route));
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answers::success(data));
    for status in answers::statuses(codes) {
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
    if matches!(route, Route::Create(..)) {
        responses["200"]["headers"]["Idempotent-Replayed"] = json!({
            "required": false,
            "description": "The record is that of an earlier call with the same Idempotency-Key",
            "schema": {"const": "true"},
        });
    }
    operation["responses"] = Value::Object(responses);
    operation["security"] = match route {
        Route::Token => json!([]),
        Route::KeyToken => json!([{"apiKey": []}]),
        Route::ReleaseToken | Route::Show(_) | Route::List(_) | Route::Create(..) => json!([{"token": []}]),
    };
    match route {
        Route::Show(family) | Route::List(family) => {
            operation["parameters"] = parameters::of_query(route, family);
        }
        Route::Token | Route::KeyToken | Route::ReleaseToken | Route::Create(..) => {
            let schema = parameters::of_body(route, max_set_items);
            let is_required = !matches!(route, Route::KeyToken);
            operation["requestBody"] =
                json!({"required": is_required, "content": {"application/json": {"schema": schema}}});
        }
    }
    if matches!(route, Route::Create(..)) {
        operation["parameters"] = json!([{
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A text that the client makes up anew for each request that it means: within 24 hours the same call \
                            with the same key gives the first record again.",
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
        }]);
        debug_assert!("Idempotency-Key".eq_ignore_ascii_case(IDEMPOTENCY_KEY), "it is the header that is read");
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        let shared = parameters::of_all();
        parameters.extend(shared.as_object().into_iter().flat_map(Map::keys).map(|name| parameters::reference(name)));
    }
    operation
}

/// The operation of HEAD, with the answers of GET without their bodies.
fn head_of(get: &Value) -> Value {
    let mut head = get.clone();
    head["operationId"] = json!(format!("{}_head", get["operationId"].as_str().unwrap_or_default()));
    head["summary"] = json!("The head of the answer to GET");
    for answer in head["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        *answer = answers::without_body();
    }
    head
}

fn summary(name: &str, route: Route) -> String {
    match route {
        Route::Token => "A token for a user name and a password".to_owned(),
        Route::KeyToken => "A token for an API key".to_owned(),
        Route::ReleaseToken => "Ends a token".to_owned(),
        Route::Show(_) => "One record".to_owned(),
        Route::List(_) => {
            "Records by filters that combine with AND, oldest first; at least one filter is needed".to_owned()
        }
        Route::Create(_, request_type) if request_type.is_query() => format!("Asks Conax: {}", name.replace('_', " ")),
        Route::Create(..) => format!("Has Conax do: {}", name.replace('_', " ")),
    }
}
