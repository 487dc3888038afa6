//! The PostgreSQL store as an engine of the suite, and what only it has: several nodes, and a server that goes away.

#[path = "../../../tests/it/support/postgres.rs"]
#[expect(unreachable_pub, reason = "tests/it uses it, too")]
mod server;

use std::sync::Arc;

use self::server::Cluster;
use super::PostgresStore;
use crate::config::{Inputs, StoreSection, StoreUrl, load};
use crate::observer::Observers;
use crate::store::suite::{self, user};
use crate::store::{Access, AccountStore as _, Store};

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

async fn try_open(url: &str) -> Result<PostgresStore, crate::store::StoreError> {
    let config = config(url);
    let StoreUrl::Postgres { config: server, .. } = &config.url else { panic!("{url}") };
    PostgresStore::open(server, &config, Access::Gateway(Observers::default())).await
}
