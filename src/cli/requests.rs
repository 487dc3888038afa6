//! `requests list | show | retry | cancel | settle`: provisioning requests from the terminal.

use chrono::{DateTime, Utc};
use strum::VariantArray as _;

use super::settings::{StoreFlags, open_existing};
use super::{Failed, output};
use crate::api::{Dates, Record};
use crate::request::{Attempt, Decision, Event, Order, ProvisioningRequest, RequestType, State};
use crate::store::{Filter, RecordKey, RequestStore};
use crate::words::Word as _;
use crate::words::parse_word;

/// Requests that a list reads at a time.
const PAGE: u64 = 500;

/// Flags of `requests`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists requests, oldest first.
    List(ListArgs),
    /// Shows one request as the API does, and its history: every attempt at it, and every decision.
    Show {
        /// Its number.
        number: i64,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Sends a request again whose outcome is unknown, or one that could not be delivered, without waiting.
    Retry(Decide),
    /// Rejects a request that was not sent yet.
    Cancel(Decide),
    /// Ends a request whose outcome is unknown, after somebody looked in Conax.
    Settle {
        /// What Conax did: completed, or rejected for "it was not done".
        #[arg(long = "as", value_name = "completed|rejected", value_parser = ["completed", "rejected"], ignore_case = true)]
        found: String,
        /// Conax's transaction id, if known.
        #[arg(long)]
        reference: Option<String>,
        #[command(flatten)]
        decide: Decide,
    },
}

/// A decision about one request; a running gateway sees it within `processor.poll_s`.
#[derive(Debug, clap::Args)]
struct Decide {
    /// Its number.
    number: i64,
    /// Why; it is kept in the request's history.
    #[arg(long)]
    reason: String,
    /// Who decides; it is kept as well.
    #[arg(long, env = "USER", hide_env_values = true)]
    user: String,
    #[command(flatten)]
    store: StoreFlags,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this type, such as CREATE_PAIRING.
    #[arg(long = "type", value_name = "TYPE", value_parser = |word: &str| {
        parse_word(word, RequestType::all(), RequestType::as_str).map_err(|expected| format!("must be {expected}"))
    })]
    kind: Option<RequestType>,
    /// Only this state: PENDING, COMPLETED or REJECTED.
    #[arg(long, value_parser = |word: &str| {
        parse_word(word, State::VARIANTS.iter().copied(), State::as_str).map_err(|expected| format!("must be {expected}"))
    })]
    state: Option<State>,
    /// Only those that touch this smartcard.
    #[arg(long, value_name = "CA_ID")]
    card: Option<String>,
    /// Only those in doubt that wait for an operator's decision.
    #[arg(long)]
    in_doubt: bool,
    /// Only those with a greater number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: i64,
    /// At most that many.
    #[arg(long, default_value_t = 100)]
    limit: u64,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    match args.action {
        Action::List(args) => list(args).await,
        Action::Show { number, store } => show(number, store).await,
        Action::Retry(args) => decide(args, Decision::Retry).await,
        Action::Cancel(args) => decide(args, Decision::Cancel).await,
        Action::Settle { found, reference, decide: args } => {
            decide(args, Decision::Resolve { completed: found.eq_ignore_ascii_case("completed"), reference }).await
        }
    }
}

async fn list(args: ListArgs) -> Result<(), Failed> {
    let config = args.store.load()?;
    let dates = Dates(config.server.time_zone);
    let mut filter = Filter {
        kind: args.kind,
        state: args.state,
        card: args.card,
        needs_operator: args.in_doubt,
        after: args.after,
        ..Filter::default()
    };
    let store = open_existing(&config)?;
    let mut table = output::Table::new(["NUMBER", "TYPE", "STATE", "UPDATED", "REFERENCE", "ERROR"]);
    let mut left = args.limit;
    let mut has_reader = true;
    while left > 0 && has_reader {
        filter.limit = left.min(PAGE);
        let page = store.list_requests(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.after = last.number;
        left -= page.len() as u64;
        has_reader = page.iter().all(|request| table.row(row(request, dates)));
    }
    table.end();
    Ok(())
}

fn row(request: &ProvisioningRequest, dates: Dates) -> [String; 6] {
    [
        request.number.to_string(),
        request.content.request_type.to_string(),
        request.state.as_str().to_owned(),
        dates.print(request.updated_at),
        request.reference_number.clone().unwrap_or_default(),
        request.failure.as_ref().map(|failure| failure.code.clone()).unwrap_or_default(),
    ]
}

async fn show(number: i64, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let store = open_existing(&config)?;
    let found = store.find_request(None, RecordKey::Number(number)).await?;
    let request = found.ok_or_else(|| Failed(format!("there is no request {number}")))?;
    print(store.as_ref(), &request, Dates(config.server.time_zone)).await
}

/// A request as the API shows it, and its history.
pub(super) async fn print(store: &dyn RequestStore, request: &ProvisioningRequest, dates: Dates) -> Result<(), Failed> {
    let json = serde_json::to_string_pretty(&Record::new(request, dates)).map_err(|e| Failed(e.to_string()))?;
    let mut history: Vec<(DateTime<Utc>, String)> = Vec::new();
    for attempt in store.list_attempts(request.number).await? {
        history.push((attempt.started_at, attempt_in_words(&attempt, request, dates)));
    }
    for event in store.list_events(request.number).await? {
        history.push((event.at, event_in_words(&event, dates)));
    }
    history.sort_by_key(|(at, _)| *at);
    output::lines([&json].into_iter().chain(history.iter().map(|(_, words)| words)));
    Ok(())
}

fn attempt_in_words(attempt: &Attempt, request: &ProvisioningRequest, dates: Dates) -> String {
    let Attempt { attempt, started_at, duration_ms, sent, http_status, error, response, .. } = attempt;
    let status = http_status.map_or("no HTTP status".to_owned(), |s| format!("HTTP {s}"));
    let error = error.as_ref().map(|e| format!(", {e}")).unwrap_or_default();
    let body = request.content.envelope.as_ref().filter(|_| *sent).map(|envelope| envelope.redacted.as_str());
    format!("attempt {attempt}: {}, {duration_ms} ms, {status}{error}", dates.print(*started_at))
        + &texts(body, response.as_deref())
}

fn event_in_words(event: &Event, dates: Dates) -> String {
    let mut words = format!("{}: {}", event.kind.as_str(), dates.print(event.at));
    let parts = [
        event.duration_ms.map(|ms| format!("{ms} ms")),
        event.http_status.map(|status| format!("HTTP {status}")),
        event.user.as_ref().map(|user| format!("by {user}")),
    ];
    for part in parts.into_iter().flatten() {
        words.push_str(&format!(", {part}"));
    }
    let text = event.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    words + &text + &texts(event.request.as_deref(), event.response.as_deref())
}

fn texts(request: Option<&str>, response: Option<&str>) -> String {
    let line = |name: &str, text: Option<&str>| text.map(|text| format!("\n  {name}: {text}")).unwrap_or_default();
    line("request", request) + &line("response", response)
}

async fn decide(args: Decide, decision: Decision) -> Result<(), Failed> {
    let Decide { number, reason, user, store } = args;
    if reason.trim().is_empty() || user.trim().is_empty() {
        return Err(Failed("--reason and --user must not be empty".to_owned()));
    }
    let config = store.load()?;
    let order = Order { decision, user, reason, at: Utc::now() };
    let request = open_existing(&config)?.decide_request(number, order).await?;
    output::line(&match request.state {
        State::Pending => format!("request {number} is sent again as soon as a gateway runs"),
        state => format!("request {number} is {}", state.as_str()),
    });
    Ok(())
}
