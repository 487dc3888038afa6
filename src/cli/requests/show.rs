//! `requests show`: the state of a request and the reason, then its history, then both texts, nothing twice.

use crate::api::{Dates, Record, RecordWithHistory};
use crate::cli::output::{Format, FormatFlags, Piece, xml_pieces};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::request::{Attempt, CARD_ID, Event, Item, Part, PartStatus, ProvisioningRequest, STB_ID, State};
use crate::store::{RecordKey, RequestStore};
use crate::words::Word as _;
use std::iter;

use chrono::{DateTime, Utc};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  conax-gateway requests show 4049\n  conax-gateway requests show 4049 --raw response"
)]
pub(super) struct Args {
    /// Number of the request.
    number: i64,
    /// Print only this text, unchanged.
    #[arg(long, value_name = "request|response", value_parser = ["request", "response"], conflicts_with_all = ["json", "jsonl"])]
    raw: Option<String>,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let config = args.store.load()?;
    let store = open_existing(&config).await?;
    let request = find_request(store.as_ref(), args.number).await?;
    if let Some(which) = args.raw {
        let (text, missing) = match which.as_str() {
            "request" => (sent_text(&request), "was not sent"),
            _ => (request.response.as_deref(), "has no answer"),
        };
        let text = text.ok_or_else(|| Failed(format!("request {} {missing}", request.number)))?;
        output::bytes(text.as_bytes());
        return Ok(());
    }
    let shown = Shown::read(store.as_ref(), request).await?;
    print(&shown, Dates(config.server.time_zone), args.format.format());
    Ok(())
}

pub(super) async fn find_request(store: &dyn RequestStore, number: i64) -> Result<ProvisioningRequest, Failed> {
    let found = store.find_request(None, RecordKey::Number(number)).await?;
    found.ok_or_else(|| Failed(format!("there is no request {number}")))
}

/// The SOAP request in the form that may be shown.
pub(super) fn sent_text(request: &ProvisioningRequest) -> Option<&str> {
    request.last_text().filter(|_| request.sent)
}

pub(in crate::cli) struct Shown {
    request: ProvisioningRequest,
    attempts: Vec<Attempt>,
    events: Vec<Event>,
}

impl Shown {
    pub(in crate::cli) async fn read(store: &dyn RequestStore, request: ProvisioningRequest) -> Result<Self, Failed> {
        let (attempts, events) = (store.list_attempts(request.number), store.list_events(request.number));
        Ok(Self { attempts: attempts.await?, events: events.await?, request })
    }
}

/// Prints a request with its history.
pub(in crate::cli) fn print(shown: &Shown, dates: Dates, format: Format) {
    match format {
        Format::Json | Format::JsonLines => {
            output::json(&RecordWithHistory::new(&shown.request, &shown.attempts, &shown.events, dates), format);
        }
        Format::Text => {
            output::pieces(in_words(shown, dates));
        }
    }
}

fn in_words(shown: &Shown, dates: Dates) -> Vec<Piece> {
    let Shown { request, attempts, events } = shown;
    let mut pieces = summary(request, dates);
    pieces.extend(parts(request));
    let mut history: Vec<(DateTime<Utc>, Vec<Piece>)> = Vec::new();
    for attempt in attempts {
        // The text of the last answer is left to the end of the page.
        let response = attempt.response.as_deref().filter(|_| attempt.attempt < request.attempts);
        let line = Piece::plain(attempt_line(attempt, dates));
        let has_own_text = attempt.part.is_some() || attempt.joint_call.is_some() || request.joint_call.is_some();
        let sent = request.text_of(attempt).filter(|_| has_own_text && attempt.attempt < request.attempts);
        let named = [("request", sent), ("answer", response)];
        history.push((attempt.started_at, iter::once(line).chain(texts(&named)).collect()));
    }
    for event in events {
        let named = [("query", event.request.as_deref()), ("answer", event.response.as_deref())];
        let line = Piece::plain(event_line(event, dates));
        history.push((event.at, iter::once(line).chain(texts(&named)).collect()));
    }
    history.sort_by_key(|(at, _)| *at);
    if !history.is_empty() {
        pieces.push(Piece::heading("\nHistory\n"));
        pieces.extend(history.into_iter().flat_map(|(_, pieces)| pieces));
    }
    let description = request.failure.as_ref().and_then(|failure| failure.description.as_deref());
    for (heading, text) in [
        ("error_description, as the CRM gets it", description.filter(|text| text.trim().contains('\n'))),
        ("Request, as it was sent", sent_text(request)),
        ("Answer", request.response.as_deref()),
    ] {
        let Some(text) = text else { continue };
        pieces.push(Piece::heading(format!("\n{heading}\n")));
        pieces.extend(xml_pieces(text.trim_end()));
        pieces.push(Piece::plain("\n"));
    }
    pieces
}

/// The summary: type, devices, state and reason.
fn summary(request: &ProvisioningRequest, dates: Dates) -> Vec<Piece> {
    let content = &request.content;
    let record = Record::new(request, dates);
    let failure = request.failure.as_ref();
    let is_device = |item: &&Item| item.name == CARD_ID || item.name == STB_ID;
    let parameters = content.items.iter().filter(|item| !is_device(item));
    let parameters = parameters.filter_map(|item| Some(format!("{} {}", item.name, item.value.as_ref()?)));
    let created = format!("{} by {}", dates.print(content.created_at), content.created_by.username);
    let executed = request.executed_at.map(|at| dates.print(at)).unwrap_or_default();
    let next = request.next_attempt_at.filter(|_| request.state == State::Pending);
    let next = next.map(|at| dates.print(at)).unwrap_or_default();
    let correlation = content.correlation.as_ref();
    let trace = correlation.and_then(|correlation| correlation.trace.as_ref());
    let lines = [
        ("state", format!("{}, {}", request.state.as_str(), record.delivery_state())),
        ("reason", failure.map(|failure| failure.reason()).unwrap_or_default()),
        ("error code", failure.map(|failure| failure.code.clone()).unwrap_or_default()),
        ("reference", request.reference_number.clone().unwrap_or_default()),
        ("cards", content.cards.join(", ")),
        ("stbs", content.stbs.join(", ")),
        ("parameters", parameters.collect::<Vec<_>>().join(", ")),
        ("created", created),
        ("due", if content.is_scheduled() { dates.print(content.scheduled_at) } else { String::new() }),
        ("executed", executed),
        ("next attempt", next),
        ("priority", content.priority.as_str().to_owned()),
        ("result", request.result.as_ref().map(|json| json.get().to_owned()).unwrap_or_default()),
        ("call", content.api_call.clone().unwrap_or_default()),
        ("id", content.id.to_string()),
        ("request id", correlation.map(|correlation| correlation.request_id.clone()).unwrap_or_default()),
        ("traceparent", trace.map(|trace| trace.traceparent.to_string()).unwrap_or_default()),
    ];
    let mut pieces = vec![Piece::heading(format!("Request {}: {}\n", request.number, content.request_type))];
    let shown = lines.into_iter().filter(|(_, text)| !text.is_empty());
    pieces.extend(shown.map(|(name, text)| Piece::plain(format!("{name:<13} {text}\n"))));
    pieces
}

/// The outcome of each part.
fn parts(request: &ProvisioningRequest) -> Vec<Piece> {
    if request.parts.is_empty() {
        return Vec::new();
    }
    let line = |((number, status), part): ((u32, &PartStatus), &Part)| {
        let PartStatus { state, attempts, reference_number, failure, .. } = status;
        let reference =
            reference_number.as_ref().map(|reference| format!(", reference {reference}")).unwrap_or_default();
        let reason = failure.as_ref().map(|failure| format!(", {}", failure.reason())).unwrap_or_default();
        let (state, cards) = (state.as_str(), part.cards.join(", "));
        Piece::plain(format!("part {number}: {state}, attempts {attempts}{reference}{reason}: {cards}\n"))
    };
    let lines = (1..).zip(request.parts.iter()).zip(request.content.parts()).map(line);
    iter::once(Piece::heading("\nParts\n")).chain(lines).collect()
}

fn attempt_line(attempt: &Attempt, dates: Dates) -> String {
    let Attempt { attempt, part, joint_call, started_at, duration_ms, timings, sent, http_status, error, .. } = attempt;
    let joint = joint_call.as_ref().map(|call| joint_requests(&call.numbers)).unwrap_or_default();
    let timings = timings.map(|timings| format!(" ({})", timings.in_words())).unwrap_or_default();
    let part = part.map(|part| format!(" at part {part}")).unwrap_or_default();
    let sent = if *sent { "sent" } else { "not sent" };
    let status = http_status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
    let error = error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
    format!(
        "attempt {attempt}{part}{joint}: {}, {duration_ms} ms{timings}, {sent}{status}{error}\n",
        dates.print(*started_at)
    )
}

/// The requests of a joint call.
fn joint_requests(numbers: &[i64]) -> String {
    let listed: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!(" in one call of {} requests ({})", numbers.len(), listed.join(", "))
}

fn event_line(event: &Event, dates: Dates) -> String {
    let parts = [
        event.duration_ms.map(|ms| format!(", {ms} ms")),
        event.http_status.map(|status| format!(", HTTP {status}")),
        event.user.as_ref().map(|user| format!(", by {user}")),
        event.text.as_ref().map(|text| format!(": {text}")),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    format!("{}: {}{parts}\n", event.kind.as_str(), dates.print(event.at))
}

/// Texts below a line of the history, indented.
fn texts(named: &[(&str, Option<&str>)]) -> Vec<Piece> {
    let present = named.iter().filter_map(|(name, text)| Some((name, (*text)?)));
    let pieces = present.flat_map(|(name, text)| {
        let heading = Piece::plain(format!("  {name}:\n"));
        iter::once(heading).chain(xml_pieces(text)).chain([Piece::plain("\n")])
    });
    pieces.collect()
}
