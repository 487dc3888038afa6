//! `exchanges list | show | note | export | tail`: raw SOAP traffic on the terminal, both passed through and sent for
//! requests. The commands run beside the gateway; but for notes they only read the
//! store.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::output::{Format, FormatFlags, LinesFlag, POLL_INTERVAL, Piece, ResultFlag, Table, xml_pieces};
use super::settings::{StoreFlags, contracts_of, open_existing, with_secrets};
use super::{Failed, output, requests};
use crate::api::Dates;
use crate::config::Config;
use crate::contract::Contract;
use crate::exchange::{Exchange, Message, Note, Summary};
use crate::inspector::{Exporter, Found};
use crate::shutdown::Signals;
use crate::soap::texts::text_of_partial;
use crate::store::{DeviceKind, ExchangeFilter, RequestStore, SentAttempt, Store};
use crate::words::Word as _;

/// Seconds after its end by which an attempt is in the store.
const LAG_S: i64 = 30;
/// Most exchanges that `tail` prints at a time.
const AT_ONCE: u64 = 10_000;
/// Most exchanges of a list, which is sorted in memory.
const MOST: u64 = 100_000;
const COLUMNS: [&str; 7] = ["id", "time", "status", "ms", "card", "state", "context"];

/// Flags of `exchanges`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists exchanges passed through and attempts sent, newest first.
    #[command(after_help = "Example:\n  conax-gateway exchanges list --card 01450253313")]
    List {
        /// Most lines to print.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=MOST))]
        limit: u64,
        /// Only exchanges with this smartcard, and attempts at requests that touch it.
        #[arg(long, value_name = "CA_ID")]
        card: Option<String>,
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Shows both raw texts of an exchange, or of every attempt at a request.
    #[command(after_help = "Example:\n  conax-gateway exchanges show 4049")]
    Show {
        /// Id of an exchange, or number of a request.
        id: String,
        #[command(flatten)]
        format: FormatFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Writes something down about an exchange, or about a request; it is shown with it from then on.
    #[command(after_help = "Example:\n  conax-gateway exchanges note 4049 \"ticket 815: asked the vendor\"")]
    Note {
        /// Id of an exchange, or number of a request.
        id: String,
        #[command(flatten)]
        words: requests::NoteFlags,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Adds an exchange to a folder of fixtures, redacted; a request with every attempt that was sent.
    #[command(after_help = "Example:\n  conax-gateway exchanges export 4049 incident")]
    Export {
        /// Id of an exchange, or number of a request.
        id: String,
        /// The folder; created if absent.
        dir: PathBuf,
        #[command(flatten)]
        result: ResultFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Prints new exchanges as they come, until interrupted.
    #[command(after_help = "Example:\n  conax-gateway exchanges tail --jsonl")]
    Tail {
        /// Only attempts at requests that touch this smartcard.
        #[arg(long, value_name = "CA_ID")]
        card: Option<String>,
        #[command(flatten)]
        format: LinesFlag,
        #[command(flatten)]
        store: StoreFlags,
    },
}

/// A line of the list, with the time that lists are sorted by.
struct Line {
    ended_at: DateTime<Utc>,
    cells: [Value; 7],
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::List { limit, card, format, store } => list(limit, card, format.format(), store).await,
        Action::Show { id, format, store } => show(&id, format.format(), store).await,
        Action::Note { id, words, result, store } => note(&id, words, result, store).await,
        Action::Export { id, dir, result, store } => export(&id, &dir, result, store).await,
        Action::Tail { card, format, store } => tail(card, format.format(), store).await,
    }
}

async fn list(limit: u64, card: Option<String>, format: Format, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    let card = find_card(store.as_ref(), card).await?;
    let filter = ExchangeFilter { after: 0, limit, newest_first: true, card: card.clone() };
    let passed = store.list_exchanges(filter).await?;
    let sent = store.list_sent_attempts(DateTime::UNIX_EPOCH, card, limit).await?;
    let passed = passed.iter().map(|summary| passed_line(summary, dates));
    let mut lines: Vec<Line> = passed.chain(sent.iter().map(|attempt| sent_line(attempt, dates))).collect();
    lines.sort_by_key(|line| Reverse(line.ended_at));
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    output::table(COLUMNS, format, lines.into_iter().rev().map(|line| line.cells));
    Ok(())
}

/// The CA ID of a card as the store has it.
async fn find_card(store: &dyn Store, given: Option<String>) -> Result<Option<String>, Failed> {
    match given {
        Some(given) => {
            // A card that only clients of their own have named is known all the same.
            for card in [given.clone(), requests::bare(&given)] {
                let filter = ExchangeFilter { limit: 1, card: Some(card.clone()), ..ExchangeFilter::default() };
                if !store.list_exchanges(filter).await?.is_empty() {
                    return Ok(Some(card));
                }
            }
            Ok(Some(requests::find_device(store, DeviceKind::Card, &given).await?))
        }
        None => Ok(None),
    }
}

fn passed_line(summary: &Summary, dates: Dates) -> Line {
    let Summary { id, number: _, at, duration_ms, path, status, error, subject } = summary;
    let state = if error.is_some() { "BROKEN" } else { "PASSED" };
    let operation = subject.operation.as_ref().map(|operation| format!("{operation}, ")).unwrap_or_default();
    let reason = error.as_ref().or(subject.fault.as_ref()).map(|reason| format!(": {reason}")).unwrap_or_default();
    let context = format!("{operation}{path}{reason}");
    Line {
        ended_at: *at + TimeDelta::milliseconds(*duration_ms),
        cells: [
            id.as_str().into(),
            dates.print(*at).into(),
            json!(status),
            (*duration_ms).into(),
            json!(subject.cards),
            state.into(),
            context.into(),
        ],
    }
}

fn sent_line(attempt: &SentAttempt, dates: Dates) -> Line {
    let SentAttempt { id, number, request_type, cards, state, attempt, started_at, duration_ms, http_status, error } =
        attempt;
    let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let context = format!("{request_type}, request {number}{again}{error}");
    Line {
        ended_at: *started_at + TimeDelta::milliseconds(*duration_ms),
        cells: [
            id.as_str().into(),
            dates.print(*started_at).into(),
            json!(http_status),
            (*duration_ms).into(),
            json!(cards),
            state.as_str().into(),
            context.into(),
        ],
    }
}

async fn tail(card: Option<String>, format: Format, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    let card = find_card(store.as_ref(), card).await?;
    let mut signals = Signals::listen()?;
    let newest = ExchangeFilter { after: 0, limit: 1, newest_first: true, card: None };
    let mut after = store.list_exchanges(newest).await?.first().map_or(0, |summary| summary.number);
    let mut seen = HashMap::new();
    new_attempts(store.as_ref(), &mut seen).await?;
    let mut table = Table::new(COLUMNS, format);
    while table.flush() && output::has_reader() {
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = signals.wait() => return Ok(()),
        }
        let filter = ExchangeFilter { after, limit: AT_ONCE, newest_first: false, card: None };
        let passed = store.list_exchanges(filter).await?;
        after = passed.last().map_or(after, |summary| summary.number);
        let sent = new_attempts(store.as_ref(), &mut seen).await?;
        let passed = passed.iter().filter(|_| card.is_none()).map(|summary| passed_line(summary, dates));
        let sent = sent.iter().filter(|sent| card.as_ref().is_none_or(|card| sent.cards.contains(card)));
        let mut lines: Vec<Line> = passed.chain(sent.map(|attempt| sent_line(attempt, dates))).collect();
        lines.sort_by_key(|line| line.ended_at);
        if !lines.into_iter().all(|line| table.row(line.cells)) {
            return Ok(());
        }
    }
    Ok(())
}

/// The attempts that are not in `seen`, which are added to it.
async fn new_attempts(
    store: &dyn RequestStore,
    seen: &mut HashMap<(i64, u32), DateTime<Utc>>,
) -> Result<Vec<SentAttempt>, Failed> {
    let since = Utc::now() - TimeDelta::seconds(LAG_S);
    let mut sent = store.list_sent_attempts(since, None, AT_ONCE).await?;
    sent.retain(|attempt| {
        let ended_at = attempt.started_at + TimeDelta::milliseconds(attempt.duration_ms);
        seen.insert((attempt.number, attempt.attempt), ended_at).is_none()
    });
    seen.retain(|_, ended_at| *ended_at >= since);
    Ok(sent)
}

async fn find(store: &dyn Store, id: &str) -> Result<Found, Failed> {
    Found::find(store, id).await?.ok_or_else(|| Failed(format!("there is no exchange or request {id}")))
}

async fn show(id: &str, format: Format, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config).await?;
    match find(store.as_ref(), id).await? {
        Found::Exchange(exchange) => match format {
            Format::Text => print(&exchange, &store.list_notes(exchange.number).await?, dates),
            Format::Json | Format::JsonLines => {
                output::json(&to_json(&exchange, &store.list_notes(exchange.number).await?, dates), format);
            }
        },
        Found::Request(request) => {
            requests::print(&requests::Shown::read(store.as_ref(), *request).await?, dates, format);
        }
    }
    Ok(())
}

async fn export(id: &str, dir: &Path, result: ResultFlag, store: StoreFlags) -> Result<(), Failed> {
    let config = with_secrets(store.load()?)?;
    let store = open_existing(&config).await?;
    let found = find(store.as_ref(), id).await?;
    let (config, contract) = provider_of(&found, contracts_of(&config)?)?;
    let exporter = Exporter { config: Arc::new(config), contract, store };
    let labels = exporter.add_to_folder(found, dir).await.map_err(|fault| Failed(fault.to_string()))?;
    let cases: Vec<_> = labels.iter().map(|label| dir.join(label).display().to_string()).collect();
    result.print_lines(&cases, &json!({"cases": cases}));
    if labels.is_empty() {
        output::note("nothing new: it was not sent, or the folder has it already");
    }
    Ok(())
}

/// The provider whose traffic it is; the first one's, if that is not known.
fn provider_of(found: &Found, contracts: Vec<(Config, Arc<Contract>)>) -> Result<(Config, Arc<Contract>), Failed> {
    let is_whose = |contract: &Contract| match found {
        Found::Request(request) => contract.operation(request.content.request_type).is_some(),
        Found::Exchange(exchange) => {
            let rest = exchange.path.strip_prefix(contract.base_path());
            rest.is_some_and(|rest| rest.starts_with('/'))
        }
    };
    let index = contracts.iter().position(|(_, contract)| is_whose(contract)).unwrap_or_default();
    contracts.into_iter().nth(index).ok_or_else(|| Failed("there is no contract".to_owned()))
}

async fn note(id: &str, words: requests::NoteFlags, result: ResultFlag, store: StoreFlags) -> Result<(), Failed> {
    let (user, text) = words.check()?;
    let store = open_existing(&store.load()?).await?;
    match find(store.as_ref(), id).await? {
        Found::Request(request) => requests::note(store.as_ref(), request.number, user, text, result).await,
        Found::Exchange(exchange) => {
            let note = Note { at: Utc::now(), user, text };
            if !store.add_note(&exchange.id, note).await? {
                return Err(Failed(format!("exchange {id} has been deleted meanwhile")));
            }
            result.print(&format!("written down about exchange {id}"), &json!({"id": exchange.id}));
            Ok(())
        }
    }
}

fn print(exchange: &Exchange, notes: &[Note], dates: Dates) {
    let Exchange { id, number, at, duration_ms, timings, path, request, answer, error, user, .. } = exchange;
    let timings = timings.map(|timings| format!(" ({})", timings.in_words())).unwrap_or_default();
    let mut pieces = vec![Piece::heading(format!("Exchange {id}, number {number}\n"))];
    pieces.push(Piece::plain(format!("{}, {duration_ms} ms{timings}\n", dates.print(*at))));
    pieces.extend(user.as_ref().map(|user| Piece::plain(format!("user: {user}\n"))));
    pieces.extend(error.as_ref().map(|error| Piece::plain(format!("error: {error}\n"))));
    let written = |note: &Note| format!("NOTED: {}, by {}: {}\n", dates.print(note.at), note.user, note.text);
    pieces.extend(notes.iter().map(|note| Piece::plain(written(note))));
    pieces.extend(message_pieces(&format!("POST {path}"), request));
    let answer = answer.iter();
    pieces.extend(answer.flat_map(|a| message_pieces(&format!("HTTP {} {}", a.status, a.reason), &a.message)));
    output::pieces(pieces);
}

fn message_pieces(first: &str, message: &Message) -> Vec<Piece> {
    let mut pieces = vec![Piece::heading(format!("\n{first}\n"))];
    pieces.extend(message.headers.iter().map(|(name, value)| Piece::plain(format!("{name}: {value}\n"))));
    pieces.push(Piece::plain("\n"));
    pieces.extend(xml_pieces(&text_of(message)));
    pieces.push(Piece::plain(if message.is_truncated { "\n(only the beginning)\n" } else { "\n" }));
    pieces
}

fn text_of(message: &Message) -> String {
    text_of_partial(&message.body, message.header("content-type"))
}

fn to_json(exchange: &Exchange, notes: &[Note], dates: Dates) -> Value {
    let Exchange { id, number, at, duration_ms, timings, path, request, answer, error, user, .. } = exchange;
    let note = |note: &Note| json!({"date": dates.print(note.at), "user": note.user, "text": note.text});
    let notes: Vec<_> = notes.iter().map(note).collect();
    let message = |message: &Message| json!({"headers": message.headers, "body": text_of(message), "is_truncated": message.is_truncated});
    let answer = answer.as_ref();
    json!({
        "id": id.as_str(),
        "number": number,
        "date": dates.print(*at),
        "duration_ms": duration_ms,
        "timings": timings,
        "notes": notes,
        "path": path,
        "user": user,
        "error": error,
        "http_status": answer.map(|answer| answer.status),
        "request": message(request),
        "response": answer.map(|answer| message(&answer.message)),
    })
}
