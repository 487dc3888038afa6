//! Tests of the list of all traffic.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{commit, done, moment, pairing, submit_leased};
use crate::exchange::{Answer, Exchange, Message, PackedExchange, Subject};
use crate::request::RecordId;
use crate::search::Search;
use crate::store::{Store, TrafficCursor, TrafficQuery, TrafficRow};
use crate::timings::Timings;

/// An exchange with a value in every field.
pub(super) fn exchange_at(at: DateTime<Utc>) -> Exchange {
    let message = |body: &[u8]| Message {
        headers: vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())],
        body: body.to_vec(),
        is_truncated: true,
    };
    Exchange {
        id: RecordId::new(at),
        number: 0,
        at,
        duration_ms: 5,
        timings: Some(Timings { connect_us: Some(1), read_us: Some(2), ..Timings::default() }),
        path: "/p?q".to_owned(),
        request: message(b"\0\xFF"),
        answer: Some(Answer { status: 500, reason: "No".to_owned(), message: message(b"") }),
        error: Some("e".to_owned()),
        error_type: Some("connection_terminated".to_owned()),
        user: Some("u".to_owned()),
        subject: Subject { operation: Some("o".to_owned()), cards: vec!["c".to_owned()], fault: Some("f".to_owned()) },
    }
}

pub(in crate::store) async fn all_traffic_is_one_list_and_a_search_ends_with_its_time(store: Arc<dyn Store>) {
    let mark = async || store.find_change_mark().await.unwrap();
    let before = mark().await;
    for second in 1..=40 {
        let leased = submit_leased(store.as_ref(), pairing("a", moment(3 * second), true)).await;
        commit(store.as_ref(), leased, done(), moment(3 * second)).await;
        let exchange = exchange_at(moment(3 * second + 1));
        store.add_exchanges(vec![Arc::new(PackedExchange::new(exchange))]).await.unwrap();
    }
    assert_ne!(mark().await, before);
    let pages = async |search: &Search, limit, time| {
        let (mut rows, mut before, mut cut) = (Vec::new(), Some(TrafficCursor::default()), 0);
        while let Some(cursor) = before {
            let query = TrafficQuery { search: search.clone(), before: cursor, limit, time };
            let page = store.list_traffic(query).await.unwrap();
            assert!(page.next.is_none_or(|next| next != cursor), "each page goes further");
            cut += usize::from(page.searched_to.is_some());
            before = page.next;
            rows.extend(page.rows.iter().map(TrafficRow::at));
        }
        (rows, cut)
    };
    let everything: Vec<_> = (1..=40).rev().flat_map(|second| [moment(3 * second + 1), moment(3 * second)]).collect();
    let (all, long) = (Search::default(), Duration::from_secs(60));
    assert_eq!(pages(&all, 7, long).await, (everything.clone(), 0));
    // Without any time, each page is one short step.
    let (rows, cut) = pages(&all, 500, Duration::ZERO).await;
    assert!(rows == everything && cut > 1, "{cut}: {rows:?}");
    let bounded = Search { since: Some(moment(30)), until: Some(moment(60)), terms: Vec::new() };
    let expected: Vec<_> = everything.into_iter().filter(|at| (moment(30)..moment(60)).contains(at)).collect();
    assert_eq!(pages(&bounded, 500, long).await, (expected, 0));
}
