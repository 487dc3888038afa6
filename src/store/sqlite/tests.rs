//! Tests of the SQLite store: the suite for both engines, and behaviour of SQLite alone (the file, its version, damage,
//! rows left).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use tempfile::TempDir;

use super::SqliteStore;
use super::connection::VERSION;
use crate::config::{Inputs, StoreSection, load};
use crate::exchange::{Exchange, Message, PackedExchange, Subject};
use crate::observer::Observers;
use crate::request::RecordId;
use crate::store::suite::{self, commit, done, pairing, submit, submit_leased, user};
use crate::store::{
    Access, AccountStore as _, ExchangeFilter, ExchangeStore as _, RequestStore as _, Store, StoreHealth as _,
    TrafficStore as _,
};

suite::tests_of_every_store!(open_new);

async fn open_new() -> Option<(TempDir, Arc<dyn Store>)> {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    Some((folder, Arc::new(store)))
}

fn config(folder: &Path) -> StoreSection {
    let config = load(&Inputs::default()).into_config().unwrap();
    StoreSection { data_dir: folder.to_owned(), ..config.store }
}

async fn open(folder: &Path) -> SqliteStore {
    let store = SqliteStore::open(&config(folder), Access::Gateway(Observers::default())).unwrap();
    assert!(store.is_checked, "a small database is looked at before anything else");
    store.add_user(user(), String::new()).await.unwrap();
    store
}

#[tokio::test]
async fn the_change_mark_stays_where_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mark = store.find_change_mark().await.unwrap();
    assert_eq!(store.find_change_mark().await.unwrap(), mark);
    submit_leased(&store, pairing("a", DateTime::UNIX_EPOCH, true)).await;
    assert_ne!(store.find_change_mark().await.unwrap(), mark);
}

#[tokio::test]
async fn of_the_devices_of_deleted_requests_the_last_of_each_card_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for second in 0..4 {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let leased = submit_leased(&store, pairing("a", now, true)).await;
        commit(&store, leased, done(), now).await;
    }
    let devices = || {
        let db = Connection::open(folder.path().join("gateway.sqlite3")).unwrap();
        let sql = "SELECT group_concat(kind || number) AS devices FROM request_device";
        db.query_row(sql, [], |row| row.get::<_, String>("devices")).unwrap()
    };
    assert_eq!(devices(), "card1,card2,card3,card4,stb1,stb2,stb3,stb4");
    assert_eq!(store.purge_requests(Utc::now(), 0).await.unwrap().count, 4);
    assert_eq!(devices(), "card4");
}

/// Holds for a gateway, a command, and a check of the configuration.
#[tokio::test]
async fn a_database_of_another_version_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    let file = folder.path().join("gateway.sqlite3");
    for version in [0, 1, VERSION + 1] {
        let db = Connection::open(&file).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        let refused = [
            SqliteStore::open(&config(folder.path()), Access::Gateway(Observers::default())).err(),
            SqliteStore::open(&config(folder.path()), Access::Command).err(),
            SqliteStore::inspect(folder.path()).err(),
        ];
        for refused in refused {
            let refused = refused.unwrap().to_string();
            let says = [
                &format!("of version {version},"),
                &format!("works with version {VERSION}"),
                "another store.data_dir",
                "gateway.sqlite3",
            ];
            assert!(says.iter().all(|part| refused.contains(part)), "{refused}");
        }
    }
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", VERSION).unwrap();
    drop(db);
    let store = SqliteStore::open(&config(folder.path()), Access::Gateway(Observers::default())).unwrap();
    assert_eq!(store.list_users().await.unwrap().len(), 1);
}

/// A start does not check a large database completely.
#[tokio::test]
async fn damage_that_the_start_did_not_get_to_ends_the_running_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for second in 0..50 {
        submit(&store, pairing("a", DateTime::UNIX_EPOCH + TimeDelta::seconds(second), false)).await;
    }
    drop(store);
    // A command checks nothing at its start.
    let open = || SqliteStore::open(&config(folder.path()), Access::Command).unwrap();
    assert!(open().check_tables().await.is_ok());
    let file = folder.path().join("gateway.sqlite3");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..].fill(0x5A);
    std::fs::write(&file, bytes).unwrap();
    let store = open();
    let why = tokio::time::timeout(Duration::from_secs(10), store.wait_for_failure()).await.unwrap();
    assert!(why.contains("restore a backup"), "{why}");
}

#[tokio::test]
async fn exchanges_take_no_more_than_they_may_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let config = |exchange_bytes| StoreSection { exchange_bytes, ..config(folder.path()) };
    let store = SqliteStore::open(&config(10_000), Access::Gateway(Observers::default())).unwrap();
    let exchange = |second: i64, body: Vec<u8>| {
        let (id, at, path) = (
            RecordId::new(DateTime::from_timestamp(second, 0).unwrap()),
            DateTime::from_timestamp(second, 0).unwrap(),
            "/p".to_owned(),
        );
        let request = Message { body, ..Message::default() };
        let (answer, error, error_type, user) = (None, None, None, None);
        let (number, duration_ms, timings, subject) = (0, 0, None, Subject::default());
        Exchange { id, number, at, duration_ms, timings, path, request, answer, error, error_type, user, subject }
    };
    let add = async |store: &SqliteStore, exchange: Exchange| {
        store.add_exchanges(vec![Arc::new(PackedExchange::new(exchange))]).await.unwrap();
    };
    let numbers = async |store: &SqliteStore| {
        let filter = ExchangeFilter { limit: 1000, ..ExchangeFilter::default() };
        store.list_exchanges(filter).await.unwrap().iter().map(|summary| summary.number).collect::<Vec<_>>()
    };
    for second in 1..=100 {
        add(&store, exchange(second, vec![b'x'; 200])).await;
    }
    // Each exchange takes its 200 bytes of body, and 256 and a few more.
    assert_eq!(numbers(&store).await, (80..=100).collect::<Vec<_>>());
    // A packed body, or a body that could be packed, counts by its packed size.
    let bomb = exchange(101, vec![b'x'; 1 << 20]);
    add(&store, bomb.clone()).await;
    assert_eq!(store.find_exchange(&bomb.id).await.unwrap(), Some(Exchange { number: 101, ..bomb }));
    assert!(numbers(&store).await.len() > 15);
    drop(store);
    let store = SqliteStore::open(&config(1_000), Access::Gateway(Observers::default())).unwrap();
    while store.purge_exchanges(None).await.unwrap() > 0 {}
    assert_eq!(numbers(&store).await.last(), None, "the newest alone takes more");
    let of_all = Connection::open(folder.path().join("gateway.sqlite3")).unwrap();
    let total: i64 = of_all.query_row("SELECT bytes FROM exchange_total", [], |row| row.get(0)).unwrap();
    assert_eq!(total, 0);
}
