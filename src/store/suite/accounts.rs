//! Tests of users with their tokens and keys, and of imports of the catalogue.

use super::*;

pub(in crate::store) async fn a_user_that_is_removed_has_neither_tokens_nor_keys(store: Arc<dyn Store>) {
    let again = store.add_user(user(), String::new()).await;
    assert!(matches!(again, Err(StoreError::Taken(_))), "{again:?}");
    let owner = TokenOwner { user: Arc::new(user()), expires_at: moment(9) };
    store.add_token([1; 32], &owner, moment(1)).await.unwrap();
    let key = |username: &str| {
        let (id, name, username) = (username.to_owned(), "k".to_owned(), username.to_owned());
        ApiKey { id, name, username }
    };
    assert!(store.add_key(key("u"), [2; 32]).await.unwrap());
    assert!(!store.add_key(key("nobody"), [3; 32]).await.unwrap());
    assert_eq!(store.list_keys().await.unwrap().len(), 1);
    assert_eq!(store.find_key_user([2; 32]).await.unwrap().unwrap().id, user().id);
    assert_eq!(store.find_token_owner([1; 32]).await.unwrap().unwrap().expires_at, moment(9));
    assert_eq!(store.find_token_owner([2; 32]).await.unwrap().map(|owner| owner.expires_at), None);
    assert!(store.remove_user("u").await.unwrap() && !store.remove_user("u").await.unwrap());
    assert!(store.find_user("u").await.unwrap().is_none() && store.list_users().await.unwrap().is_empty());
    assert!(store.find_key_user([2; 32]).await.unwrap().is_none());
    assert!(store.find_token_owner([1; 32]).await.unwrap().is_none());
}

pub(in crate::store) async fn an_import_is_taken_whole_or_not_at_all(store: Arc<dyn Store>) {
    let entry = |id: &str, name: &str| {
        let (id, name, ca_id) = (id.to_owned(), name.to_owned(), Some(format!("ca-{id}")));
        Entry { id, name, alternative_code: None, ca_id, distribution_id: None }
    };
    let kind = EntryKind::Services;
    let entries = vec![entry("1", "a"), entry("2", "b")];
    store.import_entries(kind, entries.clone()).await.unwrap();
    let clash = store.import_entries(kind, vec![entry("3", "c"), entry("4", "a")]).await;
    assert!(matches!(clash, Err(StoreError::Taken(_))), "{clash:?}");
    assert_eq!(store.list_entries(kind).await.unwrap(), entries);
    let found = store.find_entries(kind, Key::CaId, vec!["ca-2".to_owned(), "ca-3".to_owned()]).await.unwrap();
    assert_eq!(found, entries[1..]);
    store.import_entries(kind, vec![entry("2", "c")]).await.unwrap();
    assert_eq!(store.list_entries(kind).await.unwrap(), [entry("1", "a"), entry("2", "c")]);
}
