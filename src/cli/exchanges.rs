//! `exchanges list | show | export | tail`: raw SOAP traffic from the terminal, passed through and of our own requests
//! alike. It only reads from the store, while the gateway runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::settings::{StoreFlags, open_existing};
use super::{Failed, output, requests};
use crate::api::{Dates, Record};
use crate::app::{self, StartError};
use crate::exchange::{Exchange, Message, Summary};
use crate::recording::{self, Recorder};
use crate::request::{ProvisioningRequest, RecordId};
use crate::shutdown::Signals;
use crate::soap::texts::text_of_partial;
use crate::store::{ExchangeFilter, RecordKey, RequestStore, SentAttempt, Store};
use crate::transport;
use crate::words::Word as _;

/// How often `tail` looks for new ones.
const LOOK: Duration = Duration::from_millis(500);
/// Seconds after its end within which an attempt is in the store.
const LAG_S: i64 = 30;
/// Exchanges that `tail` prints at a time, at most.
const AT_ONCE: u64 = 10_000;
/// Exchanges of a list, at most: they are put in order in memory.
const MOST: u64 = 100_000;
/// The columns of a list.
const HEADINGS: [&str; 6] = ["ID", "TIME", "STATUS", "MS", "STATE", "WHAT"];

/// Flags of `exchanges`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists what was passed through and every attempt at a request that was sent, the newest last.
    List {
        /// At most that many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=MOST))]
        limit: u64,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Shows everything of one: both raw texts; of a request every attempt.
    Show {
        /// Its id, or the number of a request.
        id: String,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Adds one to a folder of fixtures, redacted: a request with every attempt that was sent.
    Export {
        /// Its id, or the number of a request.
        id: String,
        /// The folder; it is made if there is none.
        dir: PathBuf,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Prints new ones as they come, until it is interrupted or its reader goes away.
    Tail(StoreFlags),
}

/// A line of the list; they are in the order in which they ended.
struct Line {
    ended_at: DateTime<Utc>,
    cells: [String; 6],
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::List { limit, store } => list(limit, store).await,
        Action::Show { id, store } => show(&id, store).await,
        Action::Export { id, dir, store } => export(&id, &dir, store).await,
        Action::Tail(store) => tail(store).await,
    }
}

async fn list(limit: u64, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config)?;
    let filter = ExchangeFilter { after: 0, limit, newest_first: true };
    let passed = store.list_exchanges(filter).await?.into_iter().map(|summary| passed_line(&summary, dates));
    let sent = store
        .list_sent_attempts(DateTime::UNIX_EPOCH, limit)
        .await?
        .into_iter()
        .map(|attempt| sent_line(&attempt, dates));
    let mut lines: Vec<Line> = passed.chain(sent).collect();
    lines.sort_by_key(|line| line.ended_at);
    let first = lines.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    output::table(HEADINGS, lines.into_iter().skip(first).map(|line| line.cells));
    Ok(())
}

fn passed_line(summary: &Summary, dates: Dates) -> Line {
    let Summary { id, number: _, at, duration_ms, path, status, error } = summary;
    let state = if error.is_some() { "BROKEN" } else { "PASSED" };
    let what = error.as_ref().map_or(path.clone(), |error| format!("{path}: {error}"));
    Line {
        ended_at: *at + TimeDelta::milliseconds(*duration_ms),
        cells: cells(id, dates.print(*at), *status, *duration_ms, state, what),
    }
}

fn sent_line(attempt: &SentAttempt, dates: Dates) -> Line {
    let SentAttempt { id, number, kind, state, attempt, started_at, duration_ms, http_status, error } = attempt;
    let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let what = format!("{kind}, request {number}{again}{error}");
    let time = dates.print(*started_at);
    let ended_at = *started_at + TimeDelta::milliseconds(*duration_ms);
    Line { ended_at, cells: cells(id, time, *http_status, *duration_ms, state.as_str(), what) }
}

fn cells(id: &RecordId, time: String, status: Option<u16>, ms: i64, state: &str, what: String) -> [String; 6] {
    let status = status.map_or("-".to_owned(), |status| status.to_string());
    [id.to_string(), time, status, ms.to_string(), state.to_owned(), what]
}

async fn tail(store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config)?;
    let mut signals = Signals::listen()?;
    let newest = ExchangeFilter { after: 0, limit: 1, newest_first: true };
    let mut after = store.list_exchanges(newest).await?.first().map_or(0, |summary| summary.number);
    let mut seen = HashMap::new();
    new_attempts(store.as_ref(), &mut seen).await?;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = signals.wait() => return Ok(()),
        }
        let filter = ExchangeFilter { after, limit: AT_ONCE, newest_first: false };
        let passed = store.list_exchanges(filter).await?;
        after = passed.last().map_or(after, |summary| summary.number);
        let sent = new_attempts(store.as_ref(), &mut seen).await?;
        let passed = passed.iter().map(|summary| passed_line(summary, dates));
        let mut lines: Vec<Line> = passed.chain(sent.iter().map(|attempt| sent_line(attempt, dates))).collect();
        lines.sort_by_key(|line| line.ended_at);
        if !output::lines(lines.iter().map(|line| output::joined(&line.cells))) || !output::has_reader() {
            return Ok(());
        }
    }
}

/// The attempts that are not among those seen; then they are.
async fn new_attempts(
    store: &dyn RequestStore,
    seen: &mut HashMap<(i64, u32), DateTime<Utc>>,
) -> Result<Vec<SentAttempt>, Failed> {
    let since = Utc::now() - TimeDelta::seconds(LAG_S);
    let mut sent = store.list_sent_attempts(since, AT_ONCE).await?;
    sent.retain(|attempt| {
        let ended_at = attempt.started_at + TimeDelta::milliseconds(attempt.duration_ms);
        seen.insert((attempt.number, attempt.attempt), ended_at).is_none()
    });
    seen.retain(|_, ended_at| *ended_at >= since);
    Ok(sent)
}

/// What an id names.
enum Found {
    Passed(Box<Exchange>),
    Request(Box<ProvisioningRequest>),
}

async fn find(store: &dyn Store, id: &str) -> Result<Found, Failed> {
    let missing = || Failed(format!("there is no exchange or request {id}"));
    let key = match (RecordId::parse(&id.to_uppercase()), id.parse()) {
        (Some(id), _) => {
            if let Some(exchange) = store.find_exchange(&id).await? {
                return Ok(Found::Passed(Box::new(exchange)));
            }
            RecordKey::Id(id)
        }
        (None, Ok(number)) => RecordKey::Number(number),
        (None, Err(_)) => return Err(missing()),
    };
    store.find_request(None, key).await?.map(|request| Found::Request(Box::new(request))).ok_or_else(missing)
}

async fn show(id: &str, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config)?;
    match find(store.as_ref(), id).await? {
        Found::Passed(exchange) => {
            print(&exchange, dates);
            Ok(())
        }
        Found::Request(request) => requests::print(store.as_ref(), &request, dates).await,
    }
}

async fn export(id: &str, dir: &Path, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let store = open_existing(&config)?;
    let found = find(store.as_ref(), id).await?;
    let contract = app::load_contract(&config)?;
    let pseudonymizer = transport::pseudonymizer(&config, &contract)?;
    let recorder = Recorder::open(dir, transport::message_rules(&config, &contract), Arc::clone(&pseudonymizer));
    let recorder = recorder.map_err(StartError::from)?;
    let labels = match found {
        Found::Passed(exchange) => {
            let added = recording::export_exchange(&recorder, pseudonymizer.names(), contract.base_path(), &exchange);
            added.map_err(|e| Failed(e.to_string()))?.into_iter().collect()
        }
        Found::Request(request) => {
            let kind = request.content.request_type;
            let operation = contract.operation(kind);
            let operation =
                operation.ok_or_else(|| Failed(format!("the SOAP contract has no operation for {kind}")))?;
            let reply = Record::new(&request, Dates(config.server.time_zone)).to_reply();
            let attempts = store.list_attempts(request.number).await?;
            let call = request.content.call_with_secret().unwrap_or_default();
            let entries = transport::find_entries(store.as_ref(), &call).await?;
            recording::export_request(&recorder, operation, &request, &attempts, &reply, &entries)?
        }
    };
    output::lines(labels.iter().map(|label| dir.join(label).display().to_string()));
    if labels.is_empty() {
        output::note("nothing new: it was not sent, or the folder has it already");
    }
    Ok(())
}

fn print(exchange: &Exchange, dates: Dates) {
    let Exchange { id, number, at, duration_ms, path, request, answer, error, error_type: _, user } = exchange;
    let mut parts = vec![format!("exchange {id}, number {number}: {}, {duration_ms} ms", dates.print(*at))];
    parts.extend(user.as_ref().map(|user| format!("user: {user}")));
    parts.extend(error.as_ref().map(|error| format!("error: {error}")));
    parts.push(message_in_words(&format!("POST {path}"), request));
    let answer = answer.as_ref();
    parts.extend(answer.map(|a| message_in_words(&format!("HTTP {} {}", a.status, a.reason), &a.message)));
    output::lines(parts);
}

fn message_in_words(first: &str, message: &Message) -> String {
    let mut text = format!("\n{first}\n");
    for (name, value) in &message.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    text.push_str(&text_of_partial(&message.body, message.header("content-type")));
    if message.is_truncated {
        text.push_str("\n(only the beginning)");
    }
    text
}
