//! What the two commits of immediate requests cost in the embedded store, durable as it is by default: so many requests come at
//! once, are accepted, and have their outcomes committed.
//!
//! The database lies in Cargo's target folder: what a disk costs shows only on a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use conax_gateway::account::{Role, Unit, User};
use conax_gateway::config::{Inputs, load};
use conax_gateway::request::{
    Attempt, Envelope, Family, Item, NewRequest, Outcome, Priority, RecordId, Rendered, RequestType,
};
use conax_gateway::store::{self, Access, AttemptCommit, NodeId, Store, Submission, SubmitResult};
use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::future::join_all;
use tempfile::TempDir;

const REQUEST: &str = include_str!("../fixtures/CREATE_PAIRING/success/request.xml");
const ANSWER: &str = include_str!("../fixtures/CREATE_PAIRING/success/response.xml");
const CALL: &str = include_str!("../fixtures/CREATE_PAIRING/success/call.json");
/// Requests that come at the same time.
const TOGETHER: [u64; 4] = [1, 8, 32, 256];
/// Different cards: far more than the pages that a commit touches.
const CARDS: u64 = 200_000;

fn main() {
    divan::main();
}

/// A store of its own, with a user.
struct Opened {
    store: Arc<dyn Store>,
    user: Arc<User>,
    node: NodeId,
    _folder: TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("Cargo's folder can be written");
    let mut config = load(&Inputs::default()).config.store;
    folder.path().clone_into(&mut config.data_dir);
    let store = store::open(&config, Access::Command).await.expect("the folder is new");
    let user = User {
        id: RecordId::new(Utc::now()).to_string(),
        username: "bench".to_owned(),
        person_name: None,
        email: None,
        role: Role::Provision,
        unit: Unit::default(),
    };
    store.add_user(user.clone(), String::new()).await.expect("the store is empty");
    Opened { store, user: Arc::new(user), node: NodeId::random(), _folder: folder }
}

fn submission(opened: &Opened, count: u64) -> Submission {
    // Steps through all cards as if at random.
    let (card, stb) = (format!("{:011}", count * 7_919 % CARDS), format!("STB-{:07}", count * 104_729 % CARDS));
    let now = Utc::now();
    let request = NewRequest {
        id: RecordId::new(now),
        family: Family::WebServices,
        request_type: RequestType::named("CREATE_PAIRING"),
        priority: Priority::Regular,
        process_immediately: Some(true),
        scheduled_at: now,
        items: vec![Item::new("smartcard_ca_id", Some(card.clone())), Item::new("stb_ca_id", Some(stb.clone()))],
        subscription: None,
        cards: vec![card],
        stbs: vec![stb],
        api_call: Some(CALL.to_owned()),
        rendered: Some(Rendered::Whole(Envelope { redacted: REQUEST.to_owned(), raw: None })),
        joint_fields: None,
        rejection: None,
        correlation: None,
        created_by: Arc::clone(&opened.user),
        created_at: now,
    };
    let (request, lease_to) = (Arc::new(request), Some(opened.node.clone()));
    Submission { request, render: None, lease_to, key: None, resubmission: None }
}

/// Accepts a request, and commits that it was done.
async fn provision(opened: &Opened, count: u64) {
    let submitted = opened.store.submit(vec![submission(opened, count)]).await.expect("the disk has room");
    let Some(SubmitResult::New { mut request, lease: Some(lease) }) = submitted.into_iter().next() else {
        panic!("the card of request {count} is not free");
    };
    let now = Utc::now();
    let attempt = Attempt {
        attempt: 1,
        part: None,
        started_at: now,
        duration_ms: 1,
        sent: true,
        http_status: Some(200),
        error: None,
        response: Some(ANSWER.into()),
        content_type: Some("text/xml; charset=utf-8".to_owned()),
        joint_call: None,
        timings: None,
    };
    let outcome = Outcome::Completed { reference: Some(format!("{count:016X}")), result: None };
    request.apply(outcome, Some(&attempt), now);
    let commit = AttemptCommit { request, lease, keeps_lease: false, attempt: Some(attempt), events: Vec::new() };
    opened.store.commit_attempts(vec![commit]).await.expect("the disk has room");
}

#[divan::bench(args = TOGETHER)]
fn group_commit(bencher: Bencher, together: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (opened, count) = (runtime.block_on(open()), AtomicU64::new(0));
    bencher.counter(ItemsCount::new(together)).bench(|| {
        let first = count.fetch_add(together, Ordering::Relaxed);
        runtime.block_on(join_all((first..first + together).map(|count| provision(&opened, count))))
    });
}
