//! Compares two requests or exchanges: their rows in the list, and both messages node by node, as `requests diff` and the
//! fixtures do.

use serde::Serialize;

use super::found::{Found, find};
use super::list::{state_of, to_data};
use crate::api::{Api, ApiError, Data, Dates};
use crate::exchange::Message;
use crate::recording::compare_texts;
use crate::soap::texts::text_of_partial;
use crate::words::Word as _;

/// The largest number of characters of a value that are shown.
const SHOWN: usize = 2000;

#[derive(Serialize)]
struct Comparison {
    first: Side,
    second: Side,
    differences: Vec<Difference>,
}

/// One side of the comparison.
#[derive(Serialize)]
struct Side {
    kind: &'static str,
    id: String,
    number: i64,
    time: String,
    operation: String,
    #[serde(skip)]
    columns: [(&'static str, Option<String>); 6],
    #[serde(skip)]
    request: Option<String>,
    #[serde(skip)]
    answer: Option<String>,
}

#[derive(Serialize)]
struct Difference {
    /// `record`, `request` or `answer`.
    #[serde(rename = "in")]
    part: &'static str,
    /// The name of a column, or an XPath.
    at: String,
    first: Option<String>,
    second: Option<String>,
}

/// Compares two requests or exchanges.
///
/// # Errors
/// NOT_FOUND, or the store.
pub async fn compare(api: &Api, first: &str, second: &str) -> Result<Data, ApiError> {
    let (first, second) = (find(api, first).await?, find(api, second).await?);
    let dates = api.dates;
    // Messages may be large, so this runs on a blocking thread.
    let compared = tokio::task::spawn_blocking(move || {
        let (first, second) = (Side::new(first, dates), Side::new(second, dates));
        let differences = differences(&first, &second);
        to_data(&Comparison { first, second, differences })
    });
    compared.await.map_err(|error| ApiError::internal(error.to_string()))?
}

fn differences(first: &Side, second: &Side) -> Vec<Difference> {
    let columns = first.columns.iter().zip(&second.columns).filter(|((_, one), (_, other))| one != other);
    let columns = columns.map(|((name, one), (_, other))| difference("record", (*name).to_owned(), one, other));
    let mut all: Vec<_> = columns.collect();
    for (part, one, other) in [("request", &first.request, &second.request), ("answer", &first.answer, &second.answer)]
    {
        let nodes = compare_texts(one.as_deref(), other.as_deref()).into_iter();
        all.extend(nodes.map(|node| difference(part, node.xpath, &node.expected, &node.got)));
    }
    all
}

fn difference(part: &'static str, at: String, first: &Option<String>, second: &Option<String>) -> Difference {
    let shown = |value: &Option<String>| {
        let value = value.as_ref()?;
        let end = if value.chars().nth(SHOWN).is_some() { "…" } else { "" };
        Some(value.chars().take(SHOWN).collect::<String>() + end)
    };
    Difference { part, at, first: shown(first), second: shown(second) }
}

impl Side {
    fn new(found: Found, dates: Dates) -> Self {
        let joined = |cards: &[String]| Some(cards.join(", ")).filter(|cards| !cards.is_empty());
        match found {
            Found::Request(request) => {
                let content = &request.content;
                Self {
                    kind: "request",
                    id: content.id.to_string(),
                    number: request.number,
                    time: dates.print(content.created_at),
                    operation: content.request_type.as_str().to_owned(),
                    columns: [
                        ("type", Some(content.request_type.as_str().to_owned())),
                        ("cards", joined(&content.cards)),
                        ("state", Some(request.state.as_str().to_owned())),
                        ("reason", request.failure.as_ref().map(|failure| failure.reason())),
                        ("reference", request.reference_number.clone()),
                        ("HTTP status", None),
                    ],
                    request: {
                        let own = || request.envelope().map(|envelope| envelope.redacted.as_str());
                        request.last_text().or_else(own).map(str::to_owned)
                    },
                    answer: request.response.as_deref().map(str::to_owned),
                }
            }
            Found::Exchange(exchange) => {
                let text = |message: &Message| text_of_partial(&message.body, message.header("content-type"));
                let (subject, answer) = (&exchange.subject, exchange.answer.as_ref());
                let state = state_of(exchange.error.as_ref());
                Self {
                    kind: "exchange",
                    id: exchange.id.to_string(),
                    number: exchange.number,
                    time: dates.print(exchange.at),
                    operation: subject.operation.clone().unwrap_or_else(|| exchange.path.clone()),
                    columns: [
                        ("type", subject.operation.clone()),
                        ("cards", joined(&subject.cards)),
                        ("state", Some(state.to_owned())),
                        ("reason", exchange.error.clone().or_else(|| subject.fault.clone())),
                        ("reference", None),
                        ("HTTP status", answer.map(|answer| answer.status.to_string())),
                    ],
                    request: Some(text(&exchange.request)),
                    answer: answer.map(|answer| text(&answer.message)),
                }
            }
        }
    }
}
