//! Checks at start whether what the bindings write somewhere can ever be valid there, by values that parameters of a known
//! form take: a date and time in a place for a date would fail every call.

use super::operation::BoundField;
use super::plan::ValueSource;
use crate::request::{CONTEXT, Parameter, RequestType, Shape, Steps};

const MOMENTS: [&str; 3] = ["2026-01-31T09:00:00", "2030-12-01T00:00:00", "2026-06-15T23:59:59"];
const WHOLE: [&str; 6] = ["1", "0", "10", "100", "1000", "20"];
const UUIDS: [&str; 1] = ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"];
const NONCES: [&str; 1] = ["0F8B8BAB8CD7E651E4CF42FCF0518850"];
const NOW: [&str; 1] = ["2026-01-31T09:00:00Z"];

/// Why no value can stand there, as a sentence.
pub(super) fn misfit(request_type: RequestType, field: &BoundField) -> Option<String> {
    let simple = field.simple.as_ref()?;
    let simple = simple.item().unwrap_or(simple);
    let local = field.element();
    match &field.source {
        ValueSource::Field(name) => {
            let samples = samples(request_type, name)?;
            let must = samples.iter().map(|sample| simple.check(sample)).reduce(Result::or)?.err()?;
            let hint = match samples.iter().any(|sample| MOMENTS.contains(&sample.as_str())) {
                true => format!("; as a value, \"{{{name}|date:%Y-%m-%d}}\" writes it otherwise"),
                false => String::new(),
            };
            let sample = samples.first()?;
            Some(format!("{name} is a value such as '{sample}', and '{local}' {must}{hint}"))
        }
        ValueSource::Template(template) => {
            let names: Vec<&str> = template.names().collect();
            let mapped = names.iter().find_map(|name| Some((*name, template.mapped(name)?)));
            if let (Some((name, keys)), [_]) = (&mapped, names.as_slice()) {
                // Each value of a map has to fit.
                return keys.iter().find_map(|key| {
                    let text = template.render(|n| (n == *name).then_some(key)).ok()??;
                    Some(format!("'{text}' of '{key}' does not fit: '{local}' {}", simple.check(&text).err()?))
                });
            }
            let all: Vec<(&str, Vec<String>)> =
                names.iter().map(|name| Some((*name, samples(request_type, name)?))).collect::<Option<_>>()?;
            let longest = all.iter().map(|(_, samples)| samples.len()).max().unwrap_or(1);
            let outcomes = (0..longest).map(|round| {
                let value = |name: &str| {
                    let (_, samples) = all.iter().find(|(n, _)| *n == name)?;
                    samples.get(round % samples.len()).map(String::as_str)
                };
                match template.render(value) {
                    Ok(Some(text)) => {
                        simple.check(&text).map_err(|must| format!("'{text}' does not fit: '{local}' {must}"))
                    }
                    Ok(None) => Ok(()),
                    Err((name, must)) => Err(format!("{name} {must}")),
                }
            });
            outcomes.reduce(Result::or)?.err()
        }
        _ => None,
    }
}

/// Values that a parameter takes, where its form is known.
fn samples(request_type: RequestType, name: &str) -> Option<Vec<String>> {
    let owned = |samples: &[&str]| Some(samples.iter().map(|sample| (*sample).to_owned()).collect());
    if name == "sent" {
        return owned(&NOW);
    }
    if name == "nonce" {
        return owned(&NONCES);
    }
    if let [now, uuid] = CONTEXT
        && (name == now || name == uuid)
    {
        return owned(if name == now { &NOW } else { &UUIDS });
    }
    let is_meant = |parameter: &&Parameter| parameter.field().is_some_and(|field| field.name == name);
    match request_type.parameters().iter().find(is_meant)?.shape {
        Shape::Date => owned(&MOMENTS),
        Shape::Whole { range: Some(Steps { least, most, .. }), .. } => Some(vec![least.to_string(), most.to_string()]),
        Shape::Whole { range: None, .. } | Shape::SequenceNumber => owned(&WHOLE),
        _ => None,
    }
}
