//! `/methods`: the OpenAPI document as a page for people, made once at the start from the same JSON.
//!
//! Rule: the page is self-contained: no script, no further files, and a policy that forbids everything else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The path.
pub(in crate::http) const PATH: &str = "/methods";

const STYLE: &str = ":root{color-scheme:light dark}\
body{margin:0 auto;max-width:70rem;padding:0 1rem 4rem;font:15px/1.5 system-ui,sans-serif}\
code,pre{font-family:ui-monospace,monospace;font-size:.93em;overflow-wrap:anywhere}\
pre{border:1px solid;border-radius:4px;padding:.6rem;white-space:pre-wrap}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid}\
h2{margin-top:2.5rem}summary{cursor:pointer;padding:.35rem 0}:focus-visible{outline:3px solid}";

/// The page, and the policy that it is sent with.
pub(super) fn page(document: &Value) -> (String, String) {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Methods of conax-gateway</title>\
         <style>{STYLE}</style></head><body><h1>Methods</h1><p>{}</p>\
         <p>The same for programs: <a href=\"{}\">OpenAPI 3.1</a>. The traffic: <a href=\"/inspector/\">inspector</a>.</p>",
        escaped(text(&document["info"]["description"])),
        super::PATH,
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        page.push_str(&format!("<h2>{}</h2>", escaped(text(&tag["name"]))));
        for (path, verbs) in document["paths"].as_object().into_iter().flatten() {
            for (verb, operation) in verbs.as_object().into_iter().flatten().filter(|(verb, _)| *verb != "head") {
                if operation["tags"][0] == tag["name"] {
                    page.push_str(&method(document, path, verb, operation));
                }
            }
        }
    }
    page.push_str("</body></html>\n");
    (page, policy)
}

fn method(document: &Value, path: &str, verb: &str, operation: &Value) -> String {
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut rows = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let name = format!("{} ({})", text(&parameter["name"]), text(&parameter["in"]));
        rows.push(row(&name, parameter["required"] == true, &parameter["schema"], text(&parameter["description"])));
    }
    let required = body["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
    for (name, schema) in body["properties"].as_object().into_iter().flatten() {
        rows.push(row(name, is_required(name), schema, text(&schema["description"])));
    }
    let answers = operation["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
        let description = text(&resolved(document, answer)["description"]);
        format!("<tr><td>{status}</td><td>{}</td></tr>", escaped(description))
    });
    format!(
        "<details id=\"{}\"><summary><code>{} {}</code> {}</summary>{}\
         <table><thead><tr><th>parameter</th><th>value</th><th>meaning</th></tr></thead><tbody>{}</tbody></table>\
         <table><thead><tr><th>HTTP</th><th>answer</th></tr></thead><tbody>{}</tbody></table></details>",
        escaped(text(&operation["operationId"])),
        verb.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"])),
        example(body).map(|body| format!("<pre>{}</pre>", escaped(&body))).unwrap_or_default(),
        rows.concat(),
        answers.collect::<String>(),
    )
}

fn row(name: &str, is_required: bool, schema: &Value, description: &str) -> String {
    let mark = if is_required { "" } else { ", optional" };
    format!(
        "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}</td></tr>",
        escaped(name),
        escaped(&value(schema)),
        escaped(description)
    )
}

/// The values that a schema allows, in words.
fn value(schema: &Value) -> String {
    let listed = |values: &Vec<Value>| values.iter().map(plain).collect::<Vec<_>>().join(", ");
    let mut words = match (&schema["type"], &schema["enum"]) {
        (_, Value::Array(values)) => listed(values),
        (Value::Array(types), _) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        (Value::String(name), _) if name == "object" => {
            let names = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
            format!("object with {}", names.join(", "))
        }
        (Value::String(name), _) if name == "array" => format!("array of {}", value(&schema["items"])),
        (name, _) => text(name).to_owned(),
    };
    for (key, before) in [
        ("minimum", "from "),
        ("maximum", "up to "),
        ("multipleOf", "in steps of "),
        ("maxLength", "characters: "),
        ("maxItems", "items: "),
        ("default", "without: "),
    ] {
        if !schema[key].is_null() {
            words.push_str(&format!("; {before}{}", plain(&schema[key])));
        }
    }
    words
}

/// An example of a body with the required values, from the examples of the schema.
fn example(schema: &Value) -> Option<String> {
    let required = schema["required"].as_array().filter(|names| !names.is_empty())?;
    let of = |name: &Value| Some((name.as_str()?.to_owned(), example_of(&schema["properties"][name.as_str()?])));
    let example: Map<_, _> = required.iter().filter_map(of).collect();
    serde_json::to_string_pretty(&example).ok()
}

fn example_of(schema: &Value) -> Value {
    match (&schema["examples"][0], &schema["enum"][0], text(&schema["type"])) {
        (Value::Null, Value::Null, "array") => Value::Array(vec![example_of(&schema["items"])]),
        (Value::Null, Value::Null, "object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, schema)| (name.clone(), example_of(schema))).collect())
        }
        (Value::Null, Value::Null, "integer") => [&schema["default"], &schema["minimum"], &Value::from(1)]
            .into_iter()
            .find(|value| !value.is_null())
            .cloned()
            .unwrap_or_default(),
        (Value::Null, Value::Null, _) => Value::from("…"),
        (Value::Null, value, _) | (value, _, _) => value.clone(),
    }
}

fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let reference = value["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    reference.unwrap_or(value)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Escapes a text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
