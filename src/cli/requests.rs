//! `requests list | show`: provisioning requests from the terminal.

use super::settings::{StoreFlags, open_existing};
use super::{Failed, output};
use crate::api::{Dates, Record};
use crate::request::{Attempt, RequestType, State};
use crate::store::{Filter, RecordKey};

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
    /// Shows one request as the API does, and every attempt at it.
    Show {
        /// Its number.
        number: i64,
        #[command(flatten)]
        store: StoreFlags,
    },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this type, such as CREATE_PAIRING.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<RequestType>,
    /// Only this state: PENDING, COMPLETED or REJECTED.
    #[arg(long, value_parser = |word: &str| State::parse(word).ok_or("not a state"))]
    state: Option<State>,
    /// Only those that touch this smartcard.
    #[arg(long, value_name = "CA_ID")]
    card: Option<String>,
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
    }
}

async fn list(args: ListArgs) -> Result<(), Failed> {
    let config = args.store.load()?;
    let dates = Dates(config.server.time_zone);
    let filter = Filter {
        kind: args.kind,
        state: args.state,
        card: args.card,
        after: args.after,
        limit: args.limit,
        ..Filter::default()
    };
    let rows: Vec<_> = open_existing(&config)?
        .list(filter)
        .await?
        .iter()
        .map(|r| {
            vec![
                r.number.to_string(),
                r.asked.kind.to_string(),
                r.state.as_str().to_owned(),
                dates.print(r.updated_at),
                r.reference_number.clone().unwrap_or_default(),
                r.failure.as_ref().map(|f| f.code.clone()).unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&["NUMBER", "TYPE", "STATE", "UPDATED", "REFERENCE", "ERROR"], &rows);
    Ok(())
}

async fn show(number: i64, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let dates = Dates(config.server.time_zone);
    let store = open_existing(&config)?;
    let found = store.find(None, RecordKey::Number(number)).await?;
    let request = found.ok_or_else(|| Failed(format!("there is no request {number}")))?;
    let json = serde_json::to_string_pretty(&Record::new(&request, dates)).map_err(|e| Failed(e.to_string()))?;
    output::line(&json);
    for attempt in store.attempts(number).await? {
        let Attempt { attempt, started_at, duration_ms, http_status, error, .. } = attempt;
        let status = http_status.map_or("no HTTP status".to_owned(), |s| format!("HTTP {s}"));
        let error = error.map(|e| format!(", {e}")).unwrap_or_default();
        output::line(&format!("attempt {attempt}: {}, {duration_ms} ms, {status}{error}", dates.print(started_at)));
    }
    Ok(())
}
