//! A decision about all requests that a search finds: the requests are first counted, and the decision then concerns
//! exactly the counted requests, each by the rules for a single request.
//!
//! Rule: a decision concerns only requests that the operator was told of. Later requests are not touched, and a request
//! whose state has changed meanwhile rejects the decision.

use serde::Serialize;

use super::decide::{AGAIN, take_reason};
use super::list::{take_search, to_data};
use crate::api::{Api, ApiError, Data, Params, Session, resubmit};
use crate::request::{Decision, Order, ProvisioningRequest, State};
use crate::search::{Condition, Search, Standing};
use crate::store::{RequestQuery, RequestStore, Resubmission, StoreError};

/// The largest number of requests of one decision; the rest need another decision.
const MOST: usize = 1000;
/// The largest number of requests that a search looks at, and the number per page.
const LOOKED_AT: usize = 10_000;
const PAGE: u64 = 500;

/// The decisions that may be taken about many requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionOfAll {
    /// Send each request once more now.
    Retry,
    /// Cancel each request.
    Cancel,
    /// Submit each request's call once more.
    Again,
}

/// The requests that a decision would concern.
#[derive(Debug, Serialize)]
pub struct Matches {
    /// Numbers of the requests, oldest first.
    pub numbers: Vec<i64>,
    /// Are there perhaps further requests?
    pub is_cut: bool,
}

/// The result of a decision about many requests.
#[derive(Debug, Default, Serialize)]
pub struct Decided {
    /// The number of requests for which the decision was carried out.
    pub done: usize,
    /// The requests that did not allow the decision.
    pub refused: Vec<Refused>,
}

/// A request that did not allow the decision.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// Number of the request.
    pub number: i64,
    /// The reason.
    pub message: String,
}

impl DecisionOfAll {
    /// All decisions, by name.
    const ALL: [(&str, Self); 3] = [("retry", Self::Retry), ("cancel", Self::Cancel), (AGAIN, Self::Again)];

    /// The states of requests that may allow the decision.
    fn states(self) -> Vec<Standing> {
        let states = match self {
            Self::Retry | Self::Cancel => &[State::Pending][..],
            Self::Again => &[State::Completed, State::Rejected],
        };
        states.iter().copied().map(Standing::Request).collect()
    }

    fn is_allowed(self, request: &ProvisioningRequest) -> bool {
        match self {
            Self::Retry => request.allows(&Decision::Retry, request.updated_at),
            Self::Cancel => request.allows(&Decision::Cancel, request.updated_at),
            Self::Again => resubmit::is_possible(request),
        }
    }
}

/// The newest requests that a search finds, and that allow a decision.
///
/// # Errors
/// The store.
pub async fn find_matches(
    store: &dyn RequestStore,
    mut search: Search,
    decision: DecisionOfAll,
) -> Result<Matches, StoreError> {
    search.require(Condition::State(decision.states()));
    let mut query = RequestQuery { search, newest_first: true, limit: PAGE, ..RequestQuery::default() };
    let (mut numbers, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = store.list_requests(query.clone()).await?;
        let Some(last) = page.last() else { break };
        query.before = Some(last.number);
        looked_at += page.len();
        numbers.extend(page.iter().filter(|request| decision.is_allowed(request)).map(|request| request.number));
        if numbers.len() > MOST || looked_at >= LOOKED_AT {
            break;
        }
    }
    let is_cut = numbers.len() > MOST || looked_at >= LOOKED_AT;
    numbers.truncate(MOST);
    // Ordered by arrival, since a card's requests are sent in that order.
    numbers.reverse();
    Ok(Matches { numbers, is_cut })
}

/// Carries out a decision for each of these requests, one after the other.
///
/// # Errors
/// The store fails; decisions carried out before that stay.
pub async fn decide_each(
    api: &Api,
    decision: DecisionOfAll,
    numbers: &[i64],
    (user, reason): (&str, &str),
) -> Result<Decided, ApiError> {
    let mut decided = Decided::default();
    for number in numbers {
        let (user, reason) = (user.to_owned(), reason.to_owned());
        let order = |decision| Order { decision, user: user.clone(), reason: reason.clone(), at: api.clock.now() };
        let refused = match decision {
            DecisionOfAll::Retry => refusal(api.store.decide_request(*number, order(Decision::Retry)).await)?,
            DecisionOfAll::Cancel => refusal(api.store.decide_request(*number, order(Decision::Cancel)).await)?,
            DecisionOfAll::Again => match resubmit::call(api, Resubmission { of: *number, user, reason }).await {
                Ok(_) => None,
                Err(error) if error.private.is_some() => return Err(error),
                Err(error) => Some(error.message),
            },
        };
        match refused {
            None => decided.done += 1,
            Some(message) => decided.refused.push(Refused { number: *number, message }),
        }
    }
    api.processors.wake();
    Ok(decided)
}

/// Why a request does not allow the decision; any other error is returned as an error.
fn refusal(decided: Result<ProvisioningRequest, StoreError>) -> Result<Option<String>, ApiError> {
    match decided {
        Ok(_) => Ok(None),
        Err(StoreError::NotAllowed(why)) => Ok(Some(why)),
        Err(error) => Err(error.into()),
    }
}

/// The method that counts the requests that a decision would concern.
///
/// # Errors
/// A parameter, or the store.
pub async fn matches(api: &Api, mut params: Params) -> Result<Data, ApiError> {
    let search = take_search(api, &mut params)?;
    let name = params.mandatory_text("decision")?;
    let decision = decision_of(&name)?;
    params.finish()?;
    to_data(&find_matches(api.store.as_ref(), search, decision).await?)
}

/// The method that decides about the requests with these numbers.
///
/// # Errors
/// A parameter, or the store.
pub async fn decide_all(api: &Api, session: &Session, name: &str, mut params: Params) -> Result<Data, ApiError> {
    let decision = decision_of(name)?;
    let reason = take_reason(&mut params)?;
    let numbers: Result<Vec<i64>, _> = params.texts("numbers")?.iter().map(|text| text.parse()).collect();
    params.finish()?;
    let numbers = numbers.ok().filter(|numbers| (1..=MOST).contains(&numbers.len())).ok_or_else(|| {
        ApiError::invalid(
            "$.numbers",
            format!("numbers must be 1 to {MOST} numbers of requests, with commas between them."),
        )
    })?;
    to_data(&decide_each(api, decision, &numbers, (&session.user.username, &reason)).await?)
}

fn decision_of(name: &str) -> Result<DecisionOfAll, ApiError> {
    let found = DecisionOfAll::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, decision)| decision);
    let names = DecisionOfAll::ALL.map(|(name, _)| name).join(", ");
    found.ok_or_else(|| {
        ApiError::invalid("$.decision", format!("There is no such decision about many; there are {names}."))
    })
}
