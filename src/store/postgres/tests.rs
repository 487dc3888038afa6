//! Tests of the PostgreSQL store: the suite for both engines, and behaviour of PostgreSQL alone (several nodes, a lost
//! server).

#[path = "../../../tests/it/support/postgres.rs"]
#[expect(unreachable_pub, dead_code, reason = "tests/it uses it, too")]
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::DateTime;
use strum::VariantArray as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use self::server::Cluster;
use super::PostgresStore;
use super::database::Patience;
use super::script::{Script, values};
use crate::config::{Inputs, StoreSection, StoreUrl, load};
use crate::observer::Observers;
use crate::request::{Cas, RequestType, State};
use crate::store::suite::{self, commit, done, joinable, pairing, submit, submit_leased, user};
use crate::store::{
    Access, AccountStore as _, Allowance, LimitStore as _, MostCards, NodeId, RecordKey, RequestStore as _, Store,
    StoreError,
};

/// The name of the server's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

suite::tests_of_every_store!(open_new);

async fn open_new() -> Option<(Arc<Cluster>, Arc<dyn Store>)> {
    let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap()?;
    let store = open(&cluster.new_database()).await;
    store.add_user(user(), String::new()).await.unwrap();
    Some((cluster, Arc::new(store)))
}

fn config(url: &str) -> StoreSection {
    let config = load(&Inputs::default()).into_config().unwrap();
    StoreSection { url: StoreUrl::parse(url).unwrap(), ..config.store }
}

async fn open(url: &str) -> PostgresStore {
    try_open(url).await.unwrap()
}

/// How the proxy cuts the connection at the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The server never gets the commit.
    Before,
    /// The server commits, and the client gets no answer.
    After,
}

/// A proxy of the server's socket that cuts a connection at a commit; returns the folder of the proxy's socket.
fn cutting_proxy(url: &str, armed: Arc<Mutex<Option<Cut>>>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let host = url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).unwrap().0;
    let server = std::path::PathBuf::from(host.replace("%2F", "/")).join(SOCKET);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (armed, server) = (Arc::clone(&armed), server.clone());
            tokio::spawn(async move {
                let Ok(mut upstream) = UnixStream::connect(server).await else { return };
                let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                let mut is_cut = false;
                loop {
                    tokio::select! {
                        read = client.read(&mut from_client) => {
                            let sent = match read { Ok(length @ 1..) => &from_client[..length], _ => return };
                            if sent.windows(7).any(|word| word == b"COMMIT\0") {
                                match armed.lock().unwrap().take() {
                                    Some(Cut::Before) => return,
                                    Some(Cut::After) => is_cut = true,
                                    None => {}
                                }
                            }
                            if upstream.write_all(sent).await.is_err() { return }
                        }
                        read = upstream.read(&mut from_server) => {
                            let sent = match read { Ok(length @ 1..) => &from_server[..length], _ => return };
                            // The proxy reads the server's answer, since a server may not commit for a client that has left.
                            match is_cut {
                                true if sent.windows(7).any(|word| word == b"COMMIT\0") => return,
                                true => {}
                                false if client.write_all(sent).await.is_err() => return,
                                false => {}
                            }
                        }
                    }
                }
            });
        }
    });
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_commit_that_was_cut_is_found_out() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let direct = cluster.new_database();
    let armed = Arc::<Mutex<Option<Cut>>>::default();
    let folder = cutting_proxy(&direct, Arc::clone(&armed));
    let name = direct.rsplit('/').next().unwrap();
    let escaped = folder.path().display().to_string().replace('/', "%2F");
    let store = open(&format!("postgres://postgres@{escaped}/{name}")).await;
    store.add_user(user(), String::new()).await.unwrap();
    let arm = |cut| *armed.lock().unwrap() = Some(cut);

    arm(Cut::After);
    let leased = submit_leased(&store, pairing("a", DateTime::UNIX_EPOCH, true)).await;
    assert!(armed.lock().unwrap().is_none() && leased.request.number == 1, "it was accepted, and that is found out");
    arm(Cut::Before);
    let next = submit_leased(&store, pairing("b", DateTime::UNIX_EPOCH, true)).await;
    assert!(armed.lock().unwrap().is_none() && next.request.number == 2, "it was not, and is done again");
    // After a lost answer, the commit assumes that another request waits for the cards.
    for (leased, cut, released) in [(leased, Cut::Before, 0), (next, Cut::After, 1)] {
        arm(cut);
        let number = leased.request.number;
        assert_eq!(commit(&store, leased, done(), DateTime::UNIX_EPOCH).await, released, "an outcome is never lost");
        let record = store.find_request(None, RecordKey::Number(number)).await.unwrap().unwrap();
        assert_eq!(record.state, State::Completed);
    }
}

/// Many statements go out together with the commit, in their order; when one of them fails nothing is committed.
#[tokio::test]
async fn statements_that_are_sent_with_the_commit_are_made_in_their_order_or_not_at_all() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let url = cluster.new_database();
    let (store, name) = (open(&url).await, url.rsplit('/').next().unwrap());
    let write = async |counter: &'static str| {
        let written = store.database.write(Patience::Refuse, 1, move |transaction| {
            Box::pin(async move {
                let mut script = Script::default();
                for step in 0..60_i64 {
                    script.add("INSERT INTO date_step (noticed_at, by_ms) VALUES (now(), $1)", values![step]);
                }
                script.add("INSERT INTO counter (name, number, bytes) VALUES ($1, 0, 0)", values![counter]);
                transaction.run_last(&script).await.map(drop)
            })
        });
        written.await
    };
    let steps = || cluster.psql(name, "SELECT string_agg(by_ms::text, ' ' ORDER BY ctid) FROM date_step").unwrap();
    assert!(write("request").await.is_err());
    assert_eq!(steps(), "");
    write("new").await.unwrap();
    assert_eq!(steps(), (0..60).map(|step| step.to_string()).collect::<Vec<_>>().join(" "));
}

/// A lock goes out with the beginning of its transaction, also on a connection that has never begun one.
#[tokio::test]
async fn a_lock_is_held_to_the_end_of_the_transaction_that_it_begins() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let store = open(&cluster.new_database()).await;
    let held = store.database.write(Patience::Refuse, 1, |transaction| {
        Box::pin(async move {
            transaction.lock("SELECT pg_advisory_xact_lock(1)", &[]).await?;
            let held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
            Ok(transaction.query(held, &[]).await?.len())
        })
    });
    assert_eq!(held.await.unwrap(), 1);
}

/// The key of the table keeps the rule, even if the code broke it.
#[tokio::test]
async fn two_requests_cannot_have_one_card_whatever_the_code_does() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let url = cluster.new_database();
    let store = open(&url).await;
    store.add_user(user(), String::new()).await.unwrap();
    submit_leased(&store, pairing("a", DateTime::UNIX_EPOCH, true)).await;
    let name = url.rsplit('/').next().unwrap();
    assert_eq!(cluster.psql(name, "SELECT number FROM card_lock").as_deref(), Some("1"));
    assert_eq!(cluster.psql(name, "INSERT INTO card_lock VALUES ('a', 'conax', 2)"), None);
}

/// Many nodes claim at the same time: no request twice, no card twice, and each card's requests in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_claim_at_the_same_time_get_different_cards_in_their_order() {
    const CARDS: usize = 10;
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let url = cluster.new_database();
    let store = open(&url).await;
    store.add_user(user(), String::new()).await.unwrap();
    for number in 0..20 * CARDS {
        // Half of the requests may be sent in joint calls.
        let card = (number % CARDS).to_string();
        let submission = match number % 4 {
            0 | 1 => joinable(&card, "x", 0),
            _ => pairing(&card, DateTime::UNIX_EPOCH, false),
        };
        submit(&store, submission).await;
    }
    let most = MostCards::from([(RequestType::named("CREATE_PAIRING"), 3)]);
    let (ended, joined) = (Arc::<Mutex<Vec<(String, i64)>>>::default(), Arc::<AtomicUsize>::default());
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, ended, joined, most) = (open(&url).await, Arc::clone(&ended), Arc::clone(&joined), most.clone());
        nodes.spawn(async move {
            let node = NodeId::random();
            let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(1);
            while ended.lock().unwrap().len() < 20 * CARDS {
                let calls = store.claim_requests(now, 3, &node, Cas::VARIANTS, &most).await.unwrap();
                joined.fetch_add(calls.iter().map(|call| call.joined.len()).sum(), Ordering::Relaxed);
                for leased in calls.into_iter().flat_map(|call| [vec![call.first], call.joined].concat()) {
                    let request = &leased.request;
                    ended.lock().unwrap().push((request.content.cards[0].clone(), request.number));
                    commit(&store, leased, done(), now).await;
                }
            }
        });
    }
    nodes.join_all().await;
    let ended = ended.lock().unwrap();
    assert_eq!(ended.len(), 20 * CARDS);
    assert!(joined.load(Ordering::Relaxed) > 0);
    for card in 0..CARDS {
        let numbers: Vec<_> =
            ended.iter().filter(|(of, _)| *of == card.to_string()).map(|(_, number)| number).collect();
        assert!(numbers.is_sorted() && numbers.len() == 20, "{card}: {numbers:?}");
    }
}

async fn try_open(url: &str) -> Result<PostgresStore, StoreError> {
    let config = config(url);
    let StoreUrl::Postgres { config: server, .. } = &config.url else { panic!("{url}") };
    PostgresStore::open(server, &config, Access::Gateway(Observers::default())).await
}

/// The default limits that end a statement, a transaction and a connection without an answer.
#[tokio::test]
async fn nothing_waits_for_ever_by_default() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let store = open(&cluster.new_database()).await;
    let sql =
        "SELECT current_setting('statement_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout')
        || ' ' || current_setting('synchronous_commit') AS text";
    let writing = store.database.query_lightly(sql, &[]).await.unwrap();
    let reading = store.database.read(sql, &[]).await.unwrap();
    assert_eq!(writing[0].get::<_, String>("text"), "8s 8s on");
    assert_eq!(reading[0].get::<_, String>("text"), "10s 10s on");
}

/// All nodes take calls from the same allowance.
#[tokio::test]
async fn what_one_node_takes_is_gone_for_the_others() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else { return };
    let url = cluster.new_database();
    let (one, other) = (open(&url).await, open(&url).await);
    let take = async |store: &PostgresStore, calls: f64| {
        let taken = [Allowance { user: "u".to_owned(), calls }, Allowance { user: "v".to_owned(), calls: 1.0 }];
        // The refill per second is so small that time does not matter here.
        let left = store.take_allowances(&taken, 0.001).await.unwrap().unwrap();
        left.into_iter().find(|left| left.user == "u").unwrap().calls
    };
    assert!(take(&one, 5.0).await < 0.0, "more than there was");
    let left = take(&other, 0.0).await;
    assert!((-0.0101..=-0.009).contains(&left), "{left}: a debt stays, and has a floor");
    let keys = [[1; 32], [2; 32], [3; 32]];
    let day = std::time::Duration::from_secs(86_400);
    one.note_sign_in(&keys, false, day).await.unwrap();
    other.note_sign_in(&keys, false, day).await.unwrap();
    let traces = one.find_sign_ins(&keys).await.unwrap().unwrap();
    assert_eq!(traces.map(|trace| trace.failures), [2; 3]);
    other.note_sign_in(&keys, true, day).await.unwrap();
    let [pair, name, _] = one.find_sign_ins(&keys).await.unwrap().unwrap();
    assert_eq!((pair.failures, name.failures, pair.succeeded_ago.is_some()), (0, 2, true));
}
