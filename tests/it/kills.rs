//! Killing the gateway with SIGKILL again and again, at random moments and at each boundary of a request's life, beside a
//! Conax that remembers all it received. `KILLS=1000` makes it as many kills; a short run is part of the suite.

#![expect(clippy::print_stdout, reason = "the seed repeats a run, and the figures tell what it did")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    Conax, Gateway, Reaction, Received, WEB, answer_to, contract_with, eventually, operation_of, values_of,
};

/// Kills of the short run.
const KILLS: u64 = 12;
/// Clients at the same time, and requests that each one has to make between two kills.
const CLIENTS: u64 = 4;
const REQUESTS: u64 = 3;
/// Cards in use: few, so that requests meet on them.
const CARDS: u64 = 6;
/// How long a round waits for its boundary.
const ADMIT_TIMEOUT: Duration = Duration::from_millis(400);

/// Numbers as good as random, the same for the same seed (xorshift64*).
pub(super) struct Chance(pub(super) AtomicU64);

impl Chance {
    pub(super) fn below(&self, bound: u64) -> u64 {
        let next = |mut x: u64| {
            x ^= x >> 12;
            x ^= x << 25;
            x ^ (x >> 27)
        };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| Some(next(x))).unwrap();
        next(before).wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

/// Where a request is when the gateway is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Boundary {
    /// Its acceptance was answered, and it was not sent yet.
    SubmitResult,
    /// Conax has all of it, and has not answered.
    Sent,
    /// Conax has just answered.
    Answered,
    /// Its outcome was answered.
    Settled,
    /// Anywhere.
    Random,
}

const BOUNDARIES: [Boundary; 5] =
    [Boundary::SubmitResult, Boundary::Sent, Boundary::Answered, Boundary::Settled, Boundary::Random];

/// Announces that a boundary was reached.
#[derive(Default)]
pub(super) struct Stage {
    boundary: Mutex<Option<Boundary>>,
    reached: Notify,
}

impl Stage {
    fn wait_for(&self, boundary: Boundary) {
        *self.boundary.lock().unwrap() = Some(boundary);
    }

    /// True for the first one that reaches the boundary which this round waits for.
    fn reach(&self, boundary: Boundary) -> bool {
        let mut waited_for = self.boundary.lock().unwrap();
        let is_reached = *waited_for == Some(boundary);
        if is_reached {
            *waited_for = None;
            self.reached.notify_one();
        }
        is_reached
    }
}

/// The content of all requests that may be sent in one call; each has its tag as a second card.
const TOGETHER: &str = "99999999";

/// A contract by which such requests are sent in one call.
pub(super) fn coalescing_contract() -> tempfile::TempDir {
    let lines = "batch = 12\ncoalesce = true\n";
    contract_with(&[("CANCEL_SUBSCRIPTIONS", lines), ("DISPLAY_FINGERPRINT", lines)])
}

/// A request that a client means: its tag is in the SOAP message, and is its Idempotency-Key.
#[derive(Clone, Debug)]
pub(super) struct Meant {
    tag: String,
    method: &'static str,
    body: Value,
}

impl Meant {
    pub(super) fn new(chance: &Chance, tag: u64) -> Self {
        // Eight digits, so that one fits wherever a tag has to stand.
        let tag = (10_000_000 + tag).to_string();
        let cards = json!([{"smartcard_ca_id": format!("card-{}", chance.below(CARDS))}]);
        let mut both = cards.clone();
        both.as_array_mut().unwrap().push(json!({"smartcard_ca_id": tag}));
        let (method, mut body) = match chance.below(12) {
            0 => ("add_subscriptions", json!({"smartcard_set": cards, "service_ca_id": tag})),
            1 => ("cancel_subscriptions", json!({"smartcard_set": cards, "service_ca_id": tag})),
            2 => ("create_pairing", json!({"smartcard_set": cards, "stb_set": [{"stb_ca_id": tag}]})),
            3 => ("update_ca_pin_to_given_value", json!({"smartcard_set": cards, "ca_pin": tag})),
            4 => ("send_mail_message_to_client", json!({"smartcard_set": cards, "message": tag})),
            5 => ("display_fingerprint", json!({"smartcard_set": cards, "fingerprint_slot": tag})),
            6..=8 => ("cancel_subscriptions", json!({"smartcard_set": both, "service_ca_id": TOGETHER})),
            _ => ("display_fingerprint", json!({"smartcard_set": both, "fingerprint_slot": TOGETHER})),
        };
        let is_alone = !body.to_string().contains(TOGETHER);
        body["process_immediately"] = (is_alone && chance.below(2) == 0).into();
        body["priority"] = if is_alone && chance.below(3) == 0 { "EXPRESS" } else { "REGULAR" }.into();
        Self { tag, method, body }
    }
}

fn is_never(request_type: &Value) -> bool {
    request_type == "SEND_MAIL_MESSAGE_TO_CLIENT" || request_type == "DISPLAY_FINGERPRINT"
}

/// Settings of a gateway that retries soon and never gives up.
pub(super) const RESTLESS: [(&str, &str); 6] = [
    ("upstream.answer_timeout_s", "2"),
    ("upstream.breaker_failures", "1000000"),
    ("processor.backoff_initial_s", "0.02"),
    ("processor.backoff_max_s", "0.2"),
    ("processor.immediate_wait_s", "0.3"),
    ("processor.max_attempts", "1000000"),
];

/// A Conax that does what it is asked, and answers truthfully what is paired.
pub(super) async fn truthful_conax(stage: Arc<Stage>, chance: Arc<Chance>) -> Conax {
    let paired: Mutex<HashMap<String, Vec<String>>> = Mutex::default();
    Conax::start(move |_, request| {
        let card = values_of(request, "CaClientId").remove(0);
        let answer = match operation_of(request).0.as_str() {
            "GetPairingStatusForCard" => {
                let boxes = paired.lock().unwrap().get(&card).cloned().unwrap_or_default();
                let listed: String = boxes.iter().map(|b| format!("<PairingModuleId>{b}</PairingModuleId>")).collect();
                let status = if boxes.is_empty() { "NOT_PAIRED" } else { "PAIRED" };
                let payload =
                    format!("<PairingStatus>{status}</PairingStatus><PairingModuleIds>{listed}</PairingModuleIds>");
                answer_to(request, "OK", &payload)
            }
            _ => answer_to(request, "OK", ""),
        };
        let does_it = chance.below(4) > 0;
        if does_it && operation_of(request).0 == "CreatePairing" {
            paired.lock().unwrap().entry(card).or_default().extend(values_of(request, "PairingModuleId"));
        }
        if stage.reach(Boundary::Sent) {
            return Reaction::Hold(answer);
        }
        if stage.reach(Boundary::Answered) {
            return Reaction::Write(answer);
        }
        // A request that is not done is not answered either.
        if does_it { Reaction::After(Duration::from_millis(chance.below(20)), answer) } else { Reaction::Close }
    })
    .await
}

/// Makes requests until the gateway dies; what was not answered is returned, to be meant again.
pub(super) async fn be_a_client(
    http: reqwest::Client,
    (url, token): (String, String),
    (stage, answered): (Arc<Stage>, Arc<Mutex<HashMap<String, String>>>),
    meant: Vec<Meant>,
) -> Vec<Meant> {
    let mut left = Vec::new();
    for request in meant {
        let call = http.post(format!("{url}/crmapi/rest/v2/{WEB}/{}", request.method)).bearer_auth(&token);
        let call = call.header("content-type", "application/json").header("idempotency-key", &request.tag);
        let answer = async {
            let bytes = call.body(request.body.to_string()).send().await.ok()?.bytes().await.ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        // None, or one that says that the store is not to be had now.
        let Some(answer) = answer.await.filter(|answer| answer["status"]["code"] != "UNAVAILABLE") else {
            left.push(request);
            continue;
        };
        assert_eq!(answer["status"]["code"], "OK", "{answer:#}");
        let number = answer["data"]["number"].as_str().unwrap().to_owned();
        let known = answered.lock().unwrap().insert(request.tag, number.clone());
        assert!(known.is_none_or(|known| known == number), "a key gave two records");
        stage.reach(Boundary::SubmitResult);
        if answer["data"]["life_cycle_state"] != "PENDING" {
            stage.reach(Boundary::Settled);
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_sent_twice_by_accident() {
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = std::env::var("SEED").map_or_else(|_| rand::random::<u64>() | 1, |seed| seed.parse().unwrap());
    println!("SEED={seed} KILLS={kills}");
    let chance = Arc::new(Chance(AtomicU64::new(seed)));
    let stage = Arc::new(Stage::default());
    let conax = truthful_conax(Arc::clone(&stage), Arc::clone(&chance)).await;
    let contract = coalescing_contract();
    let dir = contract.path().display().to_string();
    // Few slots, so that requests are due together.
    let own = [("upstream.url", conax.url.as_str()), ("contract.dir", &dir), ("upstream.max_concurrency", "1")];
    let settings: Vec<_> = own.into_iter().chain(RESTLESS).collect();
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    let answered: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let (mut left, mut tags) = (Vec::new(), 0);
    for round in 0..=kills {
        let is_last = round == kills;
        let boundary = BOUNDARIES[usize::try_from(chance.below(5)).unwrap()];
        stage.wait_for(if is_last { Boundary::Random } else { boundary });
        let mut lists: Vec<Vec<Meant>> = vec![Vec::new(); usize::try_from(CLIENTS).unwrap()];
        for (index, request) in std::mem::take(&mut left).into_iter().enumerate() {
            let list = index % lists.len();
            lists[list].push(request);
        }
        for list in &mut lists {
            while list.len() < usize::try_from(REQUESTS).unwrap() {
                tags += 1;
                list.push(Meant::new(&chance, tags));
            }
        }
        let access = (gateway.url.clone(), client.token.clone());
        let shared = (Arc::clone(&stage), Arc::clone(&answered));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let clients: Vec<_> = lists
            .into_iter()
            .map(|list| tokio::spawn(be_a_client(http.clone(), access.clone(), shared.clone(), list)))
            .collect();
        if !is_last {
            match boundary {
                Boundary::Random => tokio::time::sleep(Duration::from_millis(chance.below(60))).await,
                _ => drop(tokio::time::timeout(ADMIT_TIMEOUT, stage.reached.notified()).await),
            }
            gateway.kill().await;
        }
        for client in clients {
            left.extend(client.await.unwrap());
        }
        if !is_last {
            gateway.start_again(&[]).await;
        }
    }
    assert!(left.is_empty(), "the last round is not killed: {left:?}");
    let client = crate::support::Client { url: gateway.url.clone(), ..client };
    let records = eventually(async || {
        let records = all_records(&client).await;
        records
            .iter()
            .all(|r| r["life_cycle_state"] != "PENDING" || r["delivery"]["state"] == "needs_operator")
            .then_some(records)
    })
    .await;
    check(&records, &answered.lock().unwrap(), &conax.received());
}

pub(super) async fn all_records(client: &crate::support::Client) -> Vec<Value> {
    let mut records: Vec<Value> = Vec::new();
    for state in ["PENDING", "COMPLETED", "REJECTED"] {
        let mut after = "0".to_owned();
        loop {
            let path = format!("{WEB}/list?life_cycle_state={state}&number_of_results=1000&after={after}");
            let page = client.get(&path).await.data().as_array().unwrap().clone();
            let Some(last) = page.last() else { break };
            last["number"].as_str().unwrap().clone_into(&mut after);
            records.extend(page);
        }
    }
    records
}

/// A request that Conax received: which one, and whether it asks or does.
struct Arrival<'r> {
    card: String,
    /// `None` for a query.
    record: Option<&'r Value>,
    body: &'r str,
    /// Did others come in the same call?
    is_joint: bool,
}

/// The requests that came in a call.
fn arrivals<'r>(request: &'r Received, by_tag: &HashMap<&str, &'r Value>) -> Vec<Arrival<'r>> {
    let tags = ["ProductId", "PairingModuleId", "CaPin", "Message", "FingerprintSlot"];
    let tag = tags.iter().find_map(|name| values_of(request, name).pop());
    let find = |tag: &str| *by_tag.get(tag).unwrap_or_else(|| panic!("{tag} was never accepted"));
    let (mut cards, body) = (values_of(request, "CaClientId"), request.body.as_str());
    if tag.as_deref() == Some(TOGETHER) {
        let is_joint = cards.len() > 2;
        let arrival = |both: &[String]| Arrival { card: both[0].clone(), record: Some(find(&both[1])), body, is_joint };
        return cards.chunks(2).map(arrival).collect();
    }
    vec![Arrival { card: cards.remove(0), record: tag.as_deref().map(find), body, is_joint: false }]
}

pub(super) fn check(records: &[Value], answered: &HashMap<String, String>, received: &[Received]) {
    let by_number: HashMap<&str, &Value> = records.iter().map(|r| (r["number"].as_str().unwrap(), r)).collect();
    assert_eq!(by_number.len(), records.len(), "no number twice");
    let mut by_tag: HashMap<&str, &Value> = HashMap::new();
    for (tag, number) in answered {
        let record = by_number.get(number.as_str());
        by_tag.insert(tag, record.unwrap_or_else(|| panic!("request {number} was accepted, and is lost")));
    }
    assert_eq!(by_tag.len(), records.len(), "each record belongs to one key");

    let arrivals: Vec<Arrival<'_>> = received.iter().flat_map(|request| arrivals(request, &by_tag)).collect();
    let number_of = |record: &Value| record["number"].as_str().unwrap().to_owned();
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut last_of_card: HashMap<&str, i64> = HashMap::new();
    let mut alone: HashMap<String, &str> = HashMap::new();
    let (mut repeated, mut joint) = (0, 0);
    for (index, Arrival { card, record, body, is_joint }) in arrivals.iter().enumerate() {
        let Some(record) = record else { continue };
        let (number, request_type) = (number_of(record), &record["type"]);
        let sequence = record["sequence_number"].as_i64().unwrap();
        let latest = last_of_card.entry(card).or_insert(0);
        assert!(sequence >= *latest, "request {number} of {card} came after a later one");
        *latest = sequence;
        joint += u32::from(*is_joint);
        let own = if *is_joint { None } else { alone.insert(number.clone(), body) };
        assert!(own.is_none_or(|own| own == *body), "request {number} came with other bytes");
        let Some(before) = first.insert(number.clone(), index) else { continue };
        assert!(!is_joint, "request {number} was in doubt, and came again with others");
        repeated += 1;
        assert!(!is_never(request_type), "request {number}, {request_type}, came twice");
        let asked = arrivals[before..index].iter().any(|a| a.record.is_none() && a.card == *card);
        assert!(
            request_type != "CREATE_PAIRING" || asked,
            "request {number} came again without a look at what is paired"
        );
    }
    for record in records {
        let (number, arrived) = (number_of(record), first.contains_key(&number_of(record)));
        match record["life_cycle_state"].as_str().unwrap() {
            "COMPLETED" => assert!(arrived, "request {number} is COMPLETED, and was never sent"),
            state => {
                assert_eq!((state, &record["error_code"]), ("PENDING", &json!("OUTCOME_UNKNOWN")), "{record:#}");
                assert!(is_never(&record["type"]) && record["delivery"]["in_doubt"] == true, "{record:#}");
            }
        }
    }
    println!("{} requests, {} arrivals, {repeated} repeated, {joint} with others", records.len(), arrivals.len());
}
