//! `requests retry | cancel | again --all-matching`: one decision about all requests that a filter finds, as on the page of
//! the inspector: counted, asked, and kept in the history of each.

use std::io::{BufRead as _, IsTerminal as _};

use chrono::Utc;

use super::again::api_beside;
use super::decide::{Checked, OrderFlags};
use crate::cli::{Failed, output};
use crate::inspector::{DecisionOfAll, decide_each, find_matches};
use crate::search::{Search, SearchFault};

/// Refusals that are printed.
const SHOWN: usize = 20;

pub(super) async fn decide_all(
    decision: DecisionOfAll,
    filter: &str,
    is_asked: bool,
    by: OrderFlags,
) -> Result<(), Failed> {
    let Checked { reason, user, result, config, store } = by.check().await?;
    let search = Search::parse(filter, Utc::now(), config.server.time_zone);
    let search = search.map_err(|SearchFault(why)| Failed(format!("--all-matching: {why}")))?;
    let matches = find_matches(store.as_ref(), search, decision).await?;
    let (count, word) = (matches.numbers.len(), if matches.numbers.len() == 1 { "request" } else { "requests" });
    let ends = matches.numbers.first().zip(matches.numbers.last());
    let Some((first, last)) = ends else {
        return Err(Failed("no request that matches allows that".to_owned()));
    };
    if is_asked {
        let more = if matches.is_cut { "; there are more, for the next time" } else { "" };
        output::note(&format!("{count} {word}, numbers {first} to {last}{more}. Go on? [y/N]"));
        if !is_yes()? {
            return Err(Failed("nothing was done".to_owned()));
        }
    }
    let api = api_beside(config, store)?;
    let decided = decide_each(&api, decision, &matches.numbers, (&user, &reason)).await;
    let decided = decided.map_err(|error| Failed(error.private.unwrap_or(error.message)))?;
    let refused = decided.refused.iter().take(SHOWN).map(|refused| refused.message.clone());
    let summary = format!("{} done, {} not", decided.done, decided.refused.len());
    result.print_lines([summary].into_iter().chain(refused), &serde_json::to_value(&decided).unwrap_or_default());
    Ok(())
}

/// The answer of whoever sits at the terminal; nobody has agreed where there is none.
fn is_yes() -> Result<bool, Failed> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failed("nobody can be asked here: --yes goes on without".to_owned()));
    }
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| Failed(error.to_string()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
